"""The collector: generations, how many objects each holds, and of which types.

A million objects take about a second: `heap.walk` follows the lists in large blocks of memory, `heap.pages` reads
the allocator's pages where there are no lists.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Sequence

from ..debugger.interface import Interrupted
from ..model.report import GarbageCollector, Generation, TypeCount
from . import generations
from .heap.walk import Walk, walk_list
from .objects import name_of_type
from .target import PythonTarget, Unreadable

#: `Generation.objects` of a list that could not be walked.
UNKNOWN = -1


def read_gc(target: PythonTarget, interpreter: int, objects: bool = True) -> GarbageCollector:
    """Return the state of an interpreter's collector. Raises Interrupted, and nothing else.

    ``objects`` asks for a walk over the lists: how many objects each generation holds, the types
    (of all generations, not of frozen objects, most frequent first) and how many are frozen.
    Without it ``Generation.objects`` is -1.
    """
    collector = GarbageCollector(None, False)
    state = generations.state_of(target, interpreter)
    if state is None:
        collector.problems.append("without debug information it is not known where the collector's state lies")
        return collector
    try:
        enabled, collecting = generations.flags(target, state)
        collector.enabled, collector.collecting = enabled, bool(collecting)
        if enabled is None:
            collector.problems.append("without debug information it is not known whether the collector is enabled")
        places = generations.generations(target, state, interpreter)
    except Unreadable as error:
        collector.problems.append(f"the state of the collector cannot be read: {error}")
        return collector
    if not places and not target.build.free_threaded:
        collector.problems.append("without debug information the lists of the collector cannot be found")
    collector.generations = [Generation(p.index, p.count, p.threshold, UNKNOWN) for p in places]
    if objects and target.build.free_threaded:
        _count_pages(target, interpreter, collector)
    elif objects:
        _count_objects(target, state, places, collector)
    return collector


def _count_pages(target: PythonTarget, interpreter: int, collector: GarbageCollector) -> None:
    """Count the objects of a free-threaded build, whose collector knows one generation only: the first."""
    from .heap.pages import objects_by_page, unknown

    types: "Counter[int]" = Counter()
    count = 0
    for objects in objects_by_page(target, interpreter, collector.problems):
        count += len(objects.addresses)
        types.update(objects.types)
        collector.frozen += len(objects.frozen)
    if unknown(target) in collector.problems:
        return
    for generation in collector.generations:
        generation.objects = 0 if generation.index else count
    collector.types = names_of(target, types, collector.problems)


def _count_objects(
    target: PythonTarget, state: int, places: Sequence[generations.GenerationPlace], collector: GarbageCollector
) -> None:
    types: Dict[int, int] = {}
    for place, generation in zip(places, collector.generations):
        walk = _walk(target, place.head)
        if walk.problem is None:
            generation.objects = len(walk.nodes)
        else:
            collector.problems.append(f"generation {place.index}: {walk.problem}")
        for address, count in Counter(walk.types).items():
            types[address] = types.get(address, 0) + count
    permanent = generations.permanent_head(target, state)
    if permanent is not None:
        walk = _walk(target, permanent)
        collector.frozen = len(walk.nodes)
        if walk.problem:
            collector.problems.append(f"frozen objects: {walk.problem}")
    collector.types = names_of(target, types, collector.problems)


def _walk(target: PythonTarget, head: int) -> Walk:
    """Return the objects of a list. Raises Interrupted."""
    walk = walk_list(target, head)
    if walk.interrupted:
        raise Interrupted()
    return walk


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
