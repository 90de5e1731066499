"""One list of the collector, followed link by link in plain Python: exact on any list, however damaged."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Collection, FrozenSet, Optional, Sequence, Set

from ...debugger.interface import Interrupted
from ...memory import BLOCK
from ..target import PythonTarget, Unreadable

#: Links carry flags in their low bits: Include/internal/pycore_gc.h.
FLAGS = 3
#: A list longer than this is not walked to its end.
MOST_OBJECTS = 200_000_000
#: The user may press Control-C every so many objects.
_PATIENCE = 1 << 16


@dataclass
class Walk:
    """The objects of one list: ``nodes`` are the addresses of their ``PyGC_Head``, ``types`` of their types.

    ``problem`` is a sentence when the list could not be followed to its end: then the columns have what comes
    before, each object once. ``interrupted``: the user pressed Control-C.
    """

    nodes: "array[int]" = field(default_factory=lambda: array("Q"))
    types: "array[int]" = field(default_factory=lambda: array("Q"))
    problem: Optional[str] = None
    interrupted: bool = False


def header_size(target: PythonTarget) -> int:
    """Return the size of the ``PyGC_Head`` before each object, in bytes."""
    return target.layout.size("gc_head") or 2 * target.memory.pointer_size


def walk_list(
    target: PythonTarget, head: int, most: int = MOST_OBJECTS, others: Collection[int] = (), walked: int = 0
) -> Walk:
    """Follow the list that begins at ``head``. Never raises.

    What the collector does to its lists while it runs is allowed for: flags in the low bits of links are masked,
    back links are not used. ``others`` are the heads of the other lists: to come by one of them is a problem.
    ``walked`` objects were found in other lists before, for the user to be told.
    """
    walk = Walk()
    try:
        first = target.memory.pointer(head) & ~FLAGS
    except Unreadable as error:
        walk.problem = str(error)
        return walk
    if first:  # null before the collector is initialized: an empty list
        try:
            _Follower(target, head, first, most, walk, frozenset(others), walked).run()
        except Interrupted:
            walk.interrupted = True
            walk.problem = "interrupted"
    return walk


class _Follower:
    """Follows a list in pieces, so that the user can interrupt and a circle is noticed.

    Brent's algorithm: a mark is left after 1, 2, 4, … pieces; a walk that meets its mark again goes in a circle
    that does not come by the head. A circle that comes by the first object is whole: `_PyGC_Fini` takes the heads
    out of their lists and leaves the objects linked (finalize_unlink_gc_head in Python/gc.c, 3.13).
    """

    def __init__(
        self, target: PythonTarget, head: int, first: int, most: int, walk: Walk, others: FrozenSet[int], walked: int
    ) -> None:
        self._target, self._head, self._first, self._most = target, head, first, most
        self._walk, self._others, self._walked = walk, others, walked
        self._word = target.memory.pointer_size
        self._type_word = (header_size(target) + target.layout.offset("object.type")) // self._word

    def run(self) -> None:
        """Fill the walk. Raises Interrupted."""
        walk, head, first = self._walk, self._head, self._first
        node, mark, steps, power = first, 0, 0, 1
        while node != head and not (node == first and walk.nodes):
            if len(walk.nodes) >= self._most:
                walk.problem = f"the list is longer than {self._most} objects"
                return
            before = len(walk.nodes)
            node = self._piece(node, mark, min(_PATIENCE, self._most - before))
            self._stop_at_other_heads(before)
            if walk.problem is None and node == first and not self._headless():
                walk.problem = f"the list runs in a circle at {node:#x}"
            if walk.problem is not None:
                return
            self._target.walked(self._walked + len(walk.nodes))
            self._target.debugger.check_interrupt()
            steps += 1
            if steps == power:
                mark, power, steps = node, power * 2, 0

    def _headless(self) -> bool:
        """Tell whether the first object's back link shows that the head was taken out of the list."""
        try:
            back = self._target.memory.pointer(self._first + self._word) & ~FLAGS
        except Unreadable:
            return False
        return back != self._head

    def _piece(self, node: int, mark: int, most: int) -> int:
        """Follow at most ``most`` links from ``node`` and return the next one; note what was seen."""
        walk, head, first = self._walk, self._head, self._first
        words_of, type_word = self._target.memory.words, self._type_word
        shift = 3 if self._word == 8 else 2
        odd = (1 << shift) - 1
        low, high = BLOCK - 1, BLOCK.bit_length() - 1
        nodes, types = walk.nodes, walk.types
        add_node, add_type = nodes.append, types.append
        block = -1
        words: Sequence[int] = ()
        for _ in range(most):
            if node == head:
                break
            if node & odd:
                break
            if node >> high != block:
                block = node >> high
                words = words_of(block)
            index = (node & low) >> shift
            try:
                following = words[index] & ~FLAGS
                kind = words[index + type_word]
            except IndexError:
                following = kind = 0
            if not following:
                walk.problem = f"{self._broken()}: the link at {node:#x} is null or cannot be read"
                return node
            add_node(node)
            add_type(kind)
            node = following
            if node == first or node == mark:
                break
        if node & odd:
            walk.problem = f"{self._broken()}: {node:#x} is no link"
        elif node == mark and node != head and node != first:
            self._keep_one_round(mark)
        return node

    def _stop_at_other_heads(self, begin: int) -> None:
        """Forget what was seen from the head of another list on; ``begin`` is where to look from."""
        nodes = self._walk.nodes
        if self._others.isdisjoint(nodes[begin:]):
            return
        index = next(i for i in range(begin, len(nodes)) if nodes[i] in self._others)
        head = nodes[index]
        del nodes[index:], self._walk.types[index:]
        self._walk.problem = f"{self._broken()}: it runs into another list, whose head is at {head:#x}"

    def _broken(self) -> str:
        return f"the list is broken after {len(self._walk.nodes)} objects"

    def _keep_one_round(self, mark: int) -> None:
        """The walk went in a circle, perhaps several times: keep each object once, and say where it closes."""
        nodes = self._walk.nodes
        seen: Set[int] = set()
        for node in nodes:
            if node in seen:
                break
            seen.add(node)
        else:
            node = mark  # the link behind the last object closes the circle
        self._walk.problem = f"the list runs in a circle at {node:#x}"
        del nodes[len(seen) :], self._walk.types[len(seen) :]
