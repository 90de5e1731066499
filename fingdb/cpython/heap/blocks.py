"""What pymalloc's blocks hold that no list of the collector knows: other objects, untracked ones, and raw memory.

An object is told by its type: the second word of its header points to a type object, whose own type is one again.
Free lists keep dead objects in blocks; their count is 0, and they are raw memory here.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence

from ...debugger.interface import Interrupted
from ..objects import TYPE, flags_of_type, name_of_type
from ..target import PythonTarget, Unreadable
from .pymalloc import used_blocks
from .records import Blocks
from .sizes import HAVE_GC, MANAGED_DICT, MANAGED_WEAKREF

#: Counts beyond this are no counts (an immortal object's has 32 bits).
_MOST_REFERENCES = 1 << 40
_PATIENCE = 1 << 15


@dataclass
class BlockContents:
    """The contents of blocks: ``addresses`` and ``types`` of objects that no list has (parallel columns), and how many
    blocks of each size hold ``raw`` memory. ``listed`` blocks hold objects that are in a list of a collector."""

    blocks: Blocks
    addresses: "array[int]" = field(default_factory=lambda: array("Q"))
    types: "array[int]" = field(default_factory=lambda: array("Q"))
    raw: Dict[int, int] = field(default_factory=dict)
    listed: int = 0
    interrupted: bool = False


def contents(target: PythonTarget, listed: Iterable[int]) -> BlockContents:
    """Return what pymalloc's blocks hold; ``listed`` are addresses of the objects in lists. Never raises."""
    blocks = used_blocks(target)
    found = BlockContents(blocks, interrupted=blocks.interrupted)
    try:
        _Sorter(target, blocks, found).run(set(listed))
    except Interrupted:
        found.interrupted = True
    return found


class _Sorter:
    """Looks into each block."""

    def __init__(self, target: PythonTarget, blocks: Blocks, found: BlockContents) -> None:
        self._target, self._blocks, self._found = target, blocks, found
        self._flags: Dict[int, int] = {}  # of types; -1: no type
        self._header = target.layout.size("gc_head") or 16
        self._type = target.layout.offset("object.type") // 8

    def run(self, listed: "set[int]") -> None:
        """Sort all blocks. Raises Interrupted."""
        found, window, header = self._found, self._target.memory.window, self._header
        before, extra = self._blocks.debug_header, header + 16
        start = end = 0
        words: Sequence[int] = ()
        raw: List[int] = []
        for done, (block, size) in enumerate(zip(self._blocks.starts, self._blocks.sizes)):
            at = block + before
            if at + header in listed or at + extra in listed:
                found.listed += 1
                continue
            if not start <= at < end:
                start, end, words = window(at)
            index = (at - start) >> 3
            address = self._object(words, index, at, size - before)
            if address:
                found.addresses.append(address)
                found.types.append(words[index + (address - at) // 8 + self._type])
            else:
                raw.append(size)
            if not done % _PATIENCE:
                self._target.walked(done)
                self._target.debugger.check_interrupt()
        for size in raw:
            found.raw[size] = found.raw.get(size, 0) + 1

    def _object(self, words: Sequence[int], index: int, at: int, room: int) -> int:
        """Return the address of the object in a block, 0 when there is none."""
        for skip, wanted in ((0, 0), (self._header, HAVE_GC), (self._header + 16, HAVE_GC)):
            place = index + skip // 8
            if skip + 16 > room or place + self._type >= len(words):
                break
            count = words[place]
            if not 0 < count < _MOST_REFERENCES:
                continue
            flags = self._flags_of(words[place + self._type])
            if flags < 0 or flags & HAVE_GC != wanted:
                continue
            # Two words more come before the header of types that keep a dict or weak references there.
            more = bool(flags & (MANAGED_DICT | MANAGED_WEAKREF))
            if not skip or more == (skip > self._header):
                return at + skip
        return 0

    def _flags_of(self, type_: int) -> int:
        found = self._flags.get(type_)
        if found is None:
            found = self._flags[type_] = self._flags_if_type(type_)
        return found

    def _flags_if_type(self, type_: int) -> int:
        """Return the flags of a type, -1 when there is none at that address."""
        if type_ < 4096 or type_ & 7:
            return -1
        target = self._target
        try:
            meta = target.number("object.type", type_)
            if meta < 4096 or meta & 7 or not flags_of_type(target, meta) & TYPE:
                return -1
            name_of_type(target, type_)
            return flags_of_type(target, type_)
        except Unreadable:
            return -1


def raw_name(size: int, header: int) -> str:
    """Return what to call raw blocks of a size class."""
    return f"raw memory, blocks of {size}" + (" with debug hooks" if header else "")


def total_raw(raw: Dict[int, int]) -> Optional[int]:
    """Return the bytes of raw blocks together, None for none."""
    return sum(size * count for size, count in raw.items()) if raw else None
