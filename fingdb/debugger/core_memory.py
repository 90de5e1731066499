"""The memory in a core file, mapped: reads without a debugger in between, and large ones without a copy."""

from __future__ import annotations

import bisect
import mmap
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..elf import ElfError, open_elf


class Extent(NamedTuple):
    """Addresses from ``start`` to ``end`` (excluded), whose bytes lie at ``offset`` in the file."""

    start: int
    end: int
    offset: int


class CoreMemory:
    """A core file's own bytes, by address; what it lacks (files' pages, the rest of a truncated core) is not here.

    Raises OSError or ElfError when the file cannot be mapped.
    """

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self.length = os.fstat(file.fileno()).st_size
            self.data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.extents: List[Extent] = []
        for start, size, offset, in_file in sorted(open_elf(path).segments()):
            size = min(size, in_file, self.length - offset)
            if size <= 0 or offset < 0:
                continue
            last = self.extents[-1] if self.extents else None
            if last is not None and start < last.end:
                continue  # segments of one address: the core is damaged, and gdb takes the first
            if last is not None and start == last.end and offset == last.offset + last.end - last.start:
                self.extents[-1] = Extent(last.start, start + size, last.offset)
            else:
                self.extents.append(Extent(start, start + size, offset))
        self._words: Dict[int, Sequence[int]] = {}
        self._starts = [extent.start for extent in self.extents]

    def read(self, address: int, length: int) -> Optional[bytes]:
        """Return ``length`` bytes at ``address``, None when the file has not all of them in one piece."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        start, end, offset = self.extents[index]
        if address + length > end:
            return None
        at = offset + address - start
        return self.data[at : at + length]

    def words_around(self, address: int) -> Optional[Tuple[int, int, Sequence[int]]]:
        """Return (start, end, words) of the extent that holds ``address``, None if there is none with whole words.

        The words are unsigned, of 64 bits and in our own byte order.
        """
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or address >= self.extents[index].end:
            return None
        start, end, offset = self.extents[index]
        if start & 7:
            return None
        words = self._words.get(index)
        if words is None:
            length = (end - start) & ~7
            words = self._words[index] = memoryview(self.data)[offset : offset + length].cast("Q")
        return start, start + 8 * len(words), words

    def words_at(self, address: int, length: int) -> Optional[Sequence[int]]:
        """Return the ``length`` bytes at ``address`` as `words_around` does, None when the file has not all of them."""
        around = self.words_around(address)
        if around is None or address & 7 or length & 7 or address + length > around[1]:
            return None
        first = (address - around[0]) >> 3
        return around[2][first : first + (length >> 3)]


def open_core(path: str) -> Optional[CoreMemory]:
    """Return the memory of a core file, None when the file cannot be mapped."""
    try:
        return CoreMemory(path)
    except (OSError, ValueError, ElfError):
        return None
