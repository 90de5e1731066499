"""The answer of `pyfin leaks`."""

from __future__ import annotations

from typing import List

from ..findings.survivor_words import account_words, title_of
from ..model.survivors import SurvivorGroup, Survivors, Suspect
from ..model.words import plural
from .escape import printable
from .lines import base_name, facts, paragraph, place
from .style import Style

_TYPES = 8
_OTHERS = 3


def render_leaks(found: Survivors, style: Style, width: int, everything: bool = False) -> str:
    """Return the survivors as text. Notes, about CPython's own, are only counted unless ``everything`` is asked for."""
    shown = [group for group in found.groups if everything or group.severity != "note"]
    head = f"{plural(found.objects, 'object')} of the collector · {found.kept} kept by CPython's own structures"
    head += f" · {found.objects - found.kept} by other reasons"
    lines = [style.strong(head)]
    for number, group in enumerate(shown, 1):
        lines += ["", *_group(number, group, style, width)]
    notes = [] if everything else [group for group in found.groups if group.severity == "note"]
    cycles = [group for group in notes if group.kind == "cycle"]
    others = [group for group in notes if group.kind != "cycle"]
    seen = "" if found.collected else ", and that a collection may free if one comes yet"
    hidden = [
        (cycles, f"that only their own cycle holds{seen}"), (others, "that only CPython itself can help"),
    ]  # fmt: skip
    for groups, words in hidden:
        if groups:
            of = plural(sum(group.objects for group in groups), "object")
            text = f"{plural(len(groups), 'group')} of {of} {words} (--all lists them)"
            lines += ["", *paragraph(text, style, width, 0, "dim")]
    if found.partial:
        lines += paragraph("this answer is partial", style, width, 0, "warning")
    for problem in found.problems:
        lines += paragraph(problem, style, width, 0, "warning")
    return style.output("\n".join(lines))


def _group(number: int, group: SurvivorGroup, style: Style, width: int) -> List[str]:
    types = ", ".join(f"{printable(t.type)} {t.count}" for t in group.types[:_TYPES])
    if len(group.types) > _TYPES:
        types += f", {plural(len(group.types) - _TYPES, 'more type')}"
    lost = (group.account.unexplained or 0) > 0
    rows = [
        ("object" if group.count == 1 else "objects", [_addresses(group)], "address"),
        ("keeps", [f"{plural(group.objects, 'object')}: {types}"], ""),
        ("count" if group.count == 1 else "each", [account_words(group.account)], "warning" if lost else ""),
        ("held by", [", ".join(printable(name) for name in group.referrers)] if group.referrers else [], ""),
        ("and by", [printable(holder.words) for holder in group.holders[:4]], ""),
        ("blame", [_blame(suspect) for suspect in group.suspects[:4]], "function"),
        ("owner", [printable(base_name(group.owner))] if group.owner and not group.suspects else [], "file"),
        ("change", [group.advice] if group.advice else [], ""),
        ("see", group.references, "dim"),
    ]
    role = "note" if group.severity == "note" else "warning"
    title = paragraph(title_of(group), style, width - 4 if width else 0, 0, role)
    lines = [f"{number:>2}  {title[0]}", *(f"    {line}" for line in title[1:])]
    return lines + facts(rows, style, width, 4)


def _addresses(group: SurvivorGroup) -> str:
    shown = [f"{address:#x}" for address in (group.head.address, *group.others[: _OTHERS])]
    more = group.count - len(shown)
    return ", ".join(shown) + (f", {more} more" if more else "")


def _blame(suspect: Suspect) -> str:
    culprit = suspect.culprit
    if culprit is None:
        return f"{printable(suspect.edge)} of {printable(suspect.type)} ({suspect.confidence}): {suspect.why}"
    where = place(culprit.file, culprit.line)
    at = f" at {where}" if where else ""
    return f"{printable(culprit.function)} in {printable(base_name(culprit.library))}{at} ({suspect.confidence}): {suspect.why}"
