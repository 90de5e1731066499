"""The whole graph: every object that the collector knows or that one of those leads to, with the references between them.

A heap has millions of references: they are kept as columns of numbers, and read again where their names are wanted.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Callable, Dict, Iterable, List, Sequence, Tuple

from .. import objects
from ..target import Unreadable
from .edges import Edge
from .ordered import in_order
from .owners import Heap

_PATIENCE = 1 << 12


class Graph:
    """Objects and the references between them, borrowed ones left out.

    ``nodes`` are the addresses of all objects that may refer to others, in order. An object's position is its index there.
    """

    def __init__(self, heap: Heap) -> None:
        self._heap = heap
        self.nodes: "array[int]" = array("Q")
        #: Position -> where in `_targets` the object's references begin, and one more: where the last ones end.
        self._begins: "array[int]" = array("Q", (0,))
        #: Positions of the objects that are referred to, of references that keep their object between nodes.
        self._targets: "array[int]" = array("I")
        #: Every owned reference, by its target: the addresses of target and owner.
        self._incoming: "Tuple[array[int], array[int]]" = (array("Q"), array("Q"))

    def __contains__(self, address: int) -> bool:
        return self.position(address) >= 0

    def position(self, address: int) -> int:
        """Return where in ``nodes`` an object is, -1 if it is not there."""
        index = bisect_left(self.nodes, address)
        return index if index < len(self.nodes) and self.nodes[index] == address else -1

    def tracked(self, address: int) -> bool:
        """Tell whether the collector has an object in its lists."""
        return address in self._heap.addresses

    def targets(self, address: int) -> List[int]:
        """Return the objects of the graph that an object keeps, one entry for each reference."""
        index = self.position(address)
        if index < 0:
            return []
        return [self.nodes[position] for position in self._targets[self._begins[index] : self._begins[index + 1]]]

    def owners(self, address: int) -> Sequence[int]:
        """Return who owns the references to an object, one entry for each reference."""
        keys, owners = self._incoming
        begin = bisect_left(keys, address)
        return owners[begin : bisect_right(keys, address, begin)]

    def counted(self, address: int) -> int:
        """Return how many references to an object are owned by others."""
        return len(self.owners(address))

    def referred(self) -> Iterable[Tuple[int, int]]:
        """Yield each object that others own references to, and how many."""
        keys = self._incoming[0]
        begin = 0
        while begin < len(keys):
            end = bisect_right(keys, keys[begin], begin, min(len(keys), begin + 8))
            if end == begin + 8:
                end = bisect_right(keys, keys[begin], end)
            yield keys[begin], end - begin
            begin = end

    def edges(self, address: int) -> List[Edge]:
        """Return the references of an object, borrowed ones left out, as far as they can be read. Never raises."""
        return list(self._heap.edges(address, borrowed=False))

    def incoming(self, address: int) -> List[Tuple[int, Edge]]:
        """Return every owned reference to an object: (owner, reference)."""
        return [
            (owner, edge) for owner in dict.fromkeys(self.owners(address)) for edge in self.edges(owner)
            if edge.target == address and edge.owned
        ]  # fmt: skip

    def reached(self, start: Iterable[int]) -> bytearray:
        """Return for each position whether references that keep lead there from some objects, those included."""
        marks = bytearray(len(self.nodes))
        waiting = [index for index in {self.position(address) for address in start} if index >= 0]
        for index in waiting:
            marks[index] = 1
        begins, targets = self._begins, self._targets
        while waiting:
            index = waiting.pop()
            for other in targets[begins[index] : begins[index + 1]]:
                if not marks[other]:
                    marks[other] = 1
                    waiting.append(other)
        return marks

    def _join(self, order: "array[int]", begins: "array[int]", targets: "array[int]", owners: "array[int]") -> None:
        """Take the columns of `whole`: objects in the order they were read, and every reference with its owner, 0 for one that is
        not counted."""
        self.nodes, numbers = in_order(zip(order, range(len(order))))
        begins.append(len(targets))
        for number in numbers:
            positions = map(self.position, targets[begins[number] : begins[number + 1]])
            self._targets.extend([position for position in positions if position >= 0])
            self._begins.append(len(self._targets))
        self._incoming = in_order((pair for pair in zip(targets, owners) if pair[1]) if 0 in owners else zip(targets, owners))


def whole(heap: Heap, told: Callable[[int], None] = lambda _done: None) -> Graph:
    """Return the graph of all objects. Raises Interrupted."""
    graph = Graph(heap)
    tracked = heap.addresses.numbers
    waiting = array("Q", tracked)
    #: Those that are not tracked: of the others a set would take more memory than all the rest.
    known = {address for address in heap.immortals() if address not in heap.addresses}
    waiting.extend(known)
    count = len(tracked)
    leaves: Dict[int, bool] = {}
    order, begins, targets, owners = array("Q"), array("Q"), array("Q"), array("Q")
    while waiting:
        address = waiting.pop()
        order.append(address)
        begins.append(len(targets))
        for edge in heap.edges(address, borrowed=False):
            to = edge.target
            if to not in known:
                place = bisect_left(tracked, to)
                if (place == count or tracked[place] != to) and not _is_leaf(heap, to, leaves):
                    known.add(to)
                    waiting.append(to)
            if edge.keeps:
                targets.append(to)
                owners.append(address if edge.owned else 0)
        if len(order) % _PATIENCE == 0:
            told(len(order))
            heap.target.debugger.check_interrupt()
    del known, waiting
    graph._join(order, begins, targets, owners)
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
