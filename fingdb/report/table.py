"""Tables, laid out by tabulate, that fit the terminal.

tabulate sees neither colours nor wide characters: it lays out stand-ins of the right width, which
are then exchanged for the real cells. So a table is the same whether or not wcwidth is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Union

from .escape import printable
from .style import Style
from .width import display_width, shorten

# A private character that `printable` never lets through, so no cell can contain it.
_FILL = "\ue000"
_GAP = 2
_MINIMUM = 8


class MissingTabulate(ImportError):
    """tabulate cannot be imported; the text is a sentence for the user."""

    def __init__(self) -> None:
        super().__init__("tables need the Python package tabulate in the debugger's Python", name="tabulate")


@dataclass(frozen=True)
class Cell:
    """A cell's text (made printable here) and the palette's role that colours it."""

    text: str
    role: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its title, ``left`` or ``right``, and which end of a long text to keep.

    ``keep`` is ``start`` or ``end`` for a column that may be shortened, empty for one that may not.
    """

    title: str
    align: str = "left"
    keep: str = ""


CellLike = Union[Cell, str, int, None]


def _cell(value: CellLike) -> Cell:
    if isinstance(value, Cell):
        return Cell(printable(value.text), value.role)
    return Cell("" if value is None else printable(str(value)))


def _fit(columns: Sequence[Column], widths: List[int], width: int) -> List[int]:
    """Return the widths with the shortenable columns made narrower, the widest of them first."""
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    while excess > 0:
        candidates = [i for i, c in enumerate(columns) if c.keep and widths[i] > _MINIMUM]
        if not candidates:
            break
        ranked = sorted((widths[i] for i in candidates), reverse=True)
        widest = max(candidates, key=lambda i: widths[i])
        # Down to the next one's width at once, then together.
        step = max(1, ranked[0] - ranked[1]) if len(ranked) > 1 else excess
        step = min(step, excess, widths[widest] - _MINIMUM)
        widths[widest] -= step
        excess -= step
    return widths


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[CellLike]],
    style: Style,
    width: int = 0,
    indent: int = 0,
) -> str:
    """Return the table as text without a newline at its end.

    Not wider than ``width`` columns (0: no limit) as far as its shortenable columns allow. A column
    without any text in its cells is left out. Raises MissingTabulate.
    """
    try:
        from tabulate import tabulate
    except ImportError:
        raise MissingTabulate() from None
    cells = [[_cell(value) for value in row] for row in rows]
    used = [i for i in range(len(columns)) if not cells or any(row[i].text for row in cells)]
    if not used:
        return ""
    kept = [columns[i] for i in used]
    cells = [[row[i] for i in used] for row in cells]
    widths = [
        max([display_width(column.title)] + [display_width(row[i].text) for row in cells])
        for i, column in enumerate(kept)
    ]
    if width > 0:
        widths = _fit(kept, widths, width - indent)
    shown: List[Cell] = [Cell(column.title, "heading") for column in kept]
    for row in cells:
        for i, cell in enumerate(row):
            shown.append(Cell(shorten(cell.text, widths[i], kept[i].keep or "start"), cell.role))
    stand_ins = [_FILL * display_width(cell.text) for cell in shown]
    size = len(kept)
    # The titles go in as the first row: tabulate would pad real headers by two columns more.
    laid_out = tabulate(
        [stand_ins[i : i + size] for i in range(0, len(shown), size)],
        tablefmt="plain",
        disable_numparse=True,
        colalign=[column.align for column in kept],
    )
    return _exchange(laid_out, shown, style, indent)


def _exchange(laid_out: str, shown: Sequence[Cell], style: Style, indent: int) -> str:
    """Return the layout with each stand-in exchanged for its cell, in reading order."""
    following: Iterator[Cell] = (cell for cell in shown if display_width(cell.text))

    def replace(_match: "re.Match[str]") -> str:
        cell: Optional[Cell] = next(following, None)
        return "" if cell is None else style.paint(cell.role, cell.text)

    lines = [" " * indent + line.rstrip() for line in laid_out.split("\n")]
    return "\n".join(re.sub(f"{_FILL}+", replace, line) for line in lines)
