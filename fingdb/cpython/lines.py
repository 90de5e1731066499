"""Line numbers of code objects: the three encodings since 3.8, as pure functions on bytes."""

from __future__ import annotations

from typing import Iterator, Tuple

#: A range of code without a line of its own (``f_lineno`` is None there).
NO_LINE = -1


def line_of_lnotab(table: bytes, first: int, offset: int) -> int:
    """Return the line of the instruction at byte ``offset``: ``co_lnotab`` of 3.8 and 3.9.

    Mirrors PyCode_Addr2Line there: pairs of an unsigned address and a signed line increment.
    """
    line, at = first, 0
    for index in range(0, len(table) - 1, 2):
        at += table[index]
        if at > offset:
            break
        line += _signed(table[index + 1])
    return line


def line_of_pairs(table: bytes, first: int, offset: int) -> int:
    """Return the line of the instruction at byte ``offset``: ``co_linetable`` of 3.10 (PEP 626).

    Mirrors advance() in Objects/codeobject.c: pairs of an unsigned length in bytes and a signed
    line increment, -128 for a range without a line.
    """
    if offset < 0:
        return first
    line, end = first, 0
    for index in range(0, len(table) - 1, 2):
        end += table[index]
        delta = _signed(table[index + 1])
        if delta != -128:
            line += delta
        if offset < end:
            return NO_LINE if delta == -128 else line
    return NO_LINE


def line_of_locations(table: bytes, first: int, offset: int) -> int:
    """Return the line of the instruction at byte ``offset``: ``co_linetable`` from 3.11 on.

    Mirrors Objects/codeobject.c and Objects/locations.md: entries that begin with a byte whose
    high bit is set, with a code (4 bits) and the length in code units less one (3 bits).
    """
    if offset < 0:
        return first
    end = 0
    for line, units in _locations(table, first):
        end += 2 * units
        if offset < end:
            return line
    return NO_LINE


def _locations(table: bytes, first: int) -> Iterator[Tuple[int, int]]:
    """Yield (line or NO_LINE, length in code units) of each entry."""
    line, at = first, 0
    while at < len(table):
        head = table[at]
        code, units = head >> 3 & 15, (head & 7) + 1
        if code in (13, 14):  # no columns; long
            line += _signed_varint(table, at + 1)
        elif 10 <= code <= 12:  # one line, with the increment in the code
            line += code - 10
        yield (NO_LINE if code == 15 else line), units
        at += 1
        while at < len(table) and not table[at] & 0x80:
            at += 1


def _signed_varint(table: bytes, at: int) -> int:
    number = shift = 0
    while at < len(table) and shift < 36:
        byte = table[at]
        number |= (byte & 63) << shift
        if not byte & 64:
            break
        shift += 6
        at += 1
    return -(number >> 1) if number & 1 else number >> 1


def _signed(byte: int) -> int:
    return byte - 256 if byte >= 128 else byte
