"""The tables of `pyfin heap`, `objects` and `verify`."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from ..cpython.heap.census import Census, TypeCount
from ..cpython.heap.difference import Change
from ..cpython.heap.records import PERMANENT
from ..cpython.heap.verify import Verification
from ..model.words import plural
from .escape import printable
from .lines import join_wrapped, paragraph
from .style import Style
from .table import Cell, CellLike, Column, table

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def human(size: int) -> str:
    """Return a number of bytes as people read it: ``84.3 MiB``."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{size} B" if not unit else f"{number:.1f} {_UNITS[unit]}"


def generation_name(generation: int) -> str:
    """Return the title of a generation's column."""
    return "FROZEN" if generation == PERMANENT else f"GEN {generation}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else ""


def _bytes(each: TypeCount) -> Cell:
    if each.bytes is None:
        return Cell("?", "dim")
    return Cell(f"{each.bytes}" if each.exact else f"≥ {each.bytes}")


def _head(title: str, facts: Sequence[str], style: Style, width: int) -> List[str]:
    """Return a title with facts behind it, in as many lines as they need."""
    first, *more = join_wrapped([f"{title}  {facts[0]}", *facts[1:]], width)
    return [style.heading(title) + first[len(title):], *(f"  {line}" for line in more)]


def problems_of(problems: Sequence[str], style: Style, width: int) -> List[str]:
    """Return what could not be read, as lines."""
    return [line for problem in problems for line in paragraph(problem, style, width, 0, "warning")]


def nothing_known(census: Census) -> bool:
    """Tell whether no object could be looked at, which is not the same as that there is none."""
    return census.partial and not census.count and not census.types


def render_heap(
    census: Census, chosen: Sequence[TypeCount], style: Style, width: int, interpreter: int, limit: Optional[int]
) -> str:
    """Return the histogram: ``chosen`` are the rows to show, of which ``limit`` (None: all)."""
    if nothing_known(census):
        title = style.heading(f"heap of interpreter {interpreter}") + "  could not be looked at"
        return style.output("\n".join([title, *problems_of(census.problems, style, width)]))
    whole = sum(each.bytes or 0 for each in census.types)
    generations = sorted({generation for each in census.types for generation in each.counts})
    counts: Dict[int, int] = {g: sum(each.counts.get(g, 0) for each in census.types) for g in generations}
    facts = [plural(census.count, "object"), plural(len(census.types), "type")]
    # So it is without debug information: no type tells whether its objects vary in size.
    fixed_only = bool(census.types) and not any(each.exact for each in census.types)
    if whole:
        facts.append(f"at least {human(whole)}" if fixed_only else human(whole))
    facts += [f"{generation_name(g).lower().replace('gen ', 'generation ')} {counts[g]}" for g in generations]
    if census.partial:
        facts.append("partial")
    lines = _head(f"heap of interpreter {interpreter}", facts, style, width)
    shown = chosen if limit is None else chosen[:limit]
    if shown:
        columns = [Column("TYPE", keep="end"), Column("COUNT", "right"), Column("BYTES", "right"), Column("SHARE", "right")]
        columns += [Column(generation_name(g), "right") for g in generations if len(generations) > 1]
        rows: List[List[CellLike]] = []
        for each in shown:
            row: List[CellLike] = [each.name, each.count, _bytes(each)]
            row.append(_share(each.bytes or 0, whole) if whole else _share(each.count, census.count))
            row += [each.counts.get(g) for g in generations if len(generations) > 1]
            rows.append(row)
        lines += ["", table(columns, rows, style, width)]
    rest = chosen[len(shown):]
    if rest:
        more = sum(each.count for each in rest)
        lines.append(style.dim(f"{plural(len(rest), 'more type')} with {plural(more, 'object')}; --limit 0 lists all"))
    if fixed_only and whole:
        lines.append(style.dim(
            "≥: the fixed part of such an object; whether it has more cannot be told without debug information"
        ))
    elif any(not each.exact for each in shown if each.bytes is not None):
        lines.append(style.dim("≥: what such an object owns elsewhere is not counted"))
    lines += problems_of(census.problems, style, width)
    return style.output("\n".join(lines))


