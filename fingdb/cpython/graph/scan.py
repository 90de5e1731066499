"""All places in memory that hold one of some addresses.

Referrers are found from memory: one pass over what the program can write finds every word that is one of the
addresses asked for, whoever wrote it. A word of an object is then looked up in that object.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Collection, Iterator, Literal, Optional, Sequence, Tuple

from ...debugger.interface import Debugger, MemoryFault

#: Memory is read in pieces of this size.
_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)
_PAGE = 4096
#: So few addresses are searched one after the other, as bytes.
_FEW = 4


def _nothing(_done: int) -> None:
    """Tell nobody."""


def find_words(
    debugger: Debugger,
    ranges: Sequence[Tuple[int, int]],
    wanted: Collection[int],
    told: Callable[[int], None] = _nothing,
) -> Iterator[Tuple[int, int]]:
    """Yield (place, address) for every aligned word in ``ranges`` that is one of ``wanted``.

    What cannot be read is left out. ``told`` gets the bytes read so far. Raises Interrupted.
    """
    find = _finder(debugger, wanted)
    done = 0
    for start, end in ranges:
        for at in range(start, end, _PIECE):
            length = min(_PIECE, end - at)
            for place, data in _read(debugger, at, length):
                if data != _ZEROS:  # an allocator may hold much that was never written
                    yield from find(place, data)
            done += length
            told(done)
            debugger.check_interrupt()


def _read(debugger: Debugger, start: int, length: int) -> Iterator[Tuple[int, bytes]]:
    """Yield the readable parts of a range."""
    try:
        yield start, debugger.read(start, length)
        return
    except MemoryFault:
        if length <= _PAGE:
            return
    half = max(_PAGE, length // 2 & ~(_PAGE - 1))
    yield from _read(debugger, start, half)
    yield from _read(debugger, start + half, length - half)


_Find = Callable[[int, bytes], Iterator[Tuple[int, int]]]


def _finder(debugger: Debugger, wanted: Collection[int]) -> _Find:
    size = debugger.pointer_size
    order: Literal["big", "little"] = "big" if debugger.big_endian else "little"

    def by_bytes(place: int, data: bytes) -> Iterator[Tuple[int, int]]:
        for number, needle in needles:
            # The zeros of an address are everywhere: without them the search goes on in larger steps.
            sought = needle.rstrip(b"\0") or needle
            at = data.find(sought)
            while at >= 0:
                if at % size == 0 and data.startswith(needle, at):
                    yield place + at, number
                at = data.find(sought, at + 1)

    if len(wanted) <= _FEW or size != 8 or debugger.big_endian != (sys.byteorder == "big"):
        needles = [(number, number.to_bytes(size, order)) for number in sorted(wanted)]
        return by_bytes
    numpy = _numpy()
    if numpy is not None:
        return _by_numpy(numpy, wanted)
    numbers = set(wanted)

    def by_set(place: int, data: bytes) -> Iterator[Tuple[int, int]]:
        words = memoryview(data)[: len(data) & ~7].cast("Q")
        found = numbers.intersection(words)
        for number in found:
            needle = number.to_bytes(8, order)
            at = data.find(needle)
            while at >= 0:
                if at % 8 == 0:
                    yield place + at, number
                at = data.find(needle, at + 1)

    return by_set


def _by_numpy(numpy: Any, wanted: Collection[int]) -> _Find:
    table = numpy.fromiter(wanted, dtype=numpy.uint64, count=len(wanted))
    table.sort()
    low, high = table[0], table[-1]

    def find(place: int, data: bytes) -> Iterator[Tuple[int, int]]:
        words = numpy.frombuffer(data, dtype=numpy.uint64, count=len(data) // 8)
        where = ((words >= low) & (words <= high)).nonzero()[0]
        if not len(where):
            return
        values = words[where]
        index = numpy.searchsorted(table, values)
        same = table[index] == values
        for at, value in zip(where[same].tolist(), values[same].tolist()):
            yield place + at * 8, value

    return find


def _numpy() -> Optional[Any]:
    try:
        import numpy
    except ImportError:
        return None
    return numpy
