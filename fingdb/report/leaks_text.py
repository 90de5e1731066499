"""The answer of `pyfin leaks`."""

from __future__ import annotations

from typing import List

from ..model.survivors import SurvivorGroup, Survivors, Suspect
from .escape import printable
from .lines import base_name, facts, paragraph, place, plural
from .style import Style
from .why_text import account_words

_TYPES = 8


def render_leaks(found: Survivors, style: Style, width: int, everything: bool = False) -> str:
    """Return the survivors as text. Notes, about CPython's own, are only counted unless ``everything`` is asked for."""
    shown = [group for group in found.groups if everything or group.severity != "note"]
    notes = [group for group in found.groups if group.severity == "note"]
    head = f"{plural(found.objects, 'object')} of the collector · {found.kept} kept by CPython's own structures"
    head += f" · {found.objects - found.kept} by other reasons"
    lines = [style.strong(head)]
    for number, group in enumerate(shown, 1):
        lines += ["", *_group(number, group, style, width)]
    hidden = len(found.groups) - len(shown)
    if hidden:
        of = sum(group.objects for group in notes)
        text = f"{plural(hidden, 'group')} of {plural(of, 'object')} that only CPython itself can help (--all lists them)"
        lines += ["", style.dim(text)]
    if found.partial:
        lines += paragraph("this answer is partial", style, width, 0, "warning")
    for problem in found.problems:
        lines += paragraph(problem, style, width, 0, "warning")
    return style.output("\n".join(lines))


def title_of(group: SurvivorGroup) -> str:
    """Return a group in a few words."""
    head = f"{printable(group.head.type)} {printable(group.head.repr)}"
    if group.kind == "unvisited":
        suspect = group.suspects[0]
        return f"{_what(suspect)} is not visited: {head} and what it refers to can never be collected"
    if group.kind == "static":
        return f"{head} is kept by {printable(group.holders[0].words) if group.holders else 'C data of a library'}"
    if group.kind == "lost":
        return f"{head} is kept by {plural(group.account.unexplained or 0, 'reference')} that nothing shows"
    if group.kind == "memory":
        return f"{head} is kept by {printable(group.holders[0].words)}"
    if group.kind == "immortal":
        return f"{head} is immortal, and nothing of CPython's own keeps it"
    return f"{head} is only held by its own cycle"


def _what(suspect: Suspect) -> str:
    if suspect.edge == "ob_type":
        return f"the type of {printable(suspect.type)} objects"
    return f"{printable(suspect.edge)} of {printable(suspect.type)} objects"


def _group(number: int, group: SurvivorGroup, style: Style, width: int) -> List[str]:
    types = ", ".join(f"{printable(t.type)} {t.count}" for t in group.types[:_TYPES])
    if len(group.types) > _TYPES:
        types += f", {len(group.types) - _TYPES} more types"
    rows = [
        ("object", [f"{group.head.address:#x}"], "address"),
        ("keeps", [f"{plural(group.objects, 'object')}: {types}"], ""),
        ("count", [account_words(group.account)], "warning" if (group.account.unexplained or 0) > 0 else ""),
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


def _blame(suspect: Suspect) -> str:
    culprit = suspect.culprit
    if culprit is None:
        return f"{printable(suspect.type)} ({suspect.confidence}): {suspect.why}"
    where = place(culprit.file, culprit.line)
    at = f" at {where}" if where else ""
    return f"{printable(culprit.function)} in {printable(base_name(culprit.library))}{at} ({suspect.confidence}): {suspect.why}"
