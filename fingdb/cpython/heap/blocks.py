"""What the allocator's blocks hold that no list of the collector knows: other objects, untracked ones, and raw memory.

An object is told by its type: the second word of its header points to a type object, whose own type is one again.
Free lists keep dead objects in blocks; their count is 0, and they are raw memory here.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ...debugger.interface import INTERRUPTS
from ..objects import is_likely_count
from ..target import PythonTarget
from .locate import Located
from .pymalloc import used_blocks
from .records import NO_OBJECT, Blocks
from .sizes import HAVE_GC, MANAGED_DICT, MANAGED_WEAKREF
from .typetest import TypeTest
from .walk import cut_to_shortest

#: Above these a count may be a pointer.
_LIKELY_REFERENCES = 1 << 16
#: The bit that makes a count of 32 bits negative.
_NEGATIVE = 1 << 31
#: ob_overflow (Include/object.h, 3.14 and later).
_UNUSED = 0xFFFF << 32
#: The letter of the object domain in the debug hooks' header.
_OBJECT = ord("o")
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
    """Return what the allocator's blocks hold; ``listed`` are addresses of the collector's objects. Never raises."""
    blocks = used_blocks(target)
    found = BlockContents(blocks, interrupted=blocks.interrupted)
    try:
        _Sorter(target, blocks, found).run(set(listed))
    except INTERRUPTS:
        found.interrupted = True
        cut_to_shortest(found.addresses, found.types)
    return found


def untracked_immortals(target: PythonTarget, blocks: Located) -> List[int]:
    """Return the immortal objects in ``blocks`` that a collection has let go of: it forgets them, and they hold others.

    Mirrors update_refs() in Python/gc.c of 3.14 and later; before, they stay in the collector's lists. Objects larger
    than pymalloc's blocks are not found. Raises Interrupted, and nothing else.
    """
    found: List[int] = []
    if not target.layout.has("object.flags"):
        return found
    types, window, header = TypeTest(target), target.memory.window, target.layout.size("gc_head") or 16
    type_word, before = target.layout.offset("object.type") // 8, blocks.debug_header
    start = end = 0
    words: Sequence[int] = ()
    for done, (block, size) in enumerate(blocks.each()):
        at = block + before
        if not start <= at < end:
            start, end, words = window(at)
        for skip in (header, header + 16):
            place = (at + skip - start) >> 3
            if skip + 16 > size - before or place + type_word >= len(words):
                break
            # In no list, and an immortal count: of 32 bits, with 16 above it that are not used, and then flags. (An address,
            # as dead objects on free lists have it there, uses them.)
            if words[place] & _NEGATIVE and not words[place] & _UNUSED and not words[place - header // 8]:
                if types.flags(words[place + type_word]) & HAVE_GC:
                    found.append(at + skip)
                    break
        if not done % _PATIENCE:
            target.debugger.check_interrupt()
    return found


class _Sorter:
    """Looks into each block."""

    def __init__(self, target: PythonTarget, blocks: Blocks, found: BlockContents) -> None:
        self._target, self._blocks, self._found = target, blocks, found
        self._types = TypeTest(target)
        # Without a GIL the collector has no header of its own.
        self._free_threaded = target.build.free_threaded
        self._header = 0 if self._free_threaded else target.layout.size("gc_head") or 16
        self._type = target.layout.offset("object.type") // 8
        self._heads = ((0, 0), (self._header, HAVE_GC), (self._header + 16, HAVE_GC))

    def run(self, listed: "set[int]") -> None:
        """Sort all blocks. Raises Interrupted."""
        found, window, header = self._found, self._target.memory.window, self._header
        before, extra = self._blocks.debug_header, header + 16
        start = end = 0
        words: Sequence[int] = ()
        raw: List[int] = []
        kept_apart = self._blocks.heads
        for done, (block, size) in enumerate(zip(self._blocks.starts, self._blocks.sizes)):
            at = block + before
            if kept_apart and kept_apart[done] == NO_OBJECT:
                raw.append(size)
                continue
            if at + header in listed or at + extra in listed:
                found.listed += 1
                continue
            if not start <= at < end:
                start, end, words = window(at)
            index = (at - start) >> 3
            # The debug hooks write down who asked for a block: "o" for objects.
            apt = not before or bool(kept_apart) or index > 0 and words[index - 1] & 0xFF == _OBJECT
            heads: Sequence[Tuple[int, Optional[int]]] = ((kept_apart[done], None),) if kept_apart else self._heads
            address = self._object(words, index, at, size - before, heads) if apt else 0
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

    def _object(
        self, words: Sequence[int], index: int, at: int, room: int, heads: Sequence[Tuple[int, Optional[int]]]
    ) -> int:
        """Return the address of the object in a block, 0 when there is none.

        ``heads`` are the bytes before an object, each with the flag of its type; None: the block's heap tells that.
        """
        for skip, wanted in heads:
            place = index + skip // 8
            if skip + 16 > room or place + self._type >= len(words):
                break
            count = self._count(words, place)
            if not is_likely_count(count):
                continue
            type_ = words[place + self._type]
            flags = self._types.flags(type_)
            if flags < 0 or skip + self._types.basic_size(type_) > room or wanted is not None and (flags & HAVE_GC) != wanted:
                continue
            if count > _LIKELY_REFERENCES and not count % 8 and self._target.memory.read_some(count, 8):
                continue  # it is a pointer: the addresses of a program that is not position-independent are small
            # Two words more come before the header of types that keep a dict or weak references there.
            more = bool(flags & (MANAGED_DICT | MANAGED_WEAKREF))
            if wanted is None or not skip or more == (skip > self._header):
                return at + skip
        return 0

    def _count(self, words: Sequence[int], place: int) -> int:
        """Return the references of the object whose header begins at a place, 0 for none.

        Without a GIL (Include/object.h): thread, four bytes of flags and four that count the thread's own references, those
        of others above two flags.
        """
        if not self._free_threaded:
            return words[place]
        shared = words[place + 2]
        shared -= (shared >> 63) << 64
        return max(0, (words[place + 1] >> 32) + (shared >> 2))
