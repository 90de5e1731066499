"""The lists of a collector, followed by many cursors that step together: numpy does each step for all of them.

A list is a chain of links, and a chain has no middle to start from. But memory can be searched for nodes: pairs of
links whose neighbours point back. Some thousands of such nodes, sampled, are starting points. From each a cursor goes on
until it meets a starting point; then the pieces are joined from the list's head, so that a node that only looked like
one does no harm. What comes out is what a walk along the links gives, or no answer at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ...debugger.interface import INTERRUPTS, MemoryFault
from ..target import PythonTarget
from .image import Image, Mask, Words
from .lists import GcList
from .walk import FLAGS, header_size

#: Words that are looked at, for a node to start from, in each row of memory; at most so many rows, of so many bytes.
_ROW = 32
_ROWS = 12_000
_SMALLEST, _LARGEST = 1 << 12, 1 << 22
#: Ways to find an address its place in a table: with each of them, nine heads and first objects share one in a hundred
#: times or fewer.
_FACTORS = (0x9E3779B97F4A7C1, 0x2545F4914F6CDD1D, 0x5851F42D4C957F2D, 0x369DEA0F31A53F85)
#: With fewer starting points a plain walk is as fast.
_FEWEST = 64
#: The end of a piece whose cursor still runs, or that ran into what is no link.
_RUNNING, _BROKEN = 0, -1
#: The user may press Control-C every so many steps.
_PATIENCE = 64
#: After so many steps so few cursors are not worth going on: a plain walk is as fast.
_STEPS, _FEW = 20_000, 16
#: An object takes at least so many bytes, header included: more objects than fit into memory are a circle.
_SMALLEST_OBJECT = 32


@dataclass
class Found:
    """The objects of the lists that could be followed from head to head: columns of the same length.

    ``lists`` has the position, in the lists asked for, of the one an object is in; ``whole`` the positions of lists
    that were followed to their end. ``interrupted``: the user pressed Control-C.
    """

    nodes: Words
    types: Words
    lists: NDArray[np.int16]
    whole: List[int]
    interrupted: bool = False


def follow(target: PythonTarget, image: Image, lists: Sequence[GcList]) -> Optional[Found]:
    """Follow all lists; None where that is better done link by link. Never raises."""
    heads = np.array([each.head for each in lists], dtype=np.int64)
    try:
        # Not from the image: a head need not be aligned to a word (Debian's 3.13.18).
        firsts: Words = np.array([target.memory.pointer(each.head) & ~FLAGS for each in lists], dtype=np.int64)
    except (MemoryFault, OverflowError):
        return None
    starts = _starting_points(image)
    if len(starts) < _FEWEST:
        return None
    used = firsts[(firsts != 0) & (firsts != heads)]
    marks = _Marks(starts, np.concatenate((heads, used)))
    if not marks.usable:
        return None
    run = _Run(target, image, marks, _sorted_once(np.concatenate((marks.kept(starts), used))))
    chains = _Chains(image, run, heads.tolist(), firsts.tolist())
    try:
        run.step(chains)
        interrupted = False
    except INTERRUPTS:
        interrupted = True
    return chains.joined(interrupted)


# -- where to start -------------------------------------------------------------------------------
def _starting_points(image: Image) -> Words:
    """Return addresses of nodes: aligned pairs of links, both of whose neighbours point back."""
    stride = _SMALLEST
    while stride < _LARGEST and image.size // stride > _ROWS:
        stride *= 2
    rows, addresses = image.sample(stride, _ROW)
    following, before = rows[:, 0::2] & ~FLAGS, rows[:, 1::2] & ~FLAGS
    likely = (following & 15 == 0) & (before & 15 == 0) & (following > 4096) & (before > 4096) & (following != before)
    row, column = likely.nonzero()
    for links, back in ((following, 1), (before, 0)):
        at, known = image.locate(links[row, column])
        good = known & (image.flat[at + back] & ~FLAGS == addresses[row] + 16 * column)
        row, column = row[good], column[good]
    # One of each row: what lies side by side is most often linked in that order.
    chosen = np.ones(len(row), dtype=np.bool_)
    chosen[1:] = row[1:] != row[:-1]
    found: Words = addresses[row[chosen]] + 16 * column[chosen]
    return found


def _sorted_once(addresses: Words) -> Words:
    """Return the addresses in order, each once. (numpy's own `unique` loads much that we do not need.)"""
    ordered = np.sort(addresses)
    fresh = np.ones(len(ordered), dtype=np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    once: Words = ordered[fresh]
    return once


class _Marks:
    """A table that tells in one look whether an address is a starting point (or a head).

    A place of the table holds one address: starting points that share one with another are given up. No address that is
    ``needed`` may be: places are computed in another way until none has to. The table is not ``usable`` when none helps.
    """

    def __init__(self, starts: Words, needed: Words) -> None:
        bits = max(12, (8 * len(starts)).bit_length())
        self._mask = (1 << bits) - 1
        for self._factor in _FACTORS:
            self._table = np.full(1 << bits, -1, dtype=np.int64)
            self._table[self._place(starts)] = starts
            self._table[self._place(needed)] = needed
            self.usable = bool(self.hit(needed).all())
            if self.usable:
                return

    def _place(self, addresses: Words) -> Words:
        # Fibonacci hashing; arrays of numpy overflow silently.
        place: Words = (addresses * self._factor >> 32) & self._mask
        return place

    def hit(self, addresses: Words) -> Mask:
        """Tell which addresses are in the table."""
        found: Mask = self._table[self._place(addresses)] == addresses
        return found

    def kept(self, starts: Words) -> Words:
        """Return the starting points that have a place."""
        return starts[self.hit(starts)]


# -- stepping -------------------------------------------------------------------------------------
class _Run:
    """All cursors. ``ends`` tells for each starting point where its piece ended: the address of another one or of a
    head, `_RUNNING` or `_BROKEN`. What was seen on the way is kept step by step."""

    def __init__(self, target: PythonTarget, image: Image, marks: _Marks, begin: Words) -> None:
        self._target, self._image, self._marks = target, image, marks
        self.begin = begin
        self.ends = np.full(len(begin), _RUNNING, dtype=np.int64)
        self.nodes: List[Words] = []
        self.types: List[Words] = []
        self.owners: List[NDArray[np.int32]] = []
        self._type_word = (header_size(target) + target.layout.offset("object.type")) // 8

    def step(self, chains: "_Chains") -> None:
        """Step until all cursors have met a starting point, or those that matter have. Raises Interrupted."""
        flat, image, marks = self._image.flat, self._image, self._marks
        node, owner = self.begin, np.arange(len(self.begin), dtype=np.int32)
        index, known = image.locate(node)
        steps, total, ask = 0, 0, 1024
        while True:
            if not known.all():
                self.ends[owner[~known]] = _BROKEN
                node, owner, index = node[known], owner[known], index[known]
            if not len(node):
                return
            self.nodes.append(node)
            self.owners.append(owner)
            self.types.append(flat[index + self._type_word])
            total += len(node)
            node = flat[index] & ~FLAGS
            met = marks.hit(node)
            if met.any():
                self.ends[owner[met]] = node[met]
                left = ~met
                node, owner = node[left], owner[left]
            index, known = image.locate(node)
            steps += 1
            if steps % _PATIENCE == 0:
                self._target.walked(total)
                self._target.debugger.check_interrupt()
            if steps > _STEPS and len(node) < _FEW:
                return  # in a circle, most likely: what is left is done link by link
            if steps == ask:
                # What only looked like a node may lead into a circle: no end of that is to be waited for.
                if chains.complete() or total * _SMALLEST_OBJECT > 2 * image.size:
                    return
                ask *= 2


# -- joining --------------------------------------------------------------------------------------
class _Chains:
    """The pieces of each list, joined from its head."""

    def __init__(self, image: Image, run: _Run, heads: List[int], firsts: List[int]) -> None:
        self._image, self._run, self._heads, self._firsts = image, run, heads, firsts
        self._number: Dict[int, int] = {start: number for number, start in enumerate(run.begin.tolist())}

    def complete(self) -> bool:
        """Tell whether no cursor that a list needs is still running."""
        ends = self._run.ends.tolist()
        return not any(self._chain(position, ends)[1] == _RUNNING for position in range(len(self._heads)))

    def _chain(self, position: int, ends: List[int]) -> Tuple[List[int], int]:
        """Return the numbers of a list's pieces, and how it ended: its head, `_RUNNING` or `_BROKEN`."""
        head, first = self._heads[position], self._firsts[position]
        pieces: List[int] = []
        seen = set()
        at = first
        while at != head and at:
            number = self._number.get(at)
            if number is None:
                return pieces, _BROKEN  # the head of another list
            if number in seen:
                whole = at == first and self._back_link(first) != head
                return pieces, head if whole else _BROKEN
            seen.add(number)
            pieces.append(number)
            at = ends[number]
            if at in (_RUNNING, _BROKEN):
                return pieces, at
        return pieces, head

    def _back_link(self, node: int) -> int:
        """Return the node before one; see `walk` on lists whose head was taken out."""
        at, _known = self._image.locate(np.array([node], dtype=np.int64))
        return int(self._image.flat[at[0] + 1]) & ~FLAGS

    def joined(self, interrupted: bool) -> Found:
        """Return the objects of all lists that were followed to the end; of an interrupted run, what there is."""
        run = self._run
        ends = run.ends.tolist()
        label = np.full(len(run.begin), -1, dtype=np.int16)
        whole = []
        for position, head in enumerate(self._heads):
            pieces, end = self._chain(position, ends)
            if end == head:
                whole.append(position)
            elif not interrupted:
                continue
            label[pieces] = position
        if not run.nodes:
            nothing = np.empty(0, dtype=np.int64)
            return Found(nothing, nothing, np.empty(0, dtype=np.int16), whole, interrupted)
        steps = min(len(run.nodes), len(run.owners), len(run.types))  # Control-C can come between two statements
        lists = label[np.concatenate(run.owners[:steps])]
        nodes, types = np.concatenate(run.nodes[:steps]), np.concatenate(run.types[:steps])
        if (label < 0).any():
            wanted = lists >= 0
            nodes, types, lists = nodes[wanted], types[wanted], lists[wanted]
        return Found(nodes, types, lists, whole, interrupted)
