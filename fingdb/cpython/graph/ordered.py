"""Columns of numbers in order. A heap has millions of objects: no list of Python's numbers is made of a whole column."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import islice
from operator import le
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


def in_order(keys: Sequence[int], values: Sequence[int]) -> "Tuple[array[int], array[int]]":
    """Return two parallel columns of addresses, by the first; equal keys keep their order.

    Columns that are in order are returned as they are.
    """
    if isinstance(keys, array) and isinstance(values, array) and all(map(le, keys, islice(keys, 1, None))):
        return keys, values
    parts: "Dict[int, Tuple[array[int], array[int]]]" = {}
    for key, value in zip(numbers_of(keys), numbers_of(values)):
        part = parts.get(key >> _PART_BITS)
        if part is None:
            part = parts[key >> _PART_BITS] = array("Q"), array("Q")
        part[0].append(key)
        part[1].append(value)
    found = array("Q"), array("Q")
    for number in sorted(parts):
        some, theirs = parts.pop(number)
        positions = sorted(range(len(some)), key=some.__getitem__)
        found[0].extend([some[position] for position in positions])
        found[1].extend([theirs[position] for position in positions])
    return found


class Sorted:
    """Numbers in order, for questions about neighbours."""

    def __init__(self, numbers: Iterable[int]) -> None:
        parts: "Dict[int, array[int]]" = {}
        for number in numbers:
            part = parts.get(number >> _PART_BITS)
            if part is None:
                part = parts[number >> _PART_BITS] = array("Q")
            part.append(number)
        self.numbers: "array[int]" = array("Q")
        for number in sorted(parts):
            self.numbers.extend(sorted(parts.pop(number)))

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
