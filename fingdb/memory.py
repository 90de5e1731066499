"""A paged, read-only window on the target's memory.

A read through a debugger costs some 20 microseconds whatever its length, a lookup in a
dictionary a tenth of one: small reads are served from pages that are fetched once. What was
read is forgotten when the debugger says that the target may have changed.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Dict, Optional, Sequence, Set, Tuple, Union

from .debugger.interface import Debugger, MemoryFault

__all__ = ["BLOCK", "Memory", "MemoryFault"]

PAGE = 4096
#: Size of the blocks that walks over many objects read (a power of two, a multiple of PAGE).
BLOCK = 1 << 18
#: A region of this size is fetched whole once this many of its pages were wanted.
_REGION = 1 << 16
_REGION_MISSES = 3
#: So many pages are kept; with more, all are dropped (a heap may be larger than our memory).
_MOST_PAGES = 1 << 15
#: So many blocks are kept at first: who comes by each once is faster where memory is used again. It doubles, up to the
#: second number, whenever a block is read again.
_FEW_BLOCKS, _MOST_BLOCKS = 1 << 6, 1 << 10
#: Pages of a mapped core file are at hand anyway: so many of them are kept.
_MOST_PAGES_OF_CORE = 1 << 12
#: Reads of this length go to the debugger as they are: keeping them would only fill the cache.
_DIRECT = 1 << 15
_TOP = 1 << 64


class Memory:
    """Reads of the target's memory. Every method raises MemoryFault and nothing else, and
    Interrupted when the user pressed Control-C during a long read."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._generation = debugger.generation
        #: Page address -> its bytes; None for a page that cannot be read as a whole.
        self._pages: Dict[int, Optional[bytes]] = {}
        self._misses: Dict[int, int] = {}
        self._blocks: Dict[int, Sequence[int]] = {}
        #: The blocks that were read and are not kept any more, and how many may be kept.
        self._dropped: Set[int] = set()
        self._room = _FEW_BLOCKS
        self.pointer_size = debugger.pointer_size
        self.big_endian = debugger.big_endian
        #: Whether the target's words are those of our own machine.
        self._as_ours = self.pointer_size == 8 and self.big_endian == (sys.byteorder == "big")
        order = ">" if self.big_endian else "<"
        self._formats = {
            (size, signed): struct.Struct(order + (code.lower() if signed else code))
            for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
            for signed in (False, True)
        }

    # -- bytes ----------------------------------------------------------------------------------
    def read(self, address: int, length: int) -> bytes:
        """Return ``length`` bytes at ``address``. Raises MemoryFault."""
        if length <= 0:
            return b""
        if address < 0 or address + length > _TOP:
            raise MemoryFault(address, length)
        start = address & ~(PAGE - 1)
        offset = address - start
        if offset + length <= PAGE:
            page = self._page(start)
            if page is not None:
                return page[offset : offset + length]
            return self._debugger.read(address, length)
        self._refresh()
        if length >= _DIRECT:
            return self._debugger.read(address, length)
        parts = []
        for base in range(start, address + length, PAGE):
            page = self._page(base)
            if page is None:
                return self._debugger.read(address, length)
            parts.append(page)
        return b"".join(parts)[offset : offset + length]

    def read_some(self, address: int, length: int) -> bytes:
        """Return as many of ``length`` bytes as are readable from ``address`` on, perhaps none."""
        try:
            return self.read(address, length)
        except MemoryFault:
            pass
        parts = []
        while length > 0:
            step = min(length, PAGE - (address & (PAGE - 1)))
            while step:
                try:
                    parts.append(self.read(address, step))
                    break
                except MemoryFault:
                    # Most often nothing is mapped at all: ask for one byte before halving twelve times.
                    step = step // 2 if self._readable(address) else 0
            if not step:
                break
            address += step
            length -= step
        return b"".join(parts)

    def _readable(self, address: int) -> bool:
        try:
            return bool(self.read(address, 1))
        except MemoryFault:
            return False

    def words(self, number: int) -> Sequence[int]:
        """Return block ``number`` (of BLOCK bytes) as unsigned words of the size of a pointer.

        What cannot be read reads as zero, so that one bad page does not hide its neighbours; the
        sequence is empty when nothing of the block can be read. The first words of the next block
        follow at the end (as many as a page holds), for objects that lie across the boundary.
        """
        self._refresh()
        found = self._blocks.get(number)
        if found is None:
            if number in self._dropped:
                self._dropped.discard(number)
                self._room = min(2 * self._room, _MOST_BLOCKS)
            if len(self._blocks) >= self._room:
                oldest = next(iter(self._blocks))
                del self._blocks[oldest]
                self._dropped.add(oldest)
            found = self._blocks[number] = self._read_words(number * BLOCK, BLOCK + PAGE)
        return found

    def window(self, address: int) -> Tuple[int, int, Sequence[int]]:
        """Return (start, end, words): a large piece of memory around ``address``, as unsigned words.

        Of a core file all that lies together, without a copy; else a block, as `words` reads it. The words may go on
        a little behind ``end``, for objects that lie across it; they are empty where nothing can be read.
        """
        core = self._debugger.core_memory()
        if core is not None and self._as_ours:
            found = core.words_around(address)
            if found is not None:
                return found
        block = address // BLOCK
        return block * BLOCK, (block + 1) * BLOCK, self.words(block)

    def array(self, address: int, count: int) -> Sequence[int]:
        """Return ``count`` words of the size of a pointer from ``address`` on. Raises MemoryFault."""
        return self._as_words(self.read(address, count * self.pointer_size))

    @property
    def generation(self) -> int:
        """The state of the target that is being read; what was derived from another is stale."""
        self._refresh()
        return self._generation

    # -- numbers --------------------------------------------------------------------------------
    def pointer(self, address: int) -> int:
        """Return the pointer at ``address`` as a number. Raises MemoryFault."""
        return self.integer(address, self.pointer_size)

    def integer(self, address: int, size: int, signed: bool = False) -> int:
        """Return the integer of ``size`` bytes at ``address``. Raises MemoryFault."""
        layout = self._formats.get((size, signed))
        offset = address & (PAGE - 1)
        if layout is not None and offset + size <= PAGE and 0 <= address < _TOP:
            page = self._page(address - offset)
            if page is not None:
                return int(layout.unpack_from(page, offset)[0])
        data = self.read(address, size)
        if layout is None:
            return int.from_bytes(data, "big" if self.big_endian else "little", signed=signed)
        return int(layout.unpack(data)[0])

    def u8(self, address: int) -> int:
        """Return the unsigned byte at ``address``. Raises MemoryFault."""
        return self.integer(address, 1)

    def u16(self, address: int) -> int:
        """Return the unsigned 16-bit integer at ``address``. Raises MemoryFault."""
        return self.integer(address, 2)

    def u32(self, address: int) -> int:
        """Return the unsigned 32-bit integer at ``address``. Raises MemoryFault."""
        return self.integer(address, 4)

    def u64(self, address: int) -> int:
        """Return the unsigned 64-bit integer at ``address``. Raises MemoryFault."""
        return self.integer(address, 8)

    def i8(self, address: int) -> int:
        """Return the signed byte at ``address``. Raises MemoryFault."""
        return self.integer(address, 1, True)

    def i16(self, address: int) -> int:
        """Return the signed 16-bit integer at ``address``. Raises MemoryFault."""
        return self.integer(address, 2, True)

    def i32(self, address: int) -> int:
        """Return the signed 32-bit integer at ``address``. Raises MemoryFault."""
        return self.integer(address, 4, True)

    def i64(self, address: int) -> int:
        """Return the signed 64-bit integer at ``address``. Raises MemoryFault."""
        return self.integer(address, 8, True)

    # -- strings --------------------------------------------------------------------------------
    def cstring(self, address: int, limit: int = 4096) -> bytes:
        """Return the bytes up to a NUL, at most ``limit``.

        Raises MemoryFault when memory ends before the NUL and before the limit.
        """
        found = b""
        while len(found) < limit:
            at = address + len(found)
            step = min(limit - len(found), PAGE - (at & (PAGE - 1)))
            chunk = self.read_some(at, step)
            end = chunk.find(b"\0")
            if end >= 0:
                return found + chunk[:end]
            found += chunk
            if len(chunk) < step:
                raise MemoryFault(at + len(chunk), 1)
        return found

    # -- pages ----------------------------------------------------------------------------------
    def _refresh(self) -> None:
        generation = self._debugger.generation
        if generation != self._generation:
            self._generation = generation
            self._pages.clear()
            self._misses.clear()
            self._blocks.clear()
            self._dropped.clear()
            self._room = _FEW_BLOCKS

    def _page(self, base: int) -> Optional[bytes]:
        self._refresh()
        try:
            return self._pages[base]
        except KeyError:
            pass
        pages = len(self._pages)
        if pages >= _MOST_PAGES or pages >= _MOST_PAGES_OF_CORE and self._debugger.core_memory() is not None:
            self._pages.clear()
            self._misses.clear()
        region = base & ~(_REGION - 1)
        misses = self._misses[region] = self._misses.get(region, 0) + 1
        if misses == _REGION_MISSES:
            try:
                data = self._debugger.read(region, _REGION)
            except MemoryFault:
                pass
            else:
                for offset in range(0, _REGION, PAGE):
                    self._pages[region + offset] = data[offset : offset + PAGE]
                return self._pages[base]
        try:
            page: Optional[bytes] = self._debugger.read(base, PAGE)
        except MemoryFault:
            # The end of a segment of a core file may lie inside a page: such pages are read
            # through each time, so that their readable part is served.
            page = None
        self._pages[base] = page
        return page

    def _read_words(self, address: int, length: int) -> Sequence[int]:
        length = min(length, _TOP - address)
        core = self._debugger.core_memory()
        if core is not None and self._as_ours:
            found = core.words_at(address, length)
            if found is not None:
                return found
        data = bytearray(length)
        return self._as_words(data) if self._fill(address, memoryview(data)) else ()

    def _as_words(self, data: Union[bytes, bytearray]) -> Sequence[int]:
        if self.big_endian == (sys.byteorder == "big"):
            view = memoryview(data)
            return view.cast("Q") if self.pointer_size == 8 else view.cast("I")
        swapped: "array[int]" = array("Q" if self.pointer_size == 8 else "I")
        swapped.frombytes(data)
        swapped.byteswap()
        return swapped

    def _fill(self, address: int, buffer: memoryview) -> bool:
        """Fill a buffer with what can be read; tell whether that is anything.

        A read goes as far as it can. Where nothing can be read the two halves are tried on their own, down to pages.
        """
        length = len(buffer)
        if length <= PAGE:
            data = self.read_some(address, length)
            buffer[: len(data)] = data
            return bool(data)
        done = self._debugger.read_into(address, buffer)
        if done:
            if done < length:
                self._fill(address + done, buffer[done:])
            return True
        half = max(PAGE, length // 2 & ~(PAGE - 1))
        first = self._fill(address, buffer[:half])
        return self._fill(address + half, buffer[half:]) or first
