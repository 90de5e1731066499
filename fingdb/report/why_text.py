"""The answers of `pyfin why` and `pyfin referrers`."""

from __future__ import annotations

from typing import List, Sequence

from ..findings.survivor_words import account_words
from ..model.objects import Account, Holder, Path, Why
from ..model.words import plural
from .escape import printable
from .lines import paragraph
from .style import Style
from .table import Cell, CellLike, Column, table

#: A word there proves nothing.
_CONSERVATIVE = ("stack", "memory")


def render_referrers(why: Why, style: Style, width: int) -> str:
    """Return who refers to an object as text. Raises MissingTabulate."""
    lines = [_head(why, style), ""]
    lines += _referrers(why, style, width)
    return _end(lines, why, style, width)


def render_why(why: Why, style: Style, width: int) -> str:
    """Return why an object lives as text. Raises MissingTabulate."""
    lines = [_head(why, style), ""]
    if why.paths:
        for path in why.paths:
            lines += [*_path(path, style, width), ""]
    elif why.cycle:
        text = "no root leads to it: what refers to it is only reachable from itself, as garbage in a cycle is"
        lines += [*paragraph(text, style, width, 0, "warning"), ""]
    else:
        lines += [*paragraph("no path from a root was found", style, width, 0, "warning"), ""]
    lines += [*_account(why.account, style, width), ""]
    lines += _referrers(why, style, width)
    return _end(lines, why, style, width)


def _head(why: Why, style: Style) -> str:
    return f"{style.address(f'{why.address:#x}')}  {style.function(printable(why.type))}  {printable(why.repr)}"


def _path(path: Path, style: Style, width: int) -> List[str]:
    note = "  (a word that is the address; it may be left over)" if path.root.kind in _CONSERVATIVE else ""
    lines = [f"kept by {style.strong(printable(path.root.words))}{style.dim(note)}"]
    columns = [Column("THROUGH", keep="start"), Column("ADDRESS"), Column("TYPE", keep="start"), Column("VALUE", keep="start")]
    rows: List[List[CellLike]] = [
        [step.name, Cell(f"{step.address:#x}", "address"), Cell(step.type, "function"), step.repr] for step in path.steps
    ]
    lines.append(table(columns, rows, style, width, 2))
    return lines


def _account(account: Account, style: Style, width: int) -> List[str]:
    bad = (account.unexplained or 0) != 0
    return paragraph(account_words(account), style, width, 0, "warning" if bad else "")


def _referrers(why: Why, style: Style, width: int) -> List[str]:
    lines: List[str] = []
    if why.referrers:
        columns = [
            Column("REFERRED TO BY", keep="start"), Column("HOW"), Column("ADDRESS"), Column("TYPE", keep="start"),
            Column("VALUE", keep="start"),
        ]  # fmt: skip
        rows: List[List[CellLike]] = [
            [r.name, Cell("" if r.how == "visited" else r.how, "dim"), Cell(f"{r.address:#x}", "address"),
             Cell(r.type, "function"), r.repr]
            for r in why.referrers
        ]  # fmt: skip
        lines.append(table(columns, rows, style, width))
        if why.more:
            lines.append(style.dim(f"… {plural(why.more, 'more reference')} (--limit N lists more)"))
    else:
        lines.append("no object refers to it")
    lines += holder_lines(why.holders, style, width)
    return lines


def holder_lines(holders: Sequence[Holder], style: Style, width: int) -> List[str]:
    """Return the table of places outside of objects that hold an address."""
    if not holders:
        return []
    columns = [Column("AND BY", keep="start"), Column("KIND"), Column("AT")]
    shown = holders[:20]
    rows: List[List[CellLike]] = [
        [h.words, Cell(h.kind, "dim"), Cell(f"{h.address:#x}", "address")] for h in shown
    ]
    lines = ["", table(columns, rows, style, width)]
    if len(shown) < len(holders):
        lines.append(style.dim(f"… {plural(len(holders) - len(shown), 'more place')}"))
    return lines


def _end(lines: List[str], why: Why, style: Style, width: int) -> str:
    if why.partial:
        lines += paragraph("this answer is partial", style, width, 0, "warning")
    for problem in why.problems:
        lines += paragraph(problem, style, width, 0, "warning")
    return style.output("\n".join(lines))
