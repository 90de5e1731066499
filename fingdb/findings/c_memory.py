"""Blocks of the C library's malloc: which of them holds a place, whether it is in use, and who points to it.

Mirrors the chunks of glibc (malloc/malloc.c): each has its size before it, with flags in the low bits; the flag
PREV_INUSE of a chunk tells whether the one before it is in use. What waits in a cache of free chunks counts as used.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import List, Optional, Tuple

from ..cpython.target import PythonTarget
from ..debugger.mappings import Mapping, Mappings
from ..memory import BLOCK

_PREV_INUSE, _FLAGS = 1, 7
_SMALLEST, _HEADER = 32, 16
#: Sizes of the cache of a heap's thread: glibc 2.42 and later, 2.30 and later, and before. It is the first chunk, or (2.42
#: makes it when it is wanted) one of the first.
_CACHES, _SOON = (0x300, 0x290, 0x250), 16
_MOST_CHUNKS = 1 << 24


@dataclass(frozen=True)
class CBlock:
    """A block of malloc: its first byte, the bytes that its owner may use, and whether it is in use."""

    start: int
    size: int
    used: bool


class CMemory:
    """The blocks of the main heap of the C library, for one state of the target."""

    def __init__(self, python: PythonTarget, mappings: Mappings, most: int = _MOST_CHUNKS) -> None:
        """``most``: of so many chunks something is told; of those that follow nothing."""
        self._python = python
        self._most = most
        self._heaps: "List[Tuple[Mapping, array[int]]]" = []
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
                    used = bool(self._word(following + 8) & _PREV_INUSE)
                    return CBlock(start + _HEADER, following - start - 8, used)
        return None

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
