"""The target's memory as one numpy array of words, for looking at many addresses at once.

Needs numpy: imported only where that was found. Addresses are signed 64-bit numbers here, as numpy indexes with.
"""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ...debugger.core_memory import CoreMemory
from ...debugger.interface import MemoryFault, TargetKind
from ...debugger.mappings import Mappings
from ..target import PythonTarget

Words = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: A live process is copied in blocks of so many words, when they are first wanted.
_BLOCK_BITS = 15
_BLOCK = 1 << _BLOCK_BITS
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
    """Memory of a live process, copied block by block when it is first wanted."""

    def __init__(self, target: PythonTarget, ranges: Sequence[Tuple[int, int]]) -> None:
        extents = []
        at = 0
        for start, end in ranges:
            extents.append((start, end, at))
            at += (end - start + 8 * _BLOCK - 1) // (8 * _BLOCK) * _BLOCK
        super().__init__(np.zeros(at + _BLOCK, dtype=np.int64), extents)
        self._debugger = target.debugger
        self._here = np.zeros((at >> _BLOCK_BITS) + 2, dtype=np.bool_)

    def fetch(self, index: Words) -> None:
        """Copy the blocks that are wanted and not here yet."""
        blocks = index >> _BLOCK_BITS
        missing = ~self._here[blocks]
        if missing.any():
            for block in np.unique(blocks[missing]).tolist():
                self._read(block)
                self._read(block + 1)  # a header may lie across the boundary

    def _read(self, block: int) -> None:
        if self._here[block]:
            return
        self._here[block] = True
        first = block << _BLOCK_BITS
        for start, end, at in self.extents:
            address = start + 8 * (first - at)
            if at <= first and address < end:
                length = min(8 * _BLOCK, end - address)
                try:
                    data = self._debugger.read(address, length)
                except MemoryFault:
                    return  # zeros: whoever comes by sees that a link is null
                self.flat[first : first + length // 8] = np.frombuffer(data, dtype=np.int64, count=length // 8)
                return

    def sample(self, stride: int, words: int) -> Tuple[Words, Words]:
        """Read the rows, and nothing around them."""
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
        return _LiveImage(target, ranges)
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
