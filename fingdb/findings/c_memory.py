"""Blocks of the C library's malloc: which of them holds a place, whether it is in use, and who points to it.

Mirrors the chunks of glibc (malloc/malloc.c): each has its size before it, with flags in the low bits; the flag
PREV_INUSE of a chunk tells whether the one before it is in use. It stays when a chunk is freed into the cache of a thread
(tcache_perthread_struct), whose lists are read for that; what waits in a fastbin counts as used.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import List, Optional, Set, Tuple

from ..cpython.target import PythonTarget
from ..debugger.mappings import Mapping, Mappings
from ..memory import BLOCK

_PREV_INUSE, _FLAGS = 1, 7
_SMALLEST, _HEADER = 32, 16
#: Sizes of the cache of a heap's thread, and where in it the heads of its lists are: glibc 2.42 and later, 2.30 and later,
#: and before. It is the first chunk, or (2.42 makes it when it is wanted) one of the first.
_CACHES, _SOON = {0x300: 152, 0x290: 128, 0x250: 64}, 16
#: Free chunks of one size that a cache holds: seven, unless the program was told otherwise (glibc.malloc.tcache_count).
_MOST_CACHED = 1 << 16
_LISTS, _PAGE_BITS = 64, 12
#: A chunk that malloc mapped has this flag, and whole pages.
_IS_MAPPED, _PAGE, _MOST_MAPPED = 2, 4096, 4096
_MOST_CHUNKS = 1 << 24


@dataclass(frozen=True)
class CBlock:
    """A block of malloc: its first byte, the bytes that its owner may use, and whether it is in use.

    Memory that the program mapped itself is such a block too, but not of ``malloc``.
    """

    start: int
    size: int
    used: bool
    malloc: bool = True


class CMemory:
    """The blocks of the main heap of the C library, and those that have a mapping of their own, for one state of the target."""

    def __init__(self, python: PythonTarget, mappings: Mappings, most: int = _MOST_CHUNKS) -> None:
        """``most``: of so many chunks something is told; of those that follow nothing."""
        self._python = python
        self._most = most
        self._heaps: "List[Tuple[Mapping, array[int]]]" = []
        self._cached: Optional[Set[int]] = None
        self._mappings = mappings
        for mapping in mappings.ranges:
            if mapping.writable and mapping.accessible is not False:
                if mapping.name in ("", "[heap]") and self._is_heap(mapping):
                    self._heaps.append((mapping, array("Q")))

    def _is_heap(self, mapping: Mapping) -> bool:
        """Tell whether memory begins as a heap of glibc does: with chunks, of which one is the cache of a thread."""
        chunks: "array[int]" = array("Q")
        if self._word(mapping.start + 8) & _FLAGS == _PREV_INUSE:
            self._walk(mapping, chunks, _SOON)
        return any(self._word(at + 8) & ~_FLAGS in _CACHES for at in chunks)

    def block_at(self, place: int) -> Optional[CBlock]:
        """Return the block that holds ``place``, None if that cannot be told. Never raises."""
        for mapping, chunks in self._heaps:
            if mapping.start <= place < mapping.end:
                if not chunks:
                    self._walk(mapping, chunks, self._most)
                index = bisect_right(chunks, place - _HEADER) - 1
                if index == len(chunks) - 1:
                    # The last chunk is what the heap has not given to anybody yet, if it was walked to its end.
                    size = self._word(chunks[index] + 8) & ~_FLAGS
                    whole = chunks[index] + size == mapping.end
                    return CBlock(chunks[index] + _HEADER, size - 8, False) if whole else None
                if 0 <= index < len(chunks) - 1:
                    start, following = chunks[index], chunks[index + 1]
                    used = bool(self._word(following + 8) & _PREV_INUSE) and start + _HEADER not in self._free_ones()
                    return CBlock(start + _HEADER, following - start - 8, used)
                return None
        return self._mapped(place)

    def _mapped(self, place: int) -> Optional[CBlock]:
        """Return the block that is a mapping, or one of several that lie side by side."""
        mapping = self._mappings.at(place)
        if mapping is None or mapping.name or not mapping.writable or mapping.accessible is False:
            return None
        at = mapping.start
        for _count in range(_MOST_MAPPED):
            length = self._mapped_length(at)
            if not 0 < length <= mapping.end - at:
                break
            if place < at + length:
                return CBlock(at + _HEADER, length - _HEADER, True)
            at += length
        return CBlock(mapping.start, mapping.end - mapping.start, True, False) if at == mapping.start else None

    def _mapped_length(self, at: int) -> int:
        """Return the bytes of the mapping that a chunk says it has, whole pages; 0 where there is no such chunk.

        Its size has the header in it, or (glibc 2.43) not.
        """
        size = self._word(at + 8)
        if size & _FLAGS != _IS_MAPPED:
            return 0
        return next((n for n in (size - _IS_MAPPED, size - _IS_MAPPED + _HEADER) if n % _PAGE == 0), 0)

    def _free_ones(self) -> Set[int]:
        """Return the blocks that wait in the caches of threads: their program has freed them. Never raises."""
        if self._cached is None:
            self._cached = set()
            for mapping, _chunks in self._heaps:
                first: "array[int]" = array("Q")
                self._walk(mapping, first, _SOON)
                for at in first:
                    heads = at + _HEADER + _CACHES.get(self._word(at + 8) & ~_FLAGS, 0)
                    if heads > at + _HEADER:
                        for number in range(_LISTS):
                            size = _SMALLEST + 16 * number
                            self._follow(mapping, self._word(heads + 8 * number), size, self._cached)
        return self._cached

    def _follow(self, mapping: Mapping, block: int, size: int, found: Set[int]) -> None:
        """Note the blocks of one list of a cache. A link is a plain address, or (glibc 2.32) one mixed with its own place.

        All chunks of a list have one size: what has another is no list (a block of the program as large as a cache).
        """
        for _count in range(_MOST_CACHED):
            if block % 16 or not mapping.start <= block < mapping.end or block in found:
                return
            if self._word(block - 8) & ~_FLAGS != size:
                return
            found.add(block)
            link = self._word(block)
            mixed = link ^ (block >> _PAGE_BITS)
            block = mixed if mapping.start <= mixed < mapping.end else link

    def _walk(self, mapping: Mapping, chunks: "array[int]", most: int) -> None:
        at = mapping.start
        while at + _HEADER <= mapping.end and len(chunks) < most:
            size = self._word(at + 8) & ~_FLAGS
            if size < _SMALLEST or size & 15 or at + size > mapping.end:
                break  # damaged, or no heap of glibc: what is behind is not told
            chunks.append(at)
            at += size

    def _word(self, address: int) -> int:
        words = self._python.memory.words(address // BLOCK)
        index = address % BLOCK // 8
        return words[index] if index < len(words) else 0
