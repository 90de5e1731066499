"""Blocks of pymalloc, CPython's allocator of small objects.

Told by the header at the beginning of each pool (Objects/obmalloc.c), whose members must agree with each
other: no list of arenas is needed, and none of the versions' ways to keep one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..cpython.heap.pymalloc import POOL_SIZES
from ..memory import Memory, MemoryFault

#: struct pool_header: count, freeblock, nextpool, prevpool, arenaindex, szidx, nextoffset, maxnextoffset.
_HEADER = 48
_LARGEST_CLASS = 64
#: Fill bytes of the debug hooks: freed, allocated, around blocks.
DEAD, CLEAN, GUARD = 0xDD, 0xCD, 0xFD


@dataclass(frozen=True)
class Block:
    """A block of CPython's allocator. ``state`` is ``used``, ``freed``, ``untouched`` (never handed out) or ``unknown``
    (the pool's list of freed blocks is damaged, as ``problem`` says)."""

    start: int
    size: int
    state: str
    problem: str = ""
    allocator: str = "pymalloc"


def block_at(memory: Memory, address: int) -> Optional[Block]:
    """Return the block that holds ``address``, None when it is in no pool. Never raises."""
    for pool_size in POOL_SIZES:
        try:
            found = _in_pool(memory, address, pool_size)
        except MemoryFault:
            continue
        if found is not None:
            return found
    return None


def _in_pool(memory: Memory, address: int, pool_size: int) -> Optional[Block]:
    pool = address & ~(pool_size - 1)
    if address - pool < _HEADER:
        return None
    word = memory.pointer_size
    count = memory.u32(pool)
    free = memory.pointer(pool + word)
    index, following, largest = (memory.u32(pool + 4 * word + offset) for offset in (4, 8, 12))
    size = (index + 1) * 16
    if index >= _LARGEST_CLASS or largest != pool_size - size or not _HEADER <= following <= pool_size:
        return None
    if (following - _HEADER) % size or count > (pool_size - _HEADER) // size:
        return None
    start = pool + _HEADER + (address - pool - _HEADER) // size * size
    if start + size > pool + pool_size:
        return None
    if start - pool >= following:
        return Block(start, size, "untouched")
    seen = set()
    while free:
        aligned = (free - pool - _HEADER) % size == 0
        if not pool + _HEADER <= free < pool + following or not aligned or free in seen:
            return Block(start, size, "unknown", _damage(free, pool, size))
        if free == start:
            return Block(start, size, "freed")
        seen.add(free)
        free = memory.pointer(free)
    return Block(start, size, "used")


def _damage(free: int, pool: int, size: int) -> str:
    """Say what is wrong with an entry of a pool's list of freed blocks.

    The first word of a freed object is its reference count: to drop a reference on it moves the entry
    a few bytes down.
    """
    behind = -(free - pool - _HEADER) % size
    if 0 < behind <= 4:
        return f"an entry of its list of freed blocks is {behind} too small: references were dropped on a freed object"
    return f"an entry of its list of freed blocks is {free:#x}"


def fill_byte(data: bytes) -> Optional[int]:
    """Return the fill byte of the debug hooks that ``data`` consists of, None if of none."""
    if len(data) >= 8 and data[:1] * len(data) == data and data[0] in (DEAD, CLEAN, GUARD):
        return data[0]
    return None
