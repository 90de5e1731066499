"""The whole graph: every object that the collector knows or that one of those leads to, with the references between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Tuple

from .. import objects
from ..target import Unreadable
from .edges import Edge
from .owners import Heap

_PATIENCE = 1 << 12


@dataclass
class Graph:
    """Objects with the references out of each, borrowed ones left out.

    ``tracked`` tells of each object whether the collector has it in its lists. ``partial`` when the user interrupted.
    """

    edges: Dict[int, List[Edge]] = field(default_factory=dict)
    tracked: Dict[int, bool] = field(default_factory=dict)
    unreadable: int = 0
    #: Object -> (owner, reference): every reference that is counted, by its target.
    incoming: Dict[int, List[Tuple[int, Edge]]] = field(default_factory=dict)

    def counted(self, address: int) -> int:
        """Return how many references to an object are owned by others."""
        return len(self.incoming.get(address, ()))


def whole(heap: Heap, told: Callable[[int], None] = lambda _done: None) -> Graph:
    """Return the graph of all objects. Raises Interrupted."""
    graph = Graph()
    referents = heap.referents
    waiting = list(heap.addresses.numbers)
    graph.tracked = dict.fromkeys(waiting, True)
    leaves: Dict[int, bool] = {}
    target = heap.target
    for address in heap.immortals():
        if address not in graph.tracked:
            graph.tracked[address] = False
            waiting.append(address)
    while waiting:
        address = waiting.pop()
        found = graph.edges[address] = []
        try:
            for edge in referents.edges(address):
                found.append(edge)
        except Unreadable:
            graph.unreadable += 1
        for edge in found:
            to = edge.target
            if to not in graph.tracked and not _is_leaf(heap, to, leaves):
                graph.tracked[to] = False
                waiting.append(to)
            if edge.owned:
                graph.incoming.setdefault(to, []).append((address, edge))
        if len(graph.edges) % _PATIENCE == 0:
            told(len(graph.edges))
            target.debugger.check_interrupt()
    return graph


def _is_leaf(heap: Heap, address: int, leaves: Dict[int, bool]) -> bool:
    """Tell whether an object can refer to nothing (a str, a number), or is none."""
    try:
        kind = objects.type_of(heap.target, address)
        known = leaves.get(kind)
        if known is None:
            plan = heap.referents.plan(kind)
            known = leaves[kind] = not (
                plan.members or plan.special or plan.unknown or plan.items_unknown or plan.dict or plan.type_edge
            )
        return known
    except Unreadable:
        return True
