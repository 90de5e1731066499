"""Tables fit their width, whatever is in their cells."""

from __future__ import annotations

import builtins
import re
from typing import Any, List

import pytest

from fingdb.report.style import Style
from fingdb.report.table import Cell, CellLike, Column, MissingTabulate, table
from fingdb.report.width import display_width

PLAIN = Style(False, unicode=True)
COLUMNS = [
    Column("ID", "right"),
    Column("NAME", keep="start"),
    Column("COUNT", "right"),
    Column("FILE", keep="end"),
]
ROWS: List[List[CellLike]] = [
    [1, "日本語モジュール", 1234, "/usr/lib/python3.11/concurrent/futures/thread.py"],
    [22, "a\x1b[31mb\n", 5, ""],
    [3, None, Cell("77", "error"), "x"],
]


def test_layout() -> None:
    assert table(COLUMNS, ROWS, PLAIN).split("\n") == [
        "ID  NAME              COUNT  FILE",
        " 1  日本語モジュール   1234  /usr/lib/python3.11/concurrent/futures/thread.py",
        "22  a\\x1b[31mb\\x0a        5",
        " 3                       77  x",
    ]


@pytest.mark.parametrize("width", [44, 50, 60, 72, 80, 200])
def test_no_line_is_wider_than_asked(width: int) -> None:
    lines = table(COLUMNS, ROWS, PLAIN, width, indent=2).split("\n")
    assert max(map(display_width, lines)) <= width
    assert all(line.startswith("  ") for line in lines)
    assert lines[1].endswith("thread.py")


def test_colours_do_not_move_the_columns() -> None:
    coloured = table(COLUMNS, ROWS, Style(True, unicode=True), 60)
    assert "\x1b[1;31m77\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == table(COLUMNS, ROWS, PLAIN, 60)


def test_empty_columns_and_tables() -> None:
    assert table([Column("A"), Column("B")], [["x", None], ["y", ""]], PLAIN) == "A\nx\ny"
    assert table([Column("A"), Column("B")], [], PLAIN) == "A  B"
    assert table([Column("A")], [[None]], PLAIN) == ""


def test_numbers_stay_as_they_are() -> None:
    assert table([Column("V")], [["1e3"], ["007"], ["1_000"]], PLAIN) == "V\n1e3\n007\n1_000"


def test_a_missing_tabulate_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "tabulate":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingTabulate, match="^tables need the Python package tabulate"):
        table(COLUMNS, ROWS, PLAIN)
