"""The answer of `pyfin leaks --blocks`: what is allocated, by type and by size."""

from __future__ import annotations

from typing import Dict, List, Optional

from ..model.survivors import LeftBehind
from ..model.words import plural
from .lines import paragraph, signed
from .style import Style
from .table import Cell, CellLike, Column, table

_ROWS = 25


def render_left(found: LeftBehind, before: Optional[LeftBehind], style: Style, width: int, everything: bool) -> str:
    """Return what is allocated as text, with the difference to an earlier answer. Raises MissingTabulate."""
    total = f"{plural(found.blocks, 'block')} of {found.allocator} in use"
    if found.large is not None:
        total += f", {plural(found.large, 'larger one')} of malloc"
    if before is not None:
        total += f" · {before.blocks} and {before.large if before.large is not None else '?'} when last asked"
    lines = [style.strong(total), ""]
    earlier: Dict[str, int] = {t.type: t.count for t in before.types} if before is not None else {}
    shown = found.types if everything else found.types[:_ROWS]
    rows: List[List[CellLike]] = [
        [Cell(t.type, "function"), t.count, _difference(t.count, earlier.get(t.type, 0), before), t.bytes] for t in shown
    ]
    if found.no_object:
        was = before.no_object if before is not None else 0
        rows.append(["(no object)", found.no_object, _difference(found.no_object, was, before), None])
    columns = [Column("TYPE", keep="start"), Column("BLOCKS", "right"), Column("CHANGE", "right"), Column("BYTES", "right")]
    lines.append(table(columns, rows, style, width))
    if len(shown) < len(found.types):
        lines.append(style.dim(f"… {plural(len(found.types) - len(shown), 'more type')} (--all lists them)"))
    sizes = {s.size: s.count for s in before.sizes} if before is not None else {}
    columns = [Column("SIZE", "right"), Column("BLOCKS", "right"), Column("CHANGE", "right")]
    rows = [[s.size, s.count, _difference(s.count, sizes.get(s.size, 0), before)] for s in found.sizes]
    lines += ["", table(columns, rows, style, width)]
    for problem in found.problems:
        lines += paragraph(problem, style, width, 0, "warning")
    return style.output("\n".join(lines))


def _difference(now: int, was: int, before: Optional[LeftBehind]) -> str:
    return "" if before is None else signed(now - was)
