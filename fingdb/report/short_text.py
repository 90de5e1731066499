"""What `pyfin verify --references` found."""

from __future__ import annotations

from typing import List, Sequence

from ..model.objects import ShortOfReferences
from ..model.words import plural
from .lines import paragraph
from .style import Style
from .table import Cell, CellLike, Column, table

#: More objects are counted.
_MOST = 20


def render_short(found: Sequence[ShortOfReferences], style: Style, width: int) -> str:
    """Return the objects that count too few references as a table. Raises MissingTabulate."""
    if not found:
        return style.output("references: no object counts fewer than other objects hold")
    columns = [Column("ADDRESS"), Column("TYPE", keep="start"), Column("VALUE", keep="start"), Column("COUNTS", "right"),
               Column("HELD", "right"), Column("BY", keep="start")]  # fmt: skip
    rows: List[List[CellLike]] = [
        [
            Cell(f"{each.address:#x}", "address"), Cell(each.type, "function"), each.repr, Cell(str(each.count), "error"),
            each.held, _by(each),
        ]
        for each in found[:_MOST]
    ]  # fmt: skip
    text = (
        f"references: {plural(len(found), 'object')} count fewer references than other objects hold; something gave back "
        "one that was not its own (Py_DECREF), and the object will die while it is in use"
    )
    if len(found) == 1:
        text = text.replace("1 object count ", "1 object counts ")
    lines = [*paragraph(text, style, width, 0, "error"), table(columns, rows, style, width, 2)]
    if len(found) > _MOST:
        lines.append(style.dim(f"  and {len(found) - _MOST} more"))
    return style.output("\n".join(lines))


def _by(each: ShortOfReferences) -> str:
    words = [f"{holder.name} of {holder.type}" for holder in each.holders]
    more = each.held - len(words)
    return ", ".join(words) + (f" and {more} more" if more else "")
