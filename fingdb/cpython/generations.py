"""The generations of the collector: where their lists begin, counts and thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple

from ..debugger.interface import Field
from .target import PythonTarget
from .thread_list import thread_addresses

#: Arrays of generations hold three; more than this is not believed.
_MOST = 8


@dataclass(frozen=True)
class GenerationPlace:
    """A generation: ``head`` is the address of its list's head."""

    index: int
    head: int
    count: int
    threshold: int


def state_of(target: PythonTarget, interpreter: int) -> Optional[int]:
    """Return the address of the collector's state (in the runtime up to 3.8), None if unknown."""
    field = target.layout.field("runtime.gc")
    if field is not None:
        return target.runtime + field.offset
    field = target.layout.field("interp.gc")
    return None if field is None else interpreter + field.offset


def generations(target: PythonTarget, state: int, interpreter: int = 0) -> List[GenerationPlace]:
    """Return the generations as ``gc.get_count()`` numbers them, empty where the build tells none.

    In free-threaded builds each thread of ``interpreter`` counts for itself what it makes, up to some hundreds: the
    first generation's count is then with these, as if each thread had just called ``gc.get_count()``.

    Raises Unreadable. The incremental collector (a young and two old spaces) numbers the space it
    visits 1 and the other 2: gc_get_count_impl and gc_get_objects_impl in Modules/gcmodule.c; its
    thresholds are those of the young and of the first old space.
    """
    array = target.layout.field("gc.generations")
    if array is not None:
        return [
            _place(
                target, index, state + array.offset + index * _stride(target, array),
                0 if index else _of_threads(target, interpreter),
            )
            for index in range(min(array.count, _MOST))
        ]  # fmt: skip
    young, old = target.layout.field("gc.young"), target.layout.field("gc.old")
    if young is None or old is None:
        return []
    visited = (target.value("gc.visited_space", state) or 0) & 1
    spaces = [state + old.offset + index * _stride(target, old) for index in (0, 1)]
    places = [_place(target, 0, state + young.offset, _of_threads(target, interpreter))]
    for index, space in ((1, spaces[visited]), (2, spaces[visited ^ 1])):
        threshold = target.number("generation.threshold", spaces[0]) if index == 1 else 0
        place = _place(target, index, space)
        places.append(GenerationPlace(index, place.head, place.count, threshold))
    return places


def permanent_head(target: PythonTarget, state: int) -> Optional[int]:
    """Return the head of the list of frozen objects, None where the build tells none."""
    field = target.layout.field("gc.permanent")
    return None if field is None else state + field.offset


def _stride(target: PythonTarget, array: Field) -> int:
    return array.stride or target.layout.size("generation") or 24


def _place(target: PythonTarget, index: int, address: int, more: int = 0) -> GenerationPlace:
    head = address + target.layout.offset("generation.next")
    return GenerationPlace(
        index, head, target.number("generation.count", address) + more, target.number("generation.threshold", address)
    )


def _of_threads(target: PythonTarget, interpreter: int) -> int:
    """Return what the threads have counted for themselves: gc_get_count_impl in Modules/gcmodule.c. Raises Unreadable."""
    if not interpreter or not target.layout.has("thread.gc.alloc_count"):
        return 0
    return sum(target.value("thread.gc.alloc_count", t) or 0 for t in thread_addresses(target, interpreter))


def flags(target: PythonTarget, state: int) -> Tuple[Optional[bool], Optional[bool]]:
    """Return (enabled, collecting). Raises Unreadable."""
    enabled, collecting = target.value("gc.enabled", state), target.value("gc.collecting", state)
    return None if enabled is None else bool(enabled), None if collecting is None else bool(collecting)

