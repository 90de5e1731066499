"""Line tables against the compiler of the interpreter that runs the tests, and by hand."""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import Iterator

import pytest

from fingdb.cpython import lines

SOURCE = '''
def f(a,
      b):
    x = (a +
         b
         + 1)
    for i in range(3):
        try:
            x += i
        finally:
            x = [y for y in (1,
                             2)]
''' + "\n" * 400 + '''
    return x

class C: pass
x = 1; y = 2
'''


def all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


@pytest.mark.parametrize("source", [SOURCE, open(dis.__file__, encoding="utf-8").read()], ids=["own", "dis"])
def test_lines_agree_with_this_interpreter(source: str) -> None:
    for code in all_code(compile(source, "x", "exec")):
        first = code.co_firstlineno
        if sys.version_info < (3, 10):
            starts = list(dis.findlinestarts(code))
            for (start, line), (end, _) in zip(starts, [*starts[1:], (len(code.co_code), 0)]):
                for offset in range(start, end, 2):
                    assert lines.line_of_lnotab(code.co_lnotab, first, offset) == line
            continue
        read = lines.line_of_pairs if sys.version_info < (3, 11) else lines.line_of_locations
        for start, end, told in code.co_lines():
            for offset in range(start, end, 2):
                assert read(code.co_linetable, first, offset) == (lines.NO_LINE if told is None else told)


def test_lnotab() -> None:
    # Line 10 for 6 bytes, 12 for 250+4 bytes, then 12 - 5 (signed) and on.
    table = bytes([6, 2, 250, 0, 4, 251])
    assert [lines.line_of_lnotab(table, 10, at) for at in (0, 5, 6, 255, 259, 260, 999)] == [10, 10, 12, 12, 12, 7, 7]
    assert lines.line_of_lnotab(b"", 3, 0) == 3
    assert lines.line_of_lnotab(b"\1", 3, 8) == 3


def test_pairs() -> None:
    table = bytes([4, 1, 2, 128, 254, 127, 6, 256 - 100])
    assert [lines.line_of_pairs(table, 10, at) for at in (-1, 0, 3, 4, 6, 259, 260, 265, 266)] == \
        [10, 11, 11, lines.NO_LINE, 138, 138, 38, 38, lines.NO_LINE]


def test_locations() -> None:
    table = bytes([
        0x80 | 10 << 3 | 1, 0, 0,  # one line, +0, two units
        0x80 | 11 << 3 | 0, 0, 0,  # one line, +1
        0x80 | 15 << 3 | 0,  # none
        0x80 | 14 << 3 | 0, 64 | 63, 1, 0, 1, 1,  # long: varint 63 + 1 * 64 = 127, so -63
        0x80 | 13 << 3 | 0, 4,  # no columns: +2
        0x80 | 3 << 3 | 0, 0,  # short
    ])  # fmt: skip
    told = [lines.line_of_locations(table, 100, at) for at in (-2, 0, 3, 4, 6, 8, 10, 12, 14)]
    assert told == [100, 100, 100, 101, lines.NO_LINE, 38, 40, 40, lines.NO_LINE]


@pytest.mark.parametrize("table", [b"\0", b"\xff", bytes([0xF0]), bytes([0xF0, 0x7F]), b"\x7f" * 20, bytes(range(256))])
def test_damaged_tables_end(table: bytes) -> None:
    for read in (lines.line_of_lnotab, lines.line_of_pairs, lines.line_of_locations):
        for offset in (-1, 0, 100, 10**6):
            assert isinstance(read(table, 1, offset), int)
