"""Objects on CPython's free lists: their memory waits for the next of their kind, and still looks like an object.

Up to 3.13 such an object counts no references, or its type is no type any more. From 3.14 on (`_PyFreeList_Push`) its type
stays, and where its count was is the address of the next: for a count that is as good as any other.
"""

from __future__ import annotations

from typing import List, Set

from ..runtime import interpreter_addresses
from ..target import PythonTarget, Unreadable
from ..thread_list import thread_addresses

#: No free list is longer, whatever its count says.
_LONGEST = 1 << 16


def free_objects(target: PythonTarget) -> Set[int]:
    """Return the addresses of all objects on free lists, as far as they can be read. Never raises."""
    found: Set[int] = set()
    layout = target.layout
    for interpreter in interpreter_addresses(target):
        if layout.has("interp.freelists"):
            _add(target, "interp.freelists", interpreter, found)
        if layout.has("thread.freelists"):
            for thread in thread_addresses(target, interpreter):
                _add(target, "thread.freelists", thread, found)
    return found


def _add(target: PythonTarget, name: str, address: int, found: Set[int]) -> None:
    """Add the objects of all lists of the structure ``name`` in the one at ``address``."""
    field, stride = target.layout.field(name), target.layout.size("freelist")
    if field is None or not stride:
        return
    start = address + field.offset
    for one in range(start, start + field.size - stride + 1, stride):
        try:
            first, count = target.number("freelist.first", one), target.number("freelist.count", one)
            found.update(_chain(target, first, min(count, _LONGEST)))
        except Unreadable:
            continue


def _chain(target: PythonTarget, first: int, count: int) -> List[int]:
    """Return the objects of one list: the first word of each is the address of the next."""
    found: List[int] = []
    seen = set()
    try:
        while first and len(found) < count and first not in seen:
            seen.add(first)
            found.append(first)
            first = target.memory.pointer(first)
    except Unreadable:
        pass
    return found
