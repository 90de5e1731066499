"""One object as a record: what it is, who collects it, and what it refers to."""

from __future__ import annotations

from array import array
from typing import List, Optional, Sequence, Tuple

from ...model.objects import ObjectRecord, Reference
from .. import objects
from ..heap.objects import gc_objects
from ..late_counts import counted_late
from ..reprs import safe_repr
from ..runtime import interpreter_addresses
from ..target import Corrupt, PythonTarget, Unreadable
from .edges import Edge, label
from .referents import HAVE_GC, Referents
from .rows import GUESSED

#: An immortal object (3.12 on) has this bit of its count set, and nothing but flags in the upper half.
_IMMORTAL = 1 << 31
#: A bit of `ob_gc_bits` of free-threaded builds: _PyGC_BITS_TRACKED.
_TRACKED = 1


def is_immortal(target: PythonTarget, address: int) -> bool:
    """Tell whether an object's reference count says that it never dies (3.12 on). Raises MemoryFault.

    Mirrors _Py_IsImmortal (Include/object.h): the lower half of the count is negative.
    """
    count = objects.refcount(target, address)
    return target.layout.has("interp.static_types") and bool(count & _IMMORTAL) and 0 < count < 1 << 48


def describe(referents: Referents, address: int, limit: int, borrowed: bool = True) -> ObjectRecord:
    """Return the record of the object at ``address``, with at most ``limit`` of its references.

    Raises Corrupt when no object is there.
    """
    target = referents.target
    if not referents.looks_like_object(address):
        raise Corrupt(f'no object begins at {address:#x} ("pyfin whatis {address:#x}" tells what is there)')
    kind = objects.type_of(target, address)
    problems: List[str] = []
    immortal = is_immortal(target, address)
    record = ObjectRecord(
        address, type_words(target, address), kind,
        bool(objects.flags_of_type(target, kind) & objects.HEAP_TYPE),
        None if immortal else objects.refcount(target, address), immortal,
        tracked(target, address), -1, None, size_of(target, address), safe_repr(target, address), problems=problems,
    )  # fmt: skip
    record.held = counted_late(target, address)
    if record.tracked:
        record.generation, record.interpreter = generation_of(target, address)
    try:
        record.struct = referents.plan(kind).struct
        for edge in referents.edges(address, borrowed):
            record.scanned = record.scanned or edge.how == GUESSED
            if len(record.referents) < limit:
                record.referents.append(reference(target, edge, edge.target))
            else:
                record.more += 1
    except Unreadable as error:
        problems.append(f"the object is only read in part: {error}")
    return record


def reference(target: PythonTarget, edge: Edge, other: int) -> Reference:
    """Return the record of an edge; ``other`` is the object at the end that is of interest. Never raises."""
    return Reference(label(target, edge), edge.how, other, type_words(target, other), safe_repr(target, other, 1))


def type_words(target: PythonTarget, address: int) -> str:
    """Return the name of an object's type, "?" if it cannot be read. Never raises."""
    try:
        return objects.type_name(target, address)
    except Unreadable:
        return "?"


def has_head(target: PythonTarget, address: int) -> bool:
    """Tell whether an object takes part in collection. Raises Unreadable.

    Mirrors _PyObject_IS_GC (Include/internal/pycore_object.h): of types only those on the heap do.
    """
    flags = objects.flags_of_type(target, objects.type_of(target, address))
    if flags & objects.TYPE:
        return bool(objects.flags_of_type(target, address) & objects.HEAP_TYPE)
    return bool(flags & HAVE_GC)


def tracked(target: PythonTarget, address: int) -> Optional[bool]:
    """Tell whether the collector has an object in its lists, None where its type has no part in that. Never raises."""
    try:
        if not has_head(target, address):
            return None
        if target.build.free_threaded:
            bits = target.value("object.gc_bits", address)
            return None if bits is None else bool(bits & _TRACKED)
        size = target.layout.size("gc_head")
        if size is None:
            return None
        return bool(target.value("gc_head.next", address - size))
    except Unreadable:
        return None


def generation_of(target: PythonTarget, address: int) -> Tuple[int, Optional[int]]:
    """Return the generation of an object and the id of the interpreter whose it is, (-1, None) if in no list."""
    for interpreter in interpreter_addresses(target):
        found = gc_objects(target, interpreter)
        index = _index(found.addresses, address)
        if index >= 0:
            return int(found.generations[index]), target.value("interp.id", interpreter)
    return -1, None


def _index(addresses: Sequence[int], address: int) -> int:
    """Return where an address is in a column (its bytes are searched, whoever made it), -1 if it is not in it."""
    data, wanted = memoryview(addresses).tobytes(), array("Q", (address,)).tobytes()  # type: ignore[arg-type]
    at = data.find(wanted)
    while at >= 0 and at % len(wanted):
        at = data.find(wanted, at + 1)
    return at // len(wanted) if at >= 0 else -1


def size_of(target: PythonTarget, address: int) -> Optional[int]:
    """Return the bytes of an object's body, items included: what object.__sizeof__ gives. None if unreadable.

    Mirrors _PyObject_VAR_SIZE; the values of an instance and what it points to are not counted.
    """
    try:
        kind = objects.type_of(target, address)
        size = target.number("type.basicsize", kind)
        if objects.flags_of_type(target, kind) & objects.TYPE:
            if not objects.flags_of_type(target, address) & objects.HEAP_TYPE:
                return target.layout.size("type")
        stride = target.value("type.itemsize", kind) or 0
        if not stride:
            return size
        count = target.value("var.size", address) or 0
        tag = target.value("int.tag", address)
        if tag is not None and objects.flags_of_type(target, kind) & objects.LONG:
            count = tag >> 3
        return size + abs(count) * stride
    except Unreadable:
        return None
