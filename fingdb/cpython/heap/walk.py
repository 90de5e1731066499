"""One list of the collector, followed link by link in plain Python: exact on any list, however damaged."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Collection, Dict, FrozenSet, List, MutableSequence, Optional, Sequence, Set, Tuple

from ...debugger.interface import INTERRUPTS
from ...memory import BLOCK
from ..target import PythonTarget, Unreadable

#: Links carry flags in their low bits: Include/internal/pycore_gc.h.
FLAGS = 3
#: A list longer than this is not walked to its end.
MOST_OBJECTS = 200_000_000
#: The user may press Control-C every so many objects.
_PATIENCE = 1 << 16
#: The first piece of a list without a head, which may be followed round and round before that is noticed.
_FIRST_PIECE = 1 << 10
#: A walk has the memory around the nodes of so many blocks at hand.
_MOST_NEAR = 512
_NEAR_BITS = BLOCK.bit_length() - 1

#: (start, end, words from start on, words from the first node's type on): see `Memory.window`.
_Window = Tuple[int, int, Sequence[int], Sequence[int]]
_NOWHERE: _Window = (0, 0, (), ())


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


def cut_to_shortest(*columns: "MutableSequence[Any]") -> None:
    """Make parallel columns equally long: Control-C can come between two statements that add to them."""
    least = min(map(len, columns))
    for column in columns:
        del column[least:]


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
        except INTERRUPTS:
            cut_to_shortest(walk.nodes, walk.types)
            walk.interrupted = True
            walk.problem = "interrupted"
    return walk


class _Follower:
    """Follows a list in pieces, so that the user can interrupt and a circle is noticed.

    Brent's algorithm: a mark is left after 1, 2, 4, … pieces; a walk that meets its mark again goes in a circle
    that does not come by the head. A circle that comes by the first object is whole when that does not point back to
    the head: `_PyGC_Fini` takes the heads out of their lists and leaves the objects linked (finalize_unlink_gc_head in
    Python/gc.c, 3.13).
    """

    def __init__(
        self, target: PythonTarget, head: int, first: int, most: int, walk: Walk, others: FrozenSet[int], walked: int
    ) -> None:
        self._target, self._head, self._first, self._most = target, head, first, most
        self._walk, self._others, self._walked = walk, others, walked
        self._word = target.memory.pointer_size
        self._type_word = (header_size(target) + target.layout.offset("object.type")) // self._word
        # Whole words: a head need not be aligned to one (Debian's 3.13.18), and no object lies among the heads.
        self._low = min((head, *others)) & -self._word
        self._high = (max((head, *others)) + 2 * self._word - 1) & -self._word
        self._headless = self._back_link(first) != head

    def _back_link(self, node: int) -> int:
        try:
            return self._target.memory.pointer(node + self._word) & ~FLAGS
        except Unreadable:
            return self._head

    def run(self) -> None:
        """Fill the walk. Raises Interrupted."""
        node, mark, steps, power = self._first, 0, 0, 1
        length = _FIRST_PIECE if self._headless else _PATIENCE
        while True:
            known = len(self._walk.nodes)
            if known >= self._most:
                self._walk.problem = f"the list is longer than {self._most} objects"
                return
            piece = self._piece(node, min(length, self._most - known))
            length = min(2 * length, _PATIENCE)
            ended = self._keep(piece, known, mark, node == mark)
            self._target.walked(self._walked + len(self._walk.nodes))
            self._target.debugger.check_interrupt()
            if ended:
                return
            node = piece.following
            steps += 1
            if steps == power:
                mark, power, steps = node, power * 2, 0

    def _piece(self, node: int, most: int) -> "_Piece":
        """Follow at most ``most`` links from ``node``.

        This loop is what takes the time: whatever can be looked at afterwards is. A flag in a link changes no index.
        """
        shift = 3 if self._word == 8 else 2
        piece = _Piece()
        add_node, add_type = piece.nodes.append, piece.types.append
        # What was last looked at in each block of memory: neighbours in a list often lie in a few blocks in turn.
        near: Dict[int, _Window] = {}
        nearest = near.get
        start, end, words, types = _NOWHERE
        try:
            for _ in repeat(None, most):
                if not start <= node < end:
                    window = nearest(node >> _NEAR_BITS, _NOWHERE)
                    # One block may have several windows: the heads lie between them, or a core file's segments end there.
                    if not window[0] <= node < window[1]:
                        window = self._around(node, near)
                    start, end, words, types = window
                index = (node - start) >> shift
                add_type(types[index])
                add_node(node)
                node = words[index]
        except IndexError:
            piece.stopped = True
        piece.following = node & ~FLAGS
        return piece

    def _around(self, node: int, near: Dict[int, _Window]) -> _Window:
        """Return the window around ``node``, without the heads, and keep it; no words where nothing can be read."""
        if node < 4096 or self._low <= node < self._high:
            return _NOWHERE
        start, end, words = self._target.memory.window(node)
        if start < self._high and self._low < end:
            if node < self._low:
                end = self._low
            else:
                words = words[(self._high - start) // self._word :]
                start = self._high
        if len(near) >= _MOST_NEAR:
            near.clear()
        window = near[node >> _NEAR_BITS] = start, end, words, words[self._type_word :]
        return window

    def _keep(self, piece: "_Piece", known: int, mark: int, begins_at_mark: bool) -> bool:
        """Keep what a piece came by up to what ends the walk, if anything does; tell whether it has ended."""
        walk = self._walk
        nodes, types = array("Q", piece.nodes), piece.types
        count = odd = len(nodes)
        links: Sequence[int] = piece.nodes  # the same, and searched faster
        if self._any_flags(nodes):
            odd = self._clean(nodes)
            links = nodes
        begun = _index(links, self._first, 0 if known else 1) if self._headless else count
        met = _index(links, mark, 1 if begins_at_mark else 0)
        cut = min(odd, begun, met)
        walk.nodes.extend(nodes if cut == count else nodes[:cut])
        walk.types.extend(types if cut == count else types[:cut])
        if cut == count:
            return piece.stopped and self._stopped_at(piece.following)
        if cut == odd:
            walk.problem = f"{self._broken()}: {nodes[odd]:#x} is no link"
        elif cut == met:
            self._keep_one_round(mark)
        return True

    def _any_flags(self, nodes: "array[int]") -> bool:
        """Tell whether any address is not one of a word."""
        low = nodes.tobytes()[:: nodes.itemsize] if sys.byteorder == "little" else bytes(node & 255 for node in nodes)
        return bool(low.translate(None, bytes(range(0, 256, self._word))))

    def _clean(self, nodes: "array[int]") -> int:
        """Take the flags out of addresses; return the index of the first that is not one of a word, their number if none."""
        for index, node in enumerate(nodes):
            if node & FLAGS:
                nodes[index] = node & ~FLAGS
            if node & (self._word - 1) & ~FLAGS:
                return index
        return len(nodes)

    def _stopped_at(self, node: int) -> bool:
        """Say what is wrong with the address where a walk ended, unless it is the head; return True."""
        walk = self._walk
        if node == self._head:
            return True
        if not node:
            node = walk.nodes.pop() if walk.nodes else self._head
            del walk.types[len(walk.nodes) :]
        elif node in self._others:
            walk.problem = f"{self._broken()}: it runs into another list, whose head is at {node:#x}"
            return True
        elif node & (self._word - 1):
            walk.problem = f"{self._broken()}: {node:#x} is no link"
            return True
        walk.problem = f"{self._broken()}: the link at {node:#x} is null or cannot be read"
        return True

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


@dataclass
class _Piece:
    """Some objects in a row: ``nodes`` (with flags in their low bits) and ``types``, and the link behind the last.

    ``stopped`` when that leads to a head, or nowhere.
    """

    nodes: List[int] = field(default_factory=list)
    types: List[int] = field(default_factory=list)
    following: int = 0
    stopped: bool = False


def _index(nodes: Sequence[int], node: int, begin: int) -> int:
    """Return where ``node`` is, from index ``begin`` on; the number of all if it is not there (or is 0)."""
    rest = nodes[begin:] if begin else nodes
    return begin + rest.index(node) if node and node in rest else len(nodes)
