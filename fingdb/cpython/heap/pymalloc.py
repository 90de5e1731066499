"""Blocks of pymalloc in use: all arenas, their pools, and in these what is not free.

Mirrors Objects/obmalloc.c. An arena (256 KiB, from 3.10 on 1 MiB) is cut into pools (4 or 16 KiB), a pool into
blocks of one size. Pools up to ``pool_address`` have been handed out; one whose count is 0 is free. In a pool the
blocks before ``nextoffset`` have been handed out, those on the list ``freeblock`` are free again.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Iterator, List, Literal, NamedTuple, Optional, Sequence, Set, Tuple, Union

from ...debugger.interface import INTERRUPTS
from ...memory import MemoryFault
from .. import runtime
from ..statics import static_address
from ..target import PythonTarget, Unreadable
from .pages import paged_blocks
from .records import Blocks
from .walk import cut_to_shortest

#: Sizes of pools: where there is a radix tree of arenas (3.10 and later), and before.
POOL_SIZES = (1 << 14, 1 << 12)
#: Blocks' sizes are multiples of this (ALIGNMENT), up to so many times it.
ALIGNMENT, CLASSES = 16, 32
#: More arena objects are not believed; an arena has at most so many pools (ARENA_SIZE / POOL_SIZE in all versions).
_MOST_ARENAS, _POOLS = 1 << 22, 64
#: What the debug hooks write between the size of a block and the block: an identifier, then this seven times.
_GUARD, _HEADER = bytes((0xFD,)) * 7, 16
_Data = Union[bytes, "memoryview[int]"]
#: So many problems are told one by one.
_TOLD = 3


class State(NamedTuple):
    """Where one pymalloc keeps its state: addresses of the variables (or members), None where there is none."""

    arenas: int
    maxarenas: int
    raw_blocks: Optional[int]


class Arena(NamedTuple):
    """Memory of pymalloc: pools from ``start`` (of ``pool_size`` bytes each) up to ``end``."""

    start: int
    end: int
    pool_size: int


class Pool(NamedTuple):
    """Blocks of ``size`` bytes from ``first`` up to ``end``, all in use but those that begin at ``freed``."""

    first: int
    end: int
    size: int
    freed: Set[int]

    def starts(self) -> Sequence[int]:
        """Return where the blocks in use begin, in order."""
        every = range(self.first, self.end, self.size)
        return [start for start in every if start not in self.freed] if self.freed else every


@dataclass
class Found:
    """What was wrong with pools, so far."""

    problems: List[str] = field(default_factory=list)
    damaged: int = 0

    def damage(self, text: str) -> None:
        """Note that something could not be read."""
        self.damaged += 1
        if self.damaged <= _TOLD:
            self.problems.append(text)

    def told(self) -> List[str]:
        """Return all that was wrong, in sentences."""
        if self.damaged <= _TOLD:
            return self.problems
        return [*self.problems, f"{self.damaged - _TOLD} more pools of pymalloc are damaged"]


def used_blocks(target: PythonTarget) -> Blocks:
    """Return all blocks of pymalloc (of mimalloc in free-threaded builds) in use, of all interpreters. Never raises.

    Control-C gives what was found so far, marked partial and interrupted.
    """
    if target.build.free_threaded:
        main = target.layout.field("runtime.main_interpreter")
        # What is left when Py_FinalizeEx has returned hangs on the main interpreter, which is part of the runtime.
        left = [] if main is None else [target.runtime + main.offset]
        return paged_blocks(target, list(dict.fromkeys([*runtime.interpreter_addresses(target), *left])))
    found, starts, sizes = Found(), array("Q"), array("H")
    spaces = arenas(target, found.problems)
    partial, interrupted = bool(found.problems), False
    try:
        for count, arena in enumerate(spaces):
            for pool in _pools_of(target, arena, found):
                starts.extend(pool.starts())
                sizes.extend(array("H", (pool.size,)) * (len(starts) - len(sizes)))
            if count % 16 == 15:
                target.walked(len(starts))
                target.debugger.check_interrupt()
    except INTERRUPTS:
        interrupted = True
        cut_to_shortest(starts, sizes)
        found.problems.append("interrupted: not all blocks were read")
    partial = partial or interrupted or bool(found.damaged)
    large = large_blocks(target, None if partial else len(starts))
    return Blocks(starts, sizes, debug_header(target, starts), large, partial, found.told(), interrupted)


def pools(target: PythonTarget, found: Found) -> Iterator[Pool]:
    """Yield the pools of all arenas that have blocks in use, as far as they can be read. Never raises."""
    for arena in arenas(target, found.problems):
        yield from _pools_of(target, arena, found)


# -- the state ------------------------------------------------------------------------------------
def states(target: PythonTarget) -> List[State]:
    """Return the pymallocs of the process: one, and one more for each interpreter with a GIL of its own. Never raises."""
    places: Set[int] = set()
    main = target.layout.field("runtime.main_interpreter")
    interpreters = runtime.interpreter_addresses(target)
    if main is not None:  # still there when the list is empty, after Py_FinalizeEx
        interpreters.append(target.runtime + main.offset)
    own = target.layout.field("interp.own_obmalloc")
    for interpreter in interpreters:
        if own is not None:
            places.add(interpreter + own.offset)
            continue
        try:
            place = target.value("interp.obmalloc", interpreter)
        except Unreadable:
            place = None
        if place:
            places.add(place)
    shared = static_address(target, "obmalloc_state_main")
    if shared is not None:
        places.add(shared)
    found = [state for state in (_state_at(target, place) for place in sorted(places)) if state is not None]
    arenas, most = static_address(target, "arenas"), static_address(target, "maxarenas")
    if not found and arenas is not None and most is not None:
        found.append(State(arenas, most, static_address(target, "raw_allocated_blocks")))
    return found


def _state_at(target: PythonTarget, place: int) -> Optional[State]:
    arenas, most = target.layout.field("obmalloc.arenas"), target.layout.field("obmalloc.maxarenas")
    raw = target.layout.field("obmalloc.raw_allocated_blocks")
    if arenas is None or most is None:
        return None
    return State(place + arenas.offset, place + most.offset, None if raw is None else place + raw.offset)


def large_blocks(target: PythonTarget, small: Optional[int]) -> Optional[int]:
    """Return how many blocks pymalloc got from malloc for being too large, None where that is not known. Never raises.

    ``small`` is the number of its own blocks: 3.8 counts these and the large ones in one number.
    """
    total: Optional[int] = None
    every = static_address(target, "_Py_AllocatedBlocks")
    if every is not None:
        try:
            return None if small is None else target.memory.integer(every, target.memory.pointer_size, True) - small
        except MemoryFault:
            return None
    for state in states(target):
        if state.raw_blocks is not None:
            try:
                total = (total or 0) + target.memory.integer(state.raw_blocks, target.memory.pointer_size, True)
            except MemoryFault:
                return None
    return total


# -- arenas ---------------------------------------------------------------------------------------
def arenas(target: PythonTarget, problems: List[str]) -> List[Arena]:
    """Return the memory of all arenas, by address. Never raises; what is wrong is appended to ``problems``."""
    if not target.layout.size("arena") or not target.layout.has("pool.nextoffset"):
        problems.append("without debug information pymalloc's arenas cannot be found")
        return []
    known = states(target)
    if not known:
        problems.append("the symbol table does not tell where pymalloc's arenas are")
        return []
    found: List[Arena] = []
    pool_size = 0
    for address, end in sorted(pair for state in known for pair in _objects(target, state, problems)):
        pool_size = pool_size or _pool_size(target, address, end)
        if pool_size:
            start = (address + pool_size - 1) & ~(pool_size - 1)
            if start < end:
                found.append(Arena(start, end, pool_size))
        elif end > address:
            problems.append(f"the first pool of the arena at {address:#x} is damaged")
    if not found and not problems:
        problems.append("pymalloc has no arena: the program allocates in another way (PYTHONMALLOC=malloc or mimalloc)")
    return found


def _objects(target: PythonTarget, state: State, problems: List[str]) -> Iterator[Tuple[int, int]]:
    """Yield (address, end of the pools handed out) of each arena in use."""
    memory, stride = target.memory, target.layout.size("arena") or 0
    at_address, at_pool = target.layout.offset("arena.address"), target.layout.offset("arena.pool_address")
    word = memory.pointer_size
    try:
        table, count = memory.pointer(state.arenas), memory.u32(state.maxarenas)
        if not table or not count:
            return
        if count > _MOST_ARENAS:
            problems.append(f"pymalloc's number of arenas ({count}) is damaged")
            return
        words = memory.array(table, count * stride // word)
    except MemoryFault as error:
        problems.append(f"pymalloc's arenas cannot be read: {error}")
        return
    for index in range(0, len(words), stride // word):
        address, end = words[index + at_address // word], words[index + at_pool // word]
        if not address:
            continue
        if address <= end <= address + _POOLS * POOL_SIZES[0]:
            yield address, end
        else:
            problems.append(f"the arena at {address:#x} is damaged: its pools end at {end:#x}")


def _pool_size(target: PythonTarget, address: int, end: int) -> int:
    """Return the size of the pools of an arena as its first pool tells it, 0 if that is damaged."""
    for size in POOL_SIZES:
        start = (address + size - 1) & ~(size - 1)
        if start < end and _Header(target).valid(_read(target, start, 48), size):
            return size
    return 0


def _read(target: PythonTarget, address: int, length: int) -> bytes:
    try:
        return target.memory.read(address, length)
    except MemoryFault:
        return b""


class _Header:
    """Reads ``struct pool_header`` out of bytes."""

    def __init__(self, target: PythonTarget) -> None:
        layout, memory = target.layout, target.memory
        self._order: "Literal['big', 'little']" = "big" if memory.big_endian else "little"
        self.size = ((layout.size("pool") or 48) + ALIGNMENT - 1) & -ALIGNMENT  # POOL_OVERHEAD
        self._fields = [layout.field(f"pool.{name}") for name in ("count", "freeblock", "szidx", "nextoffset", "maxnextoffset")]

    def read(self, data: _Data, at: int = 0) -> List[int]:
        """Return count, address of the first free block, size class, offset of the next block, and its maximum."""
        return [
            int.from_bytes(data[at + f.offset : at + f.offset + f.size], self._order) if f is not None else 0
            for f in self._fields
        ]

    def valid(self, data: _Data, pool_size: int, at: int = 0) -> bool:
        """Tell whether the members of a header agree with each other."""
        if len(data) < at + self.size:
            return False
        count, _free, index, following, largest = self.read(data, at)
        size = (index + 1) * ALIGNMENT
        if index >= CLASSES or largest != pool_size - size or count > (pool_size - self.size) // size:
            return False
        return self.size <= following <= pool_size and (following - self.size) % size == 0


# -- pools ----------------------------------------------------------------------------------------
def _pools_of(target: PythonTarget, arena: Arena, found: Found) -> Iterator[Pool]:
    data = target.memory.read_some(arena.start, arena.end - arena.start)
    if len(data) < arena.end - arena.start:
        found.damage(f"the arena at {arena.start:#x} cannot be read to its end")
    header, size = _Header(target), arena.pool_size
    for at in range(0, len(data) - size + 1, size):
        pool = _read_pool(header, memoryview(data)[at : at + size], arena.start + at, found)
        if pool is not None:
            yield pool


def _read_pool(header: "_Header", data: memoryview, pool: int, found: Found) -> Optional[Pool]:
    count, free, index, following, _largest = header.read(data)
    if not count:
        return None
    if not header.valid(data, len(data)):
        found.damage(f"the pool at {pool:#x} is damaged")
        return None
    size = (index + 1) * ALIGNMENT
    words = data.cast("Q")
    freed: Set[int] = set()
    while free:
        offset = free - pool
        if offset & 7 or not header.size <= offset < following or (offset - header.size) % size or free in freed:
            found.damage(f"the list of free blocks of the pool at {pool:#x} is damaged")
            return None
        freed.add(free)
        free = words[offset >> 3]
    used = (following - header.size) // size - len(freed)
    if used != count:
        found.damage(f"the pool at {pool:#x} counts {count} blocks, but {used} are not free")
    return Pool(pool + header.size, pool + following, size, freed)


def debug_header(target: PythonTarget, starts: Sequence[int]) -> int:
    """Return how far behind a block's start an object begins: 16 when the debug hooks are in use, else 0.

    Mirrors _PyMem_DebugRawAlloc: the size asked for, a letter, seven guard bytes, then the block.
    """
    chosen = starts[:: max(1, len(starts) // 64)][:64]
    guarded = sum(1 for start in chosen if _read(target, start + 9, 7) == _GUARD)
    return _HEADER if guarded * 2 > len(chosen) else 0
