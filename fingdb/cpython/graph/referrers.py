"""Who refers to an object: other objects, by name, and places in memory that belong to none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Collection, Dict, List, Sequence, Tuple

from ..late_counts import counted_late
from ..target import Unreadable
from .edges import Edge
from .owners import Heap
from .scan import find_words


@dataclass
class Referrers:
    """What refers to one object: (owner, reference) and the places that belong to no object that could be found."""

    edges: List[Tuple[int, Edge]] = field(default_factory=list)
    places: List[int] = field(default_factory=list)


def referrers(
    heap: Heap, ranges: Sequence[Tuple[int, int]], wanted: Collection[int], told: Callable[[int], None]
) -> Dict[int, Referrers]:
    """Return who refers to each of ``wanted``, in one pass over the memory in ``ranges``. Raises Interrupted."""
    found: Dict[int, Referrers] = {address: Referrers() for address in wanted}
    seen = set()
    heap.seek(found)
    tagged = _tagged(heap, wanted)
    for place, word in find_words(heap.target.debugger, ranges, [*wanted, *tagged], told):
        address = tagged.get(word, word)
        owned = False
        for owner in heap.owners(place, address):
            owned = True
            if (owner, address) not in seen:
                seen.add((owner, address))
                found[address].edges += [(owner, edge) for edge in heap.edges_to(owner, address)]
        if not owned and not stale(heap, place):
            found[address].places.append(place)
    return found


def _tagged(heap: Heap, wanted: Collection[int]) -> Dict[int, int]:
    """Return the words by which frames refer to those of ``wanted`` that are counted late, without counting it."""
    target = heap.target
    if not target.build.free_threaded or not target.layout.has("iframe.stackpointer"):
        return {}
    found = {}
    for address in wanted:
        try:
            if counted_late(target, address) is not None:
                found[address | 1] = address
        except Unreadable:
            continue
    return found


def stale(heap: Heap, place: int) -> bool:
    """Tell whether a place is known to be in nobody's use: a free block, or what an object has left over."""
    below = heap.addresses.at_or_below(place)
    if below is not None and place < below + heap.extent(below):
        return True
    if heap.unused(place):
        return True
    if heap.on_free_list(place):
        return True
    block = heap.block(place)
    return block is not None and heap.buffer_below(place) >= block