def render_blocks(
    others: Census, raw: Dict[int, int], facts: Sequence[str], problems: Sequence[str], style: Style, width: int,
    limit: Optional[int], allocator: str = "pymalloc",
) -> str:
    """Return what the allocator's blocks hold beside the objects in lists."""
    if not raw and not others.types and problems:
        title = style.heading(f"blocks of {allocator}") + "  could not be looked at"
        return style.output("\n".join([title, *problems_of(problems, style, width)]))
    lines = _head(f"blocks of {allocator}", facts, style, width)
    shown = others.types if limit is None else others.types[:limit]
    if shown:
        columns = [Column("OBJECTS IN NO LIST", keep="end"), Column("COUNT", "right"), Column("BYTES", "right")]
        rows: List[List[CellLike]] = [[each.name, each.count, _bytes(each)] for each in shown]
        lines += ["", table(columns, rows, style, width)]
        rest = others.types[len(shown):]
        if rest:
            more = sum(each.count for each in rest)
            lines.append(style.dim(f"{plural(len(rest), 'more type')} with {plural(more, 'object')}; --limit 0 lists all"))
    if raw:
        columns = [Column("RAW MEMORY, BLOCKS OF", "right"), Column("COUNT", "right"), Column("BYTES", "right")]
        largest = sorted(raw.items(), key=lambda pair: -pair[0] * pair[1])[:limit]
        rows = [[size, count, size * count] for size, count in sorted(largest)]
        lines += ["", table(columns, rows, style, width)]
    lines += problems_of(problems, style, width)
    return style.output("\n".join(lines))


def render_difference(
    changes: Sequence[Change], since: str, before: int, now: int, style: Style, width: int, limit: Optional[int],
    problems: Sequence[str],
) -> str:
    """Return what was freed and made since a mark, by type."""
    made, freed = sum(c.made for c in changes), sum(c.freed for c in changes)
    facts = [f"objects {before} -> {now}", f"{freed} freed", f"{made} made"]
    lines = _head(f"since {printable(since)}", facts, style, width)
    shown = changes if limit is None else changes[:limit]
    if shown:
        columns = [Column("TYPE", keep="end"), Column("BEFORE", "right"), Column("NOW", "right"),
                   Column("FREED", "right"), Column("MADE", "right")]
        rows: List[List[CellLike]] = [
            [c.name, c.before, c.now, Cell(str(c.freed or ""), "less"), Cell(str(c.made or ""), "more")] for c in shown
        ]
        lines += ["", table(columns, rows, style, width)]
    if len(changes) > len(shown):
        lines.append(style.dim(f"{plural(len(changes) - len(shown), 'more type')}; --limit 0 lists all"))
    if shown:
        lines.append(style.dim("an object that the collector stopped tracking counts as freed"))
    lines += problems_of(problems, style, width)
    return style.output("\n".join(lines))


def _count(row: Dict[str, Any]) -> CellLike:
    count = row["refcount"] if row["held"] is None else row["held"]
    return "?" if count is None else count


def render_objects(
    rows: Sequence[Dict[str, Any]], count: int, type_: str, style: Style, width: int, partial: bool = False
) -> str:
    """Return the table of objects that `pyfin objects` found; ``count`` of them there are, at least where it is ``partial``."""
    if not rows:
        if partial:
            return f'no object of a type "{printable(type_)}" was found, but not all could be looked at'
        return f'there is no object of a type "{printable(type_)}"'
    several = len({row["type"] for row in rows}) > 1
    columns = [Column("ADDRESS"), Column("REFS", "right"), Column("GEN", "right"), Column("TYPE", keep="end"),
               Column("OBJECT", keep="start")]
    cells: List[List[CellLike]] = [
        [Cell(row["address"], "address"), _count(row),
         "-" if row["generation"] is None else row["generation"], row["type"] if several else "", row["repr"]]
        for row in rows
    ]
    lines = [table(columns, cells, style, width)]
    if count > len(rows):
        lines.append(style.dim(f"{count - len(rows)} more; --limit 0 lists all"))
    return style.output("\n".join(lines))


def render_verification(found: Verification, style: Style, width: int, interpreter: int) -> str:
    """Return the outcome of `pyfin verify` for one interpreter."""
    columns = [Column("LIST"), Column("OBJECTS", "right"), Column("BAD", "right")]
    rows: List[List[CellLike]] = [
        [each.name, each.objects, Cell(str(each.bad), "error" if each.bad else "")] for each in found.lists
    ]
    lines = [style.heading(f"lists of interpreter {interpreter}"), table(columns, rows, style, width)] if rows else []
    for each in found.lists:
        if each.first is not None:
            first = each.first
            what = f"{each.name}: the first bad node is number {first.place + 1}, the {first.type or 'object'} at "
            lines += problems_of([f"{what}{first.address:#x}: {first.problem}"], style, width)
        if each.broken:
            lines += problems_of([f"{each.name}: {each.broken}"], style, width)
    lines += problems_of(found.notes, style, width)
    if found.consistent and rows:
        total = sum(each.objects for each in found.lists)
        kind = "what was checked is" if found.interrupted else f"{found.checked} are"
        lines.append(f"{plural(total, 'object')}: {kind} consistent")
    return style.output("\n".join(lines))
