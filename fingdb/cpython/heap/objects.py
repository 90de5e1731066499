"""All objects of a collector. The user chooses no engine: numpy is used where gdb's Python has it."""

from __future__ import annotations

from array import array
from typing import List

from ..target import PythonTarget
from .lists import GcList, gc_lists
from .records import GcObjects
from .walk import MOST_OBJECTS, header_size, walk_list


def gc_objects(target: PythonTarget, interpreter: int) -> GcObjects:
    """Return all objects that the collector of an interpreter knows. Never raises, whatever is in memory.

    Control-C gives what was found so far, marked partial and interrupted.
    """
    problems: List[str] = []
    lists = gc_lists(target, interpreter, problems)
    if not lists:
        return GcObjects(array("Q"), array("Q"), array("B"), True, problems)
    return plain_objects(target, lists, problems)


def plain_objects(target: PythonTarget, lists: List[GcList], problems: List[str]) -> GcObjects:
    """Return the objects of lists, followed link by link in plain Python."""
    addresses, types, generations = array("Q"), array("Q"), array("B")
    header = header_size(target)
    heads = {each.head for each in lists}
    partial = interrupted = False
    for each in lists:
        walk = walk_list(target, each.head, MOST_OBJECTS, heads - {each.head}, len(addresses))
        if walk.problem is not None:
            partial = True
            problems.append(f"{each.name}: {walk.problem}")
        addresses.extend(node + header for node in walk.nodes)
        types.extend(walk.types)
        generations.extend(bytes((each.generation,)) * len(walk.nodes))
        if walk.interrupted:
            interrupted = True
            break
    return GcObjects(addresses, types, generations, partial, problems, interrupted)
