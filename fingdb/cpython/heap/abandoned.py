"""The segments of mimalloc that ended threads left, because blocks of them are still in use.

mimalloc 2.1 (CPython 3.13) has a pool of them in each interpreter, two lists. 2.5 (later releases of 3.14) counts them by
sub-process, of which an interpreter has one: a segment in an arena is a bit in the arena's map, whosever it is, and one
outside of arenas is in a list of its sub-process (Objects/mimalloc/arena-abandon.c).
"""

from __future__ import annotations

from typing import Iterator, List, Set

from ..statics import static_address
from ..target import Corrupt, PythonTarget, Unreadable

#: More segments than this are not believed.
_MOST_SEGMENTS = 1 << 24
#: MI_MAX_ARENAS in Objects/mimalloc/arena.c, of all versions so far: 112 or 132.
_MOST_ARENAS = 1 << 12
#: An arena of more blocks (32 MiB each) is not believed: 128 TiB.
_MOST_BLOCKS = 1 << 22
_LOST = "the memory that ended threads left cannot be found"


def abandoned_segments(target: PythonTarget, interpreter: int, size: int, problems: List[str]) -> List[int]:
    """Return the addresses of the segments (of ``size`` bytes) that ended threads of an interpreter left. Never raises.

    Damage ends a list and is told in ``problems``.
    """
    found: List[int] = []
    if target.layout.has("interp.mimalloc.abandoned"):
        for name in ("interp.mimalloc.abandoned", "interp.mimalloc.abandoned_visited"):
            _collect(_listed(target, name, interpreter, size), found, problems)
    elif target.layout.has("interp.mimalloc.subproc"):
        try:
            subproc = target.number("interp.mimalloc.subproc", interpreter)
        except Unreadable as error:
            problems.append(f"{_LOST}: {error}")
            return found
        if subproc:
            found = segments_of_subprocess(target, subproc, size, problems)
    else:
        problems.append(f"{_LOST}: this build of CPython keeps it in a way that is not known")
    return found


def segments_of_subprocess(target: PythonTarget, subproc: int, size: int, problems: List[str]) -> List[int]:
    """Return the segments that ended threads of one of mimalloc's sub-processes left. Never raises."""
    found: List[int] = []
    arenas, counter = static_address(target, "mi_arenas"), static_address(target, "mi_arena_count")
    if arenas is None or counter is None:
        problems.append(f"{_LOST}: the symbols of this build do not tell where mimalloc's arenas are")
    else:
        _collect(_of_arenas(target, arenas, counter, subproc, size), found, problems)
    _collect(_listed(target, "mi_subproc.abandoned", subproc, size), found, problems)
    return found


def _collect(segments: Iterator[int], found: List[int], problems: List[str]) -> None:
    try:
        for segment in segments:
            found.append(segment)
    except Unreadable as error:
        problems.append(f"the list of memory that ended threads left is broken: {error}")


def _listed(target: PythonTarget, name: str, owner: int, size: int) -> Iterator[int]:
    """Yield the segments of the list that begins in a logical field of ``owner``. Raises Unreadable."""
    seen: Set[int] = set()
    # The low bits of a pool's head count its changes.
    at = (target.value(name, owner) or 0) & ~(size - 1)
    while at:
        if at in seen or len(seen) >= _MOST_SEGMENTS:
            raise Corrupt(f"they run in a circle at {at:#x}")
        seen.add(at)
        yield at
        at = target.number("mi_segment.abandoned_next", at)


def _of_arenas(target: PythonTarget, arenas: int, counter: int, subproc: int, size: int) -> Iterator[int]:
    """Yield the segments of a sub-process that are marked in the maps of arenas. Raises Unreadable.

    Mirrors mi_arena_segment_clear_abandoned_next_field(). A block of an arena has the size of a segment.
    """
    word = target.memory.pointer_size
    count = target.memory.pointer(counter)
    if count > _MOST_ARENAS:
        raise Corrupt(f"there cannot be {count} arenas")
    for arena in target.memory.array(arenas, count) if count else ():
        if not arena:
            continue
        start, blocks = target.number("mi_arena.start", arena), target.number("mi_arena.block_count", arena)
        if start % size or not 0 < blocks <= _MOST_BLOCKS:
            raise Corrupt(f"the arena at {arena:#x} is damaged")
        marks = target.number("mi_arena.blocks_abandoned", arena)
        bits = target.memory.read(marks, -(-blocks // (8 * word)) * word) if marks else b""
        for at, byte in enumerate(bits):
            for bit in range(8) if byte else ():
                segment = start + (8 * at + bit) * size
                if byte >> bit & 1 and 8 * at + bit < blocks and target.number("mi_segment.subproc", segment) == subproc:
                    yield segment
