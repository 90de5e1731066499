"""All objects of a collector. The user chooses no engine: numpy is used where gdb's Python has it."""

from __future__ import annotations

import sys
from array import array
from dataclasses import replace
from typing import Dict, List, Optional, Sequence

from ...debugger.interface import INTERRUPTS
from ..target import PythonTarget
from .engines import numpy_wanted
from .lists import GcList, collecting, gc_lists
from .pages import paged_objects
from .records import GcObjects
from .walk import MOST_OBJECTS, header_size, walk_list

#: So many numbers of a column are taken at a time.
_PIECE = 1 << 16


def gc_objects(target: PythonTarget, interpreter: int) -> GcObjects:
    """Return all objects that the collector of an interpreter knows. Never raises, whatever is in memory.

    Control-C gives what was found so far, marked partial and interrupted.
    """
    if target.build.free_threaded:
        return paged_objects(target, interpreter)
    problems: List[str] = []
    lists = gc_lists(target, interpreter, problems)
    if not lists:
        return GcObjects(array("Q"), array("Q"), array("B"), True, problems)
    found: Optional[GcObjects] = None
    if numpy_wanted(target):
        from .together import numpy_objects

        try:
            found = numpy_objects(target, lists, problems)
        except INTERRUPTS:
            problems.append("interrupted: no objects were read")
            return GcObjects(array("Q"), array("Q"), array("B"), True, problems, True)
    if found is None:
        found = plain_objects(target, lists, problems)
    if collecting(target, interpreter):
        problems.append("the collector is at work: what it has set aside as garbage is in none of its lists")
        found = replace(found, partial=True)
    return found


def plain_objects(target: PythonTarget, lists: Sequence[GcList], problems: List[str]) -> GcObjects:
    """Return the objects of lists, followed link by link in plain Python."""
    addresses, types, generations = array("Q"), array("Q"), array("B")
    header = header_size(target)
    partial = interrupted = False
    try:
        for each in lists:
            others = [other.head for other in lists if other != each]
            walk = walk_list(target, each.head, MOST_OBJECTS, others, len(addresses))
            if walk.problem is not None:
                partial = True
                problems.append(f"{each.name}: {walk.problem}")
            generations.frombytes(bytes((each.generation,)) * len(walk.nodes))
            types.extend(walk.types)
            _extend_behind(addresses, walk.nodes, header)
            if walk.interrupted:
                interrupted = True
                break
    except INTERRUPTS:
        partial = interrupted = True
        problems.append("interrupted: not all objects were read")
        del types[len(addresses) :], generations[len(addresses) :]
    if partial:
        _drop_repeated(addresses, types, generations)
    return GcObjects(addresses, types, generations, partial, problems, interrupted)


def _extend_behind(column: "array[int]", nodes: "array[int]", header: int) -> None:
    """Append the addresses ``header`` bytes behind each of ``nodes``, none of which is near the end of all memory.

    A piece of a column is one large number to Python, and so is as often the header: one addition does them all.
    """
    count = step = 0
    for begin in range(0, len(nodes), _PIECE):
        piece = nodes[begin : begin + _PIECE]
        if len(piece) != count:
            count = len(piece)
            step = int.from_bytes(array("Q", (header,)) * count, sys.byteorder)
        moved = int.from_bytes(piece.tobytes(), sys.byteorder) + step
        column.frombytes(moved.to_bytes(count * piece.itemsize, sys.byteorder))


def _drop_repeated(addresses: "array[int]", types: "array[int]", generations: "array[int]") -> None:
    """Keep the first entry of each object: damaged lists may share a part."""
    first: Dict[int, int] = {}
    for index, address in enumerate(addresses):
        first.setdefault(address, index)
    if len(first) < len(addresses):
        for column in (addresses, types, generations):
            column[:] = array(column.typecode, [column[index] for index in first.values()])
