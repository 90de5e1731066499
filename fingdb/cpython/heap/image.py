"""The target's memory as one numpy array of words, for looking at many addresses at once.

Needs numpy: imported only where that was found. Addresses are signed 64-bit numbers here, as numpy indexes with.
"""

from __future__ import annotations

import bisect
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ...debugger.core_memory import CoreMemory
from ...debugger.interface import Debugger, MemoryFault, TargetKind
from ...debugger.mappings import Mappings
from ..target import PythonTarget

Words = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: A live process is copied in blocks of so many words, when they are first wanted.
_BLOCK_BITS = 15
_BLOCK = 1 << _BLOCK_BITS
#: So many blocks at most are copied in one read: the user may press Control-C in between.
_TOGETHER = 16
#: Where samples are to be taken in less than so many bytes, to read all is as fast.
_DENSE = 1 << 14
#: No more of a live process is looked at in this way (bytes).
_MOST = 1 << 40
#: Behind the end of an extent no object's header may reach.
_MARGIN = 64


class Image:
    """Words of memory in ``flat``; `locate` tells the indices of addresses.

    Extents are (start, end, index of the first word), by address.
    """

    def __init__(self, flat: Words, extents: Sequence[Tuple[int, int, int]]) -> None:
        self.flat = flat
        self.extents = list(extents)
        # The first one holds what lies before all others: nothing.
        self._starts = np.array([-1 << 63, *(start for start, _end, _at in self.extents)], dtype=np.int64)
        self._ends = np.array([-1 << 63, *(end - _MARGIN for _start, end, _at in self.extents)], dtype=np.int64)
        # Address minus this is eight times the index.
        self._shifts = np.array([0, *(start - 8 * at for start, _end, at in self.extents)], dtype=np.int64)

    @property
    def size(self) -> int:
        """Bytes in all extents."""
        return sum(end - start for start, end, _at in self.extents)

    def locate(self, addresses: Words) -> Tuple[Words, Mask]:
        """Return the index of each address, and which of the addresses are aligned and in memory.

        Indices of those that are not mean nothing (and are valid).
        """
        which = self._starts.searchsorted(addresses, "right") - 1
        index: Words = (addresses - self._shifts[which]) >> 3
        known: Mask = addresses < self._ends[which]
        odd = addresses & 7
        if odd.any():
            known &= odd == 0
        if not known.all():
            index[~known] = 0
        self.fetch(index)
        return index, known

    def fetch(self, index: Words) -> None:
        """Make sure that the words at these indices, and some behind each, are in ``flat``."""

    def sample(self, stride: int, words: int) -> Tuple[Words, Words]:
        """Return rows of ``words`` words from the beginning of every ``stride`` bytes, and the address of each row."""
        rows: List[Words] = []
        addresses: List[Words] = []
        for start, end, at in self.extents:
            count = (end - start) // stride
            if not count:
                continue
            whole = self.flat[at : at + count * (stride // 8)].reshape(count, stride // 8)
            rows.append(whole[:, :words])
            addresses.append(np.arange(count, dtype=np.int64) * stride + start)
        if not rows:
            return np.empty((0, words), dtype=np.int64), np.empty(0, dtype=np.int64)
        return np.concatenate(rows), np.concatenate(addresses)


class _LiveImage(Image):
    """Memory of a live process, copied when it is first wanted, in whole blocks.

    What cannot be read is zero: whoever comes by sees that a link is null.
    """

    def __init__(self, debugger: Debugger, ranges: Sequence[Tuple[int, int]]) -> None:
        extents = []
        at = 0
        for start, end in ranges:
            extents.append((start, end, at))
            at += (end - start + 8 * _BLOCK - 1) // (8 * _BLOCK) * _BLOCK
        super().__init__(np.zeros(at + _BLOCK, dtype=np.int64), extents)
        self._debugger = debugger
        self._bytes = self.flat.data.cast("B")
        self._firsts = [at >> _BLOCK_BITS for _start, _end, at in extents]
        # Behind the last extent there is nothing to be read.
        self._here = np.zeros((at >> _BLOCK_BITS) + 2, dtype=np.bool_)
        self._here[-2:] = True
        self._complete = False
        #: Blocks that are here with the one behind: a header may lie across the boundary.
        self._usable = np.zeros(len(self._here), dtype=np.bool_)

    def fetch(self, index: Words) -> None:
        """Copy the blocks that are wanted and not here yet."""
        if self._complete:
            return
        blocks = index >> _BLOCK_BITS
        if self._usable[blocks].all():
            return
        wanted = np.zeros(len(self._here), dtype=np.bool_)
        wanted[blocks] = True
        wanted[1:] |= wanted[:-1]
        self._copy(wanted & ~self._here)
        self._usable[:-1] = self._here[:-1] & self._here[1:]
        if not self._complete and 5 * int(self._here.sum()) > 4 * len(self._here):
            self._copy(~self._here)  # to look at each step whether something is missing would take longer

    def _copy(self, wanted: Mask) -> None:
        """Copy blocks, those side by side together."""
        edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False)).tolist()
        for block, last in zip(edges[0::2], edges[1::2]):
            while block < last:
                number = bisect.bisect_right(self._firsts, block) - 1
                following = self._firsts[number + 1] if number + 1 < len(self._firsts) else last
                end = min(last, following, block + _TOGETHER)
                self._read(block, end, number)
                self._here[block:end] = True
                block = end
        self._complete = bool(self._here.all())

    def _read(self, block: int, last: int, number: int) -> None:
        """Copy the blocks before ``last``, all of them of one extent."""
        while block < last:
            count = self._read_into(block, last, number)
            block += count
            if block < last:  # in which something cannot be read: what comes before that
                self._read_into(block, block + 1, number)
                block += 1

    def _read_into(self, block: int, last: int, number: int) -> int:
        """Copy at most the blocks before ``last``; return how many could be read as a whole."""
        start, end, at = self.extents[number]
        address = start + 8 * ((block << _BLOCK_BITS) - at)
        length = min(8 * _BLOCK * (last - block), end - address)
        first = 8 * (block << _BLOCK_BITS)
        done = self._debugger.read_into(address, self._bytes[first : first + length])
        return last - block if done == length else done // (8 * _BLOCK)

    def sample(self, stride: int, words: int) -> Tuple[Words, Words]:
        """Read the rows, and nothing around them where there is much."""
        if stride <= _DENSE:
            self._copy(~self._here)
            return super().sample(stride, words)
        rows: List[bytes] = []
        addresses: List[int] = []
        read = self._debugger.read
        for start, end, _at in self.extents:
            for address in range(start, start + (end - start) // stride * stride, stride):
                try:
                    rows.append(read(address, 8 * words))
                except MemoryFault:
                    continue
                addresses.append(address)
        found = np.frombuffer(b"".join(rows), dtype=np.int64).reshape(len(rows), words)
        return found, np.array(addresses, dtype=np.int64)


def image_of(target: PythonTarget) -> Optional[Image]:
    """Return the target's memory, None where it cannot be had in this way. Never raises.

    Not for targets of other word sizes or byte orders, nor for processes of other machines.
    """
    memory = target.memory
    if memory.pointer_size != 8 or memory.big_endian or not np.little_endian:
        return None
    core = target.debugger.core_memory()
    if core is not None:
        return _image_of_core(core)
    info = target.debugger.target()
    if info.kind is not TargetKind.LIVE:
        return None
    ranges = [
        (m.start, min(m.end, 1 << 62)) for m in Mappings.of(info).ranges if m.writable and m.accessible and m.start < 1 << 62
    ]
    if not ranges or sum(end - start for start, end in ranges) > _MOST:
        return None
    try:
        return _LiveImage(target.debugger, ranges)
    except (MemoryError, ValueError):
        return None


def _image_of_core(core: CoreMemory) -> Optional[Image]:
    extents = [
        (start, end & ~7, (offset - (offset & 7)) // 8)
        for start, end, offset in core.extents
        if offset & 7 == start & 7 == 0 and start + _MARGIN < end < 1 << 62
    ]
    if len(extents) == 0:
        return None
    flat = np.frombuffer(core.data, dtype=np.int64, count=core.length // 8)
    return Image(flat, extents)
