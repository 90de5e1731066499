"""Two orders of finalization side by side, as text for a terminal."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from ..model.comparison import Change, Comparison, FinalizationComparison, Place, Row, Side
from ..model.words import plural
from .escape import printable
from .lines import DOT, facts, join_wrapped, paragraph, signed
from .records import encode
from .style import Style
from .table import Cell, CellLike, Column, table
from .width import shorten

#: Mark between the two columns and colour, by what happened to the step.
_MARKS = {
    "same": (" ", ""),
    "renamed": ("~", ""),
    "moved": ("→", "running"),
    "inside": (" ", "dim"),
    "new": (">", "good"),
    "gone": ("<", "error"),
}
_TITLES = {
    "main": "end of the main interpreter",
    "subinterpreter": "end of a subinterpreter",
    "after": "after Py_FinalizeEx",
}
#: Lines that stay the same around one that does not.
_CONTEXT = 1
_NAMES = 6
_TYPES = 20


def render_comparison(
    comparison: Comparison, style: Style, width: int, everything: bool = False
) -> str:
    """Return the comparison as text without a newline at its end.

    ``everything`` lists the steps that stayed too, and all differences of counts. Raises MissingTabulate.
    """
    blocks = [_sides(comparison, style, width)]
    told: Set[Tuple[object, ...]] = set()
    for each in comparison.finalizations:
        blocks += _finalization(each, style, width, everything, told)
    blocks += _types(comparison, style, width, everything)
    for note in comparison.notes:
        blocks.append("\n".join(paragraph(note, style, width, role="dim")))
    return style.output("\n\n".join(block for block in blocks if block))


def comparison_to_dict(comparison: Comparison) -> Dict[str, Any]:
    """Return the comparison as plain data of schema ``fingdb-compare/1``."""
    document: Dict[str, Any] = {"schema": "fingdb-compare/1", "differs": comparison.differs}
    document.update(encode(comparison))
    for data, each in zip(document["finalizations"], comparison.finalizations):
        data["differs"] = each.differs
    return document


def _sides(comparison: Comparison, style: Style, width: int) -> str:
    rows = [(letter, [_side(side)], "") for letter, side in (("A", comparison.a), ("B", comparison.b))]
    return "\n".join(facts(rows, style, width, indent=0))


def _side(side: Side) -> str:
    version = f"Python {side.version}" if side.version else None
    parts = [version, None if side.name in (side.path, side.version) else side.name, side.path]
    kind = "steps read from its code" if side.kind == "plan" else "recorded run"
    return DOT.join([*(printable(part) for part in parts if part), kind])


def _finalization(
    each: FinalizationComparison, style: Style, width: int, everything: bool, told: Set[Tuple[object, ...]]
) -> List[str]:
    lists: Tuple[List[Change], ...] = (each.moved, each.new, each.gone, each.rephased)
    title = style.heading(_TITLES.get(each.kind, each.kind))
    counts = [f"{plural(each.steps_a, 'step')} → {each.steps_b}", f"{each.same} as they were"]
    words = ("moved", "new", "gone", "in another phase", "under another name")
    sizes = [*map(len, lists), len(_names_only(each.renamed))]
    counts += [f"{size} {word}" for size, word in zip(sizes, words) if size]
    head = [title, *("  " + style.dim(line) for line in _dotted(counts, width - 2 if width else 0))]
    if not each.differs:
        head.append("  the same steps in the same order")
    fresh = [[change for change in changes if _fingerprint(change) not in told] for changes in lists]
    repeated = sum(map(len, lists)) - sum(map(len, fresh))
    told |= {_fingerprint(change) for changes in lists for change in changes}
    blocks = ["\n".join(head)]
    if everything or each.differs and not repeated:
        blocks.append(_side_by_side(each.rows, style, width, everything))
    moved, new, gone, rephased = fresh
    blocks.append(_section("moved", [line for change in moved for line in _moved(change, style, width)], style))
    blocks.append(_section("new", _placed(new, "b", style, width), style))
    blocks.append(_section("gone", _placed(gone, "a", style, width), style))
    blocks.append(_section("same place, other phase", _phases(rephased, style, width), style))
    names = _names_only(each.renamed) if not repeated else []
    blocks.append(_section("under another name", _names(names, style, width), style))
    blocks.append(_section("other count or state", _counts(each.counted, style, width), style))
    if repeated:
        blocks.append("  " + style.dim(f"and {repeated} of the differences above"))
    return blocks


def _fingerprint(change: Change) -> Tuple[object, ...]:
    sides = [(p.container, p.after, p.before) if p is not None else None for p in (change.a, change.b)]
    return (change.step, *sides)


def _section(title: str, lines: Sequence[str], style: Style) -> str:
    return "\n".join([style.phase(title), *lines]) if lines else ""


def _dotted(parts: Sequence[str], columns: int) -> List[str]:
    return join_wrapped(list(parts), columns)


# -- both lists beside each other ---------------------------------------------------------------------


def _side_by_side(rows: Sequence[Row], style: Style, width: int, everything: bool) -> str:
    shown = [everything or _near(rows, at) for at in range(len(rows))]
    cells: List[List[CellLike]] = []
    skipped = 0
    for row, show in zip(rows, shown):
        if not show:
            skipped += 1
            continue
        if skipped:
            cells.append([Cell(f"… {plural(skipped, 'more step')} …", "dim"), "", ""])
            skipped = 0
        mark, role = _MARKS[row.mark]
        left = _indented(row.a, row.depth_a)
        right = _indented(row.b, row.depth_b)
        cells.append([Cell(left, role), Cell(mark, role), Cell(right, role)])
    if skipped:
        cells.append([Cell(f"… {plural(skipped, 'more step')} …", "dim"), "", ""])
    room = max(16, (width - 2 - 1 - 2 * 2) // 2) if width > 0 else 0
    for line in cells:
        for column in (0, 2):
            cell = line[column]
            if room and isinstance(cell, Cell):
                line[column] = Cell(shorten(cell.text, room), cell.role)
    columns = [Column("A", keep="start"), Column(" "), Column("B", keep="start")]
    text = table(columns, cells, style, width, indent=2)
    return text + "\n" + style.dim("  → moved   > new   < gone   ~ another name") if text else ""


def _indented(name: str, depth: int) -> str:
    # Spaces in front would be lost in a table of aligned columns of another program; here they stay.
    return " " * depth + name if name else ""


def _near(rows: Sequence[Row], at: int) -> bool:
    around = rows[max(0, at - _CONTEXT) : at + _CONTEXT + 1]
    return any(row.mark in ("moved", "new", "gone") for row in around)


# -- one by one ---------------------------------------------------------------------------------------


def _moved(change: Change, style: Style, width: int) -> List[str]:
    if change.a is None or change.b is None:
        return []
    phases = change.b.phase if change.a.phase == change.b.phase else f"{change.a.phase} → {change.b.phase}"
    name = change.step if change.a.name == change.step else f"{change.step} (was {change.a.name})"
    rows = [
        ("was", [_where(change.a)], ""),
        ("now", [_where(change.b)], ""),
        ("now before", [_several(change.now_before)] if change.now_before else [], "note"),
        ("now after", [_several(change.now_after)] if change.now_after else [], "note"),
    ]
    head = f"  {style.function(printable(name))}  {style.dim(printable(phases))}"
    return [head, *facts(rows, style, width, indent=4)]


def _where(place: Place) -> str:
    inside = f"in {printable(place.container)}" if place.container else "at the top"
    if place.after and place.before:
        return f"{inside}, after {printable(place.after)}, before {printable(place.before)}"
    if place.after:
        return f"{inside}, last, after {printable(place.after)}"
    if place.before:
        return f"{inside}, first, before {printable(place.before)}"
    return f"{inside}, alone there"


def _several(names: Sequence[str]) -> str:
    shown = [printable(name) for name in names[:_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _placed(changes: Sequence[Change], side: str, style: Style, width: int) -> List[str]:
    """Return the lines on steps that only one side has."""
    rows = []
    for change in changes:
        place: Optional[Place] = getattr(change, side)
        if place is None:
            continue
        texts = [_where(place)]
        if change.holds:
            first, last = change.holds[0], change.holds[-1]
            texts.append("around " + printable(first if first == last else f"{first} … {last}"))
        elif change.also_in:
            texts.append(f"{'A' if side == 'b' else 'B'} has it in {printable(', '.join(change.also_in[:3]))}")
        rows.append((printable(place.name), texts, ""))
    return facts(rows, style, width)


def _phases(changes: Sequence[Change], style: Style, width: int) -> List[str]:
    rows: List[List[CellLike]] = []
    for change in changes:
        if change.a is not None and change.b is not None:
            rows.append([Cell(change.step, "function"), change.a.phase, change.b.phase])
    return table([Column("STEP"), Column("A"), Column("B")], rows, style, width, indent=2).split("\n") if rows else []


def _names_only(changes: Sequence[Change]) -> List[Tuple[str, str]]:
    pairs = [(c.a.name, c.b.name) for c in changes if c.a is not None and c.b is not None]
    return list(dict.fromkeys(pairs))


def _names(pairs: Sequence[Tuple[str, str]], style: Style, width: int) -> List[str]:
    if not pairs:
        return []
    columns = [Column("A", keep="start"), Column("B", keep="start")]
    return table(columns, [list(pair) for pair in pairs], style, width, indent=2).split("\n")


def _counts(changes: Sequence[Change], style: Style, width: int) -> List[str]:
    rows: List[List[CellLike]] = []
    for change in changes:
        if change.a is not None and change.b is not None:
            rows.append([Cell(change.step, "function"), change.b.container, _count(change.a), _count(change.b)])
    columns = [Column("STEP"), Column("IN", keep="start"), Column("A", "right"), Column("B", "right")]
    return table(columns, rows, style, width, indent=2).split("\n") if rows else []


def _count(place: Place) -> str:
    state = "" if place.state in (None, "done") else f" {place.state}"
    return f"{place.count}{state}"


def _types(comparison: Comparison, style: Style, width: int, everything: bool) -> List[str]:
    blocks = []
    for interpreter, (a, b) in comparison.objects.items():
        rows: List[List[CellLike]] = [[Cell("all", "strong"), a, b, signed(b - a)]]
        all_types = [entry for entry in comparison.types if entry.interpreter == interpreter]
        types = all_types if everything else all_types[:_TYPES]
        for entry in types:
            role = "more" if entry.b > entry.a else "less"
            rows.append([entry.type, entry.a, entry.b, Cell(signed(entry.b - entry.a), role)])
        columns = [Column("TYPE", keep="start"), Column("A", "right"), Column("B", "right"), Column("B - A", "right")]
        lines = [style.heading(f"GC objects of interpreter {interpreter} when last counted")]
        lines.append(table(columns, rows, style, width, indent=2))
        if len(types) < len(all_types):
            lines.append("  " + style.dim(f"… {plural(len(all_types) - len(types), 'more type')} (--all lists them)"))
        blocks.append("\n".join(lines))
    return blocks
