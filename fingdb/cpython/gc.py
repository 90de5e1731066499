"""The collector: generations, how many objects each holds, and of which types.

A million objects take about a second: the lists are walked in large blocks of memory, one pass
counts objects and types. What the collector itself does to the lists while it runs is allowed
for: flags in the low bits of the links are masked, back links are not used.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Optional, Sequence, Tuple

from ..memory import BLOCK
from ..model.report import GarbageCollector, Generation, TypeCount
from . import generations
from .objects import name_of_type
from .target import PythonTarget, Unreadable

#: A list longer than this is not walked to its end.
MOST_OBJECTS = 200_000_000
#: Links carry flags in their low bits: Include/internal/pycore_gc.h.
_FLAGS = 3
#: The user may press Control-C every so many objects.
_PATIENCE = 1 << 16
#: `Generation.objects` of a list that could not be walked.
UNKNOWN = -1


def read_gc(target: PythonTarget, interpreter: int, objects: bool = True) -> GarbageCollector:
    """Return the state of an interpreter's collector. Raises Interrupted, and nothing else.

    ``objects`` asks for a walk over the lists: how many objects each generation holds, the types
    (of all generations, not of frozen objects, most frequent first) and how many are frozen.
    Without it ``Generation.objects`` is -1.
    """
    collector = GarbageCollector(False, False)
    state = generations.state_of(target, interpreter)
    if state is None:
        collector.problems.append("this build does not tell where the collector's state lies")
        return collector
    try:
        enabled, collecting = generations.flags(target, state)
        collector.enabled, collector.collecting = bool(enabled), bool(collecting)
        if enabled is None:
            collector.problems.append("without debug information it is not known whether the collector is enabled")
        places = generations.generations(target, state)
    except Unreadable as error:
        collector.problems.append(f"the state of the collector cannot be read: {error}")
        return collector
    if not places or target.build.free_threaded:
        collector.problems.append(_no_lists(target))
    collector.generations = [Generation(p.index, p.count, p.threshold, UNKNOWN) for p in places]
    if objects and not target.build.free_threaded:
        _count_objects(target, state, places, collector)
    return collector


def _no_lists(target: PythonTarget) -> str:
    if target.build.free_threaded:
        return "a free-threaded build keeps no lists of its objects"
    return "without debug information the lists of the collector cannot be found"


def _count_objects(
    target: PythonTarget, state: int, places: Sequence[generations.GenerationPlace], collector: GarbageCollector
) -> None:
    types: Dict[int, int] = {}
    for place, generation in zip(places, collector.generations):
        walk = ListWalk(target, place.head)
        if walk.problem is None:
            generation.objects = walk.count
        else:
            collector.problems.append(f"generation {place.index}: {walk.problem}")
        for address, count in walk.types.items():
            types[address] = types.get(address, 0) + count
    permanent = generations.permanent_head(target, state)
    if permanent is not None:
        walk = ListWalk(target, permanent)
        collector.frozen = walk.count
        if walk.problem:
            collector.problems.append(f"frozen objects: {walk.problem}")
    collector.types = names_of(target, types, collector.problems)


def names_of(target: PythonTarget, types: Dict[int, int], problems: List[str]) -> List[TypeCount]:
    """Return counts by the names of types, most frequent first. Never raises.

    Types of the same name are counted together, as ``Counter(type(o).__name__ for o in …)`` does.
    """
    names: "Counter[str]" = Counter()
    unknown = 0
    for address, count in types.items():
        try:
            names[name_of_type(target, address)] += count
        except Unreadable:
            names["?"] += count
            unknown += count
    if unknown:
        problems.append(f"the type of {unknown} objects cannot be read")
    ordered = sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))
    return [TypeCount(name, count) for name, count in ordered]


class ListWalk:
    """One walk along a list of the collector.

    ``count`` objects were found, ``types`` counts them by the address of their type, ``problem``
    is a sentence when the list could not be followed to its end. Raises Interrupted.
    """

    def __init__(self, target: PythonTarget, head: int, most: int = MOST_OBJECTS) -> None:
        self._target = target
        self.count = 0
        self.types: Dict[int, int] = {}
        self.problem: Optional[str] = None
        header = target.layout.size("gc_head") or 16
        self._type_word = (header + target.layout.offset("object.type")) // target.memory.pointer_size
        try:
            first = target.memory.pointer(head) & ~_FLAGS
        except Unreadable as error:
            self.problem = str(error)
            return
        if first:  # null before the collector is initialized: an empty list
            self._walk(head, first, most)

    def _walk(self, head: int, first: int, most: int) -> None:
        """Follow the list in pieces, so that the user can interrupt and a circle is noticed.

        Brent's algorithm: a mark is left after 1, 2, 4, … pieces; a walk that meets its mark again
        goes in a circle that does not come by the head. A circle that comes by the first object is
        whole: `_PyGC_Fini` takes the heads out of their lists and leaves the objects linked
        (finalize_unlink_gc_head in Python/gc.c, 3.13).
        """
        node, mark, steps, power = first, 0, 0, 1
        while node != head and not (node == first and self.count):
            if self.count >= most:
                self.problem = f"the list is longer than {most} objects"
                return
            node, seen = self._piece(node, head, first, mark, min(_PATIENCE, most - self.count))
            for address, count in Counter(seen).items():
                self.types[address] = self.types.get(address, 0) + count
            self.count += len(seen)
            if self.problem is None and node == first and not self._headless(first, head):
                self.problem = f"the list runs in a circle at {node:#x}"
            if self.problem is not None:
                return
            self._target.walked(self.count)
            self._target.debugger.check_interrupt()
            steps += 1
            if steps == power:
                mark, power, steps = node, power * 2, 0

    def _headless(self, first: int, head: int) -> bool:
        """Tell whether the first object's back link shows that the head was taken out of the list."""
        try:
            back = self._target.memory.pointer(first + self._target.memory.pointer_size) & ~_FLAGS
        except Unreadable:
            return False
        return back != head

    def _piece(self, node: int, head: int, first: int, mark: int, most: int) -> Tuple[int, List[int]]:
        """Follow at most ``most`` links from ``node``; return the next one and the types seen."""
        words_of, type_word = self._target.memory.words, self._type_word
        shift = 3 if self._target.memory.pointer_size == 8 else 2
        odd = (1 << shift) - 1
        low, high = BLOCK - 1, BLOCK.bit_length() - 1
        seen: List[int] = []
        add = seen.append
        block = -1
        words: Sequence[int] = ()
        for _ in range(most):
            if node == head:
                break
            if node & odd:
                self.problem = f"the list is broken after {self.count + len(seen)} objects: {node:#x} is no link"
                break
            if node >> high != block:
                block = node >> high
                words = words_of(block)
            index = (node & low) >> shift
            try:
                following = words[index] & ~_FLAGS
                kind = words[index + type_word]
            except IndexError:
                following = kind = 0
            if not following:
                self.problem = (
                    f"the list is broken after {self.count + len(seen)} objects: "
                    f"the link at {node:#x} is null or cannot be read"
                )
                break
            add(kind)
            node = following
            if node == first:
                break
            if node == mark:
                self.problem = f"the list runs in a circle at {node:#x}"
                break
        return node, seen
