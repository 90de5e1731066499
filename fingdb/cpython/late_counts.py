"""References that are counted late, in builds without a GIL.

Functions, modules, types, code objects and some dicts are referred to from all threads all the time. Only a collection
finds that nobody refers to them: their count has something added, and references of frames are not counted at all
(_PyObject_SetDeferredRefcount, Objects/object.c). From 3.14 on heap types, code objects and dicts have a number as well, and
each thread counts in an array of its own what it takes and gives back (Python/uniqueid.c; _Py_INCREF_TYPE and its like in
Include/internal/pycore_object.h).
"""

from __future__ import annotations

from typing import Optional

from . import objects
from .runtime import interpreter_addresses
from .target import PythonTarget, Unreadable
from .thread_list import thread_addresses

#: _PyGC_BITS_DEFERRED of ``ob_gc_bits``: Include/internal/pycore_gc.h.
_DEFERRED = 64
#: DICT_UNIQUE_ID_SHIFT: a dict has its number above other things.
_DICT_SHIFT = 32
#: A number that is larger is none.
_MOST = 1 << 32


def held_references(target: PythonTarget, address: int) -> int:
    """Return how many references to an object somebody holds, by its own count and that of threads. Raises Unreadable.

    That is `objects.refcount`, but for objects whose references are counted late: what these have more nobody holds.
    Frames hold some that are not counted.
    """
    held = counted_late(target, address)
    return objects.refcount(target, address) if held is None else held


def counted_late(target: PythonTarget, address: int) -> Optional[int]:
    """Return `held_references` of an object whose references are counted late, None for others. Raises Unreadable."""
    if not (target.value("object.gc_bits", address) or 0) & _DEFERRED:
        return None
    count = objects.refcount(target, address)
    if objects.is_immortal_count(count):
        return None
    return count - (objects.ADDED_LATE if objects.has_added(count) else 1) + counted_by_threads(target, address)


def counted_by_threads(target: PythonTarget, address: int) -> int:
    """Return how many references to an object threads have counted for themselves: 0 for most, and it may be negative.

    Raises Unreadable.
    """
    if not target.layout.has("thread.refcounts.values"):
        return 0
    number = _number(target, address)
    # 0 is no number: the first is 1, and the arrays begin with it.
    if not 0 < number < _MOST:
        return 0
    interpreter = _interpreter(target, address, number)
    if interpreter is None:
        return 0
    word = target.memory.pointer_size
    total = 0
    for thread in thread_addresses(target, interpreter):
        values = target.value("thread.refcounts.values", thread)
        if values and number <= (target.value("thread.refcounts.size", thread) or 0):
            count = target.memory.pointer(values + (number - 1) * word)
            total += count - (1 << 8 * word if count >> (8 * word - 1) else 0)
    return total


def _number(target: PythonTarget, address: int) -> int:
    """Return the number that an object has, 0 for none. Raises Unreadable."""
    kind = objects.type_of(target, address)
    flags = objects.flags_of_type(target, kind)
    if flags & objects.TYPE:
        heap = objects.flags_of_type(target, address) & objects.HEAP_TYPE
        return target.value("heap_type.unique_id", address) or 0 if heap else 0
    if flags & objects.DICT:
        return (target.value("dict.watcher_tag", address) or 0) >> _DICT_SHIFT
    if objects.name_of_type(target, kind) == "code":
        return target.value("code.unique_id", address) or 0
    return 0


def _interpreter(target: PythonTarget, address: int, number: int) -> Optional[int]:
    """Return the interpreter whose table has the object under its number, None if none has. Raises Unreadable."""
    word = target.memory.pointer_size
    for interpreter in interpreter_addresses(target):
        try:
            table = target.value("interp.unique_ids.table", interpreter)
            size = target.value("interp.unique_ids.size", interpreter) or 0
            if table and number <= size and target.memory.pointer(table + (number - 1) * word) == address:
                return interpreter
        except Unreadable:
            continue
    return None
