"""Which object a word of memory belongs to: one in its body, or in a buffer of its own."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import chain
from typing import Collection, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from .. import objects
from ..attributes import INLINE_VALUES, MANAGED_DICT
from ..heap.blocks import untracked_immortals
from ..heap.locate import Located, located
from ..heap.objects import gc_objects
from ..heap.pages import untracked_immortals as paged_immortals
from ..heap.pymalloc import Arena, arenas
from ..heap.records import GcObjects
from ..runtime import interpreter_addresses
from ..target import PythonTarget, Unreadable
from .edges import Edge
from .frames import frame_extent
from .ordered import Sorted, in_order, numbers_of
from .referents import HAVE_GC, Referents

#: Where in a block of memory an object may begin: behind the collector's head, and what is kept before that.
_HEADS = (0, 16, 32)
#: What is kept before an object reaches back so far.
_BEFORE = 64
#: Objects larger than pymalloc's blocks are looked for so far back when the collector does not know them.
_BACK = 1 << 12
_MOST_AT_ONE_PLACE = 64
#: Values inside an instance: at most 30, with a few bytes about them.
_INLINE = 31 * 8 + 32
#: The user may press Control-C every so many objects.
_PATIENCE = 1 << 16


class Heap:
    """All objects that can be found in one state of the target, and the answers about places in them."""

    def __init__(self, target: PythonTarget) -> None:
        self.target = target
        self.problems: List[str] = []
        self.partial = False
        collected: List[GcObjects] = []
        for interpreter in interpreter_addresses(target, self.problems):
            found = gc_objects(target, interpreter)
            if any(found.addresses is each.addresses or _same(found, each) for each in collected):
                continue  # 3.8: one collector for all interpreters
            collected.append(found)
            self.problems += found.problems
            self.partial = self.partial or found.partial
        self.addresses = Sorted(a for found in collected for a in numbers_of(found.addresses))
        self.referents = Referents(target, self._may_be_object)
        self._blocks: Optional[Located] = None
        self._immortals: Optional[List[int]] = None
        #: Where buffers begin, in order, and whose each is.
        self._buffers: "Optional[Tuple[array[int], array[int]]]" = None
        self._arenas: Optional[List[Arena]] = None
        #: References to the objects that are sought, by owner.
        self._edges: Dict[int, Dict[int, List[Edge]]] = {}
        self._sought: FrozenSet[int] = frozenset()

    def immortals(self) -> List[int]:
        """Return the immortal objects that a collection has let go of, and so forgotten. Raises Interrupted."""
        if self._immortals is None:
            target = self.target
            if target.build.free_threaded:
                found = (paged_immortals(target, each) for each in interpreter_addresses(target))
                self._immortals = [address for each in found for address in each]
            else:
                # An object on a free list has the address of the next where its count was.
                found_in_blocks = untracked_immortals(target, self._used())
                self._immortals = [each for each in found_in_blocks if not self.referents.is_free(each)]
        return self._immortals

    def _may_be_object(self, address: int) -> bool:
        """Tell whether a word that nobody describes may be the address of an object: it looks like one, and begins where such
        a one does in its block. (C data that begins with two pointers, the second to a type, looks like one.)"""
        if address in self.addresses:
            return True
        if not self.referents.looks_like_object(address):
            return False
        block = self.block(address)
        if block is None:
            return True
        try:
            flags = objects.flags_of_type(self.target, objects.type_of(self.target, address))
        except Unreadable:
            return False
        head = 0 if self.target.build.free_threaded or not flags & HAVE_GC else self.target.layout.size("gc_head") or 16
        return address - block in (head, head + 16)

    # -- edges --------------------------------------------------------------------------------------
    def edges(self, address: int, borrowed: bool = True) -> Iterator[Edge]:
        """Yield the references out of an object (with or without borrowed ones) as far as they can be read. Never raises."""
        try:
            yield from self.referents.edges(address, borrowed)
        except Unreadable:
            pass

    def seek(self, addresses: Collection[int]) -> None:
        """Say which objects `edges_to` is going to be asked about: one owner may refer to millions of others."""
        self._sought = frozenset(addresses)
        self._edges.clear()

    def edges_to(self, owner: int, address: int) -> List[Edge]:
        """Return the references of ``owner`` to an object. Never raises."""
        if address not in self._sought:
            self.seek((address,))
        found = self._edges.get(owner)
        if found is None:
            if len(self._edges) > 256:
                self._edges.clear()
            found = self._edges[owner] = {}
            for edge in self.edges(owner):
                if edge.target in self._sought:
                    found.setdefault(edge.target, []).append(edge)
        return found.get(address, [])

    # -- owners -------------------------------------------------------------------------------------
    def owners(self, place: int, address: int) -> Iterator[int]:
        """Yield the objects to which the word at ``place`` belongs and that refer to ``address`` by it or another.

        Never raises. Mostly one; buffers that several objects share have more.
        """
        seen = set()
        for candidate in self._candidates(place):
            if candidate not in seen:
                seen.add(candidate)
                if self.edges_to(candidate, address):
                    yield candidate
                    if len(seen) == 1:
                        return  # inside its body, beyond doubt

    def _candidates(self, place: int) -> Iterator[int]:
        below = self.addresses.at_or_below(place)
        if below is not None and self._covers(below, place):
            yield below
        above = self.addresses.above(place)
        if above is not None and above - place <= _BEFORE:
            yield above
        starts, owners = self.buffers()
        end = bisect_right(starts, place)
        if end:
            # Keys that many dicts share: a few of them will do.
            first = bisect_left(starts, starts[end - 1])
            yield from owners[first : min(end, first + _MOST_AT_ONE_PLACE)]
        yield from self.uncollected(place)

    def _covers(self, address: int, place: int) -> bool:
        if place - address < 4 * self.target.memory.pointer_size:
            return True
        return place < address + self.extent(address)

    def extent(self, address: int) -> int:
        """Return how many bytes an object's memory has from its address on. Never raises."""
        from .describe import size_of

        size = size_of(self.target, address) or 0
        try:
            kind = objects.type_of(self.target, address)
            if objects.flags_of_type(self.target, kind) & INLINE_VALUES and self.target.layout.has("dict_values.valid"):
                size += _INLINE
            field = self.target.layout.field("generator.frame")
            if field is not None and "generator" in self.referents.plan(kind).special:
                size = max(size, field.offset + frame_extent(self.target, address + field.offset))
        except Unreadable:
            pass
        return size

    def uncollected(self, place: int) -> Iterator[int]:
        """Yield the object that the collector does not have in its lists and whose memory ``place`` is in. Never raises."""
        block = self.block(place)
        if block is not None:
            for head in _HEADS:
                if block + head <= place and self.referents.looks_like_object(block + head):
                    yield block + head
            return
        if self.unused(place):
            return  # what was freed there may still look like an object
        word = self.target.memory.pointer_size
        at = place & ~(2 * word - 1)
        for candidate in range(at, at - _BACK, -2 * word):
            if self.referents.looks_like_object(candidate):
                if place < candidate + self.extent(candidate):
                    yield candidate
                return

    def block(self, place: int) -> Optional[int]:
        """Return where the block of pymalloc that holds ``place`` has its first own byte, None if in none in use."""
        blocks = self._used()
        start = blocks.start(place)
        return None if start is None else start + blocks.debug_header

    def _used(self) -> Located:
        """Return the blocks in use. Raises Interrupted."""
        if self._blocks is None:
            self._blocks = located(self.target)
            self.problems += self._blocks.problems
        return self._blocks

    def on_free_list(self, place: int) -> bool:
        """Tell whether a place is in an object that CPython keeps to use its memory again: no reference, but a type."""
        block = self.block(place)
        if block is None:
            return False
        for head in _HEADS:
            try:
                if self.referents.is_free(block + head):
                    return True
                if objects.refcount(self.target, block + head) == 0 and block + head < place:
                    if self.referents.is_type(objects.type_of(self.target, block + head)):
                        return True
            except Unreadable:
                continue
        return False

    def unused(self, place: int) -> bool:
        """Tell whether a place is in memory of pymalloc that is in no block in use. Never raises."""
        if self.block(place) is not None:
            return False
        if self._arenas is None:
            self._arenas = arenas(self.target, [])
        return any(arena.start <= place < arena.end for arena in self._arenas)

    # -- buffers ------------------------------------------------------------------------------------
    def buffers(self) -> "Tuple[array[int], array[int]]":
        """Return where objects keep what is not in their body, in order, and whose each place is."""
        if self._buffers is None:
            self._buffers = in_order(self._each_buffer())
        return self._buffers

    def buffer_below(self, place: int) -> int:
        """Return where the last buffer begins that does not begin behind ``place``, 0 without one."""
        starts = self.buffers()[0]
        end = bisect_right(starts, place)
        return starts[end - 1] if end else 0

    def _each_buffer(self) -> Iterator[Tuple[int, int]]:
        """Yield where a buffer begins and whose it is. Raises Interrupted."""
        plans: Dict[int, Tuple[Tuple[int, int], ...]] = {}
        at, debugger = _Words(self.target).at, self.target.debugger
        offset_of_type = self.target.layout.offset("object.type")
        for done, address in enumerate(chain(self.addresses.numbers, self.immortals())):
            if not done % _PATIENCE:
                debugger.check_interrupt()
            kind = at(address + offset_of_type)
            plan = plans.get(kind)
            if plan is None:
                plan = plans[kind] = self._pointers(kind)
            for offset, tag in plan:
                start = at(address + offset)
                if tag:
                    start = start + tag if start & 1 else 0
                if start:
                    yield start, address

    def _pointers(self, kind: int) -> Tuple[Tuple[int, int], ...]:
        """Return (offset, what to add to a pointer that is marked by its lowest bit, 0: not marked) of buffers' pointers."""
        layout, word = self.target.layout, self.target.memory.pointer_size
        try:
            flags = objects.flags_of_type(self.target, kind)
            special = self.referents.plan(kind).special
        except Unreadable:
            return ()
        found: List[Tuple[int, int]] = []
        if "dict" in special:
            found += [(layout.offset("dict.keys"), 0), (layout.offset("dict.values"), 0)]
        if "list" in special:
            found.append((layout.offset("list.items"), 0))
        if "set" in special:
            found.append((layout.offset("set.table"), 0))
        if "deque" in special:
            found += [(layout.offset("deque.left"), 0), (layout.offset("deque.right"), 0)]
        if "type" in special:
            found.append((layout.offset("heap_type.cached_keys"), 0))
        if "module-state" in special:
            found.append((layout.offset("module.state"), 0))
        if flags & MANAGED_DICT and not layout.has("dict_values.valid"):
            found.append((-3 * word, 1) if layout.has("dict_or_values.values") else (-4 * word, 0))
        return tuple(found)


class _Words:
    """Single words of memory, read in large pieces."""

    def __init__(self, target: PythonTarget) -> None:
        self._window = target.memory.window
        self._start = self._end = 0
        self._words: Sequence[int] = ()
        self._shift = 3 if target.memory.pointer_size == 8 else 2

    def at(self, address: int) -> int:
        """Return the word at ``address``, 0 where it cannot be read."""
        if not self._start <= address < self._end:
            self._start, self._end, self._words = self._window(address)
        index = (address - self._start) >> self._shift
        return self._words[index] if index < len(self._words) else 0


def _same(one: GcObjects, other: GcObjects) -> bool:
    return len(one) == len(other) and len(one) > 0 and one.addresses[0] == other.addresses[0]
