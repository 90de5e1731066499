"""Columns of numbers in order. A heap has millions of objects: no list of Python's numbers is made of a whole column."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any, Dict, Iterable, Iterator, Optional, Sequence, Tuple

#: Numbers are sorted in parts, each of which has those that agree but for so many low bits: a MiB of addresses.
_PART_BITS = 20
#: So many numbers of a column are taken at a time.
_PIECE = 1 << 16


def numbers_of(column: Sequence[int]) -> Iterator[int]:
    """Yield a column's numbers as plain ones, whoever made it: an ``array``, numpy, or a list."""
    for first in range(0, len(column), _PIECE):
        piece: Any = column[first : first + _PIECE]
        yield from piece.tolist() if hasattr(piece, "tolist") else piece


def in_order(pairs: Iterable[Tuple[int, int]]) -> "Tuple[array[int], array[int]]":
    """Return pairs of addresses as two parallel columns, by the first; those with equal first ones keep their order."""
    parts: "Dict[int, Tuple[array[int], array[int]]]" = {}
    count = 0
    for key, value in pairs:
        part = parts.get(key >> _PART_BITS)
        if part is None:
            part = parts[key >> _PART_BITS] = array("Q"), array("Q")
        part[0].append(key)
        part[1].append(value)
        count += 1
    found = _room(count), _room(count)
    begin = 0
    for number in sorted(parts):
        some, theirs = parts.pop(number)
        positions = sorted(range(len(some)), key=some.__getitem__)
        end = begin + len(some)
        found[0][begin:end] = array("Q", [some[position] for position in positions])
        found[1][begin:end] = array("Q", [theirs[position] for position in positions])
        begin = end
    return found


def _room(count: int) -> "array[int]":
    """Return a column of so many zeros: one that grows is copied again and again, and leaves its old places empty."""
    return array("Q", (0,)) * count


class Sorted:
    """Numbers in order, for questions about neighbours."""

    def __init__(self, numbers: Iterable[int]) -> None:
        parts: "Dict[int, array[int]]" = {}
        count = 0
        for number in numbers:
            part = parts.get(number >> _PART_BITS)
            if part is None:
                part = parts[number >> _PART_BITS] = array("Q")
            part.append(number)
            count += 1
        self.numbers = _room(count)
        begin = 0
        for number in sorted(parts):
            some = array("Q", sorted(parts.pop(number)))
            self.numbers[begin : begin + len(some)] = some
            begin += len(some)

    def __contains__(self, number: int) -> bool:
        index = bisect_left(self.numbers, number)
        return index < len(self.numbers) and self.numbers[index] == number

    def at_or_below(self, number: int) -> Optional[int]:
        """Return the greatest number that is not greater, None if there is none."""
        index = bisect_left(self.numbers, number + 1) - 1
        return self.numbers[index] if index >= 0 else None

    def above(self, number: int) -> Optional[int]:
        """Return the smallest greater number, None if there is none."""
        index = bisect_left(self.numbers, number + 1)
        return self.numbers[index] if index < len(self.numbers) else None
