"""Which of the allocator's blocks in use a place lies in.

A heap has millions of blocks: of pymalloc's, only the pools are kept, and which of their blocks are free.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Dict, Iterator, List, Optional, Tuple

from ..target import PythonTarget
from .pymalloc import Found, debug_header, pools, used_blocks

#: So many blocks are looked at to see whether the debug hooks are in use.
_SAMPLE = 64


class Located:
    """All blocks in use. ``debug_header`` and ``problems`` are those of `Blocks`."""

    debug_header: int
    problems: List[str]

    def start(self, place: int) -> Optional[int]:
        """Return where the block in use that holds ``place`` begins, None if in none."""
        raise NotImplementedError

    def each(self) -> Iterator[Tuple[int, int]]:
        """Yield the start and the size of every block in use."""
        raise NotImplementedError


def located(target: PythonTarget) -> Located:
    """Return the blocks of pymalloc (of mimalloc in free-threaded builds) in use. Raises Interrupted."""
    return _Columns(target) if target.build.free_threaded else _Pools(target)


class _Pools(Located):
    """Blocks of pymalloc, told by their pools: parallel columns, by address."""

    def __init__(self, target: PythonTarget) -> None:
        found = Found()
        self._firsts: "array[int]" = array("Q")
        self._ends: "array[int]" = array("Q")
        self._sizes: "array[int]" = array("H")
        #: Number of a pool -> a bit for each of its blocks that is free; pools without such are not here.
        self._free: Dict[int, int] = {}
        order: List[Tuple[int, int, int, int]] = []
        for count, pool in enumerate(pools(target, found)):
            free = 0
            for start in pool.freed:
                free |= 1 << (start - pool.first) // pool.size
            order.append((pool.first, pool.end, pool.size, free))
            if count % 1024 == 1023:
                target.debugger.check_interrupt()
        order.sort()
        for number, (first, end, size, free) in enumerate(order):
            self._firsts.append(first)
            self._ends.append(end)
            self._sizes.append(size)
            if free:
                self._free[number] = free
        self.problems = found.told()
        step = max(1, len(order) // _SAMPLE)
        sample = (next(self._of_pool(number), 0) for number in range(0, len(order), step))
        self.debug_header = debug_header(target, [start for start in sample if start])

    def start(self, place: int) -> Optional[int]:
        number = bisect_right(self._firsts, place) - 1
        if number < 0 or place >= self._ends[number]:
            return None
        first, size = self._firsts[number], self._sizes[number]
        index = (place - first) // size
        return None if self._free.get(number, 0) >> index & 1 else first + index * size

    def each(self) -> Iterator[Tuple[int, int]]:
        for number, size in enumerate(self._sizes):
            for start in self._of_pool(number):
                yield start, size

    def _of_pool(self, number: int) -> Iterator[int]:
        starts = range(self._firsts[number], self._ends[number], self._sizes[number])
        free = self._free.get(number, 0)
        return (start for index, start in enumerate(starts) if not free >> index & 1) if free else iter(starts)


class _Columns(Located):
    """Blocks whose place nothing tells but they themselves, by address."""

    def __init__(self, target: PythonTarget) -> None:
        found = used_blocks(target)
        self.problems, self.debug_header = found.problems, found.debug_header
        order = sorted(range(len(found)), key=found.starts.__getitem__)
        self._starts = array("Q", (found.starts[index] for index in order))
        self._sizes = array("Q", (found.sizes[index] for index in order))

    def start(self, place: int) -> Optional[int]:
        index = bisect_right(self._starts, place) - 1
        if index < 0 or place >= self._starts[index] + self._sizes[index]:
            return None
        return self._starts[index]

    def each(self) -> Iterator[Tuple[int, int]]:
        return zip(self._starts, self._sizes)
