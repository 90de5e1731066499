"""The answers of `pyfin object` and `pyfin referrers`."""

from __future__ import annotations

from typing import List, Sequence

from ..model.objects import ObjectRecord, Reference
from ..model.words import plural
from .escape import printable
from .lines import facts, paragraph
from .style import Style
from .table import Cell, CellLike, Column, table

#: What needs no word: most references are.
_USUAL = "visited"


def render_object(record: ObjectRecord, style: Style, width: int) -> str:
    """Return an object with its references as text. Raises MissingTabulate."""
    kind = f"{record.type} ({'heap' if record.heap_type else 'static'} type at {record.type_address:#x})"
    count = "immortal" if record.immortal else str(record.refcount)
    if record.held is not None:
        count = f"{record.held}, counted late: those of frames are not in it, and only a collection frees the object"
    collected = "its type takes no part in collection"
    if record.tracked is False:
        collected = "not tracked"
    elif record.tracked:
        collected = "tracked"
        if record.generation >= 0:
            collected += f", generation {record.generation if record.generation < 255 else 'permanent (gc.freeze)'}"
        if record.interpreter:
            collected += f", interpreter {record.interpreter}"
    rows = [
        ("type", [printable(kind)], ""),
        ("value", [printable(record.repr)], ""),
        ("references", [count], ""),
        ("collector", [collected], ""),
        ("size", [f"{record.size} bytes"] if record.size is not None else [], ""),
        ("struct", [printable(record.struct)] if record.struct else [], ""),
    ]
    lines = [style.address(f"{record.address:#x}"), *facts(rows, style, width, 1), ""]
    if record.referents:
        lines.append(reference_table(record.referents, "REFERS TO", style, width))
    else:
        lines.append("refers to no object")
    if record.more:
        lines.append(style.dim(f"… {plural(record.more, 'more reference')} (--limit N lists more)"))
    if record.scanned:
        words = "guessed: a word that is the address of an object; neither debug information nor the type describes it"
        lines += paragraph(words, style, width, 0, "note")
    for problem in record.problems:
        lines += paragraph(problem, style, width, 0, "warning")
    return style.output("\n".join(lines))


def reference_table(references: Sequence[Reference], title: str, style: Style, width: int) -> str:
    """Return a table of references. Raises MissingTabulate."""
    columns = [
        Column(title, keep="start"), Column("HOW"), Column("ADDRESS"), Column("TYPE", keep="start"),
        Column("VALUE", keep="start"),
    ]  # fmt: skip
    rows: List[List[CellLike]] = []
    for each in references:
        how = "" if each.how == _USUAL else each.how
        rows.append([
            each.name, Cell(how, "dim"), Cell(f"{each.address:#x}", "address"), Cell(each.type, "function"), each.repr,
        ])
    return table(columns, rows, style, width)
