"""Objects that lost references: what crashed functions had in their hands, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterator, List, Optional, Tuple

from ..debugger.interface import MemoryFault
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..model.report import NativeFrame, ObjectRef
from .blocks import block_at
from .case import Case, Task
from .culprit import RUNTIME, origin_of
from .judgement import LIKELY, POSSIBLE
from .pymalloc import CLEAN, DEAD, GUARD
from .whatis import FREED, GONE_TYPE, MEMORY, OBJECT, TYPE, UNMAPPED, Lookup, WhatIs, impossible

#: Names that CPython's functions give to the object they work on, over all versions.
_NAMES = ("op", "ob", "obj", "self", "o", "v", "value", "key", "item", "mp", "m", "type", "co", "f", "a", "parent")
#: Frames of the runtime that are looked into, and registers of the innermost.
_FRAMES = 8
_REGISTERS = ("rdi", "rax", "rbx", "rbp", "rsi", "rdx", "r12", "r13", "r14", "r15")
#: Functions of the collector that visit objects: to fall over one there means that it is none any more.
_COLLECTOR: FrozenSet[str] = frozenset(
    {
        "visit_decref", "visit_reachable", "visit_move", "subtract_refs", "update_refs", "move_unreachable",
        "deduce_unreachable", "move_legacy_finalizers", "handle_weakrefs", "finalize_garbage", "delete_garbage",
        "gc_collect_main", "collect", "untrack_tuples", "untrack_dicts", "_PyObject_IS_GC", "PyObject_IS_GC",
        "_PyObject_GC_TRACK", "gc_list_remove", "PyObject_GC_UnTrack", "PyObject_GC_Del", "gc_refs_get", "_PyGC_FINALIZED",
        "visit_clear_unreachable", "gc_collect_region", "gc_visit_heaps", "gc_decref",
    }
)  # fmt: skip
_ALLOCATOR: FrozenSet[str] = frozenset(
    {
        "pymalloc_alloc", "_PyObject_Malloc", "_PyObject_Alloc", "pymalloc_free", "_PyObject_Free", "address_in_range",
        "insert_to_usedpool", "insert_to_freepool", "allocate_from_new_pool", "pymalloc_pool_extend", "PyObject_Free",
        "PyObject_Malloc", "pymalloc_realloc",
    }
)  # fmt: skip


#: Names of the argument of functions that deallocate.
_FREED_NAMES = ("op", "ob", "obj", "self", "o", "v", "ptr", "p")
_SINGLETONS = {
    "_Py_NoneStruct": "None", "_Py_TrueStruct": "True", "_Py_FalseStruct": "False",
    "_Py_NotImplementedStruct": "NotImplemented", "_Py_EllipsisObject": "Ellipsis",
}  # fmt: skip
#: The collector's head, and what 3.11 and later keep before an object.
_BEFORE_OBJECT = 32
#: Blocks that one write spoils.
_MOST_BLOCKS = 64
_FILLS = (DEAD, CLEAN, GUARD)


@dataclass
class BadCount:
    """An object that lost references; ``sentence`` says what shows that."""

    sentence: str
    confidence: str
    object: Optional[ObjectRef] = None


def bad_count(case: Case, task: Task, own: bool) -> Optional[BadCount]:
    """Return the object that lost references, None if none is to be seen. Never raises.

    ``own``: no code of the program is on the stack, CPython fell over the object by itself.
    """
    if case.python is None:
        return None
    lookup = Lookup(case.debugger, case.python, case.mappings)
    freed: Optional[Tuple[str, WhatIs]] = None
    for where, address in _in_hand(case, task):
        what = lookup.what_is(address)
        if what.kind in (OBJECT, TYPE) and what.count is not None and impossible(what.count) and what.count != 0:
            return BadCount(f"{where} has {what.words}", LIKELY, what.object)
        if "references were dropped" in what.words and own:
            return BadCount(f"{where} has {what.words}", LIKELY, what.object)
        if what.kind in (FREED, GONE_TYPE) and freed is None:
            freed = (where, what)
        if what.reused and freed is None:
            freed = (where, what)
    if freed is not None and own:
        return BadCount(f"{freed[0]} works on what is {freed[1].words}", LIKELY, freed[1].object)
    if own:
        return _in_collector(case, task, lookup)
    return None


def _in_hand(case: Case, task: Task, registers: bool = True) -> Iterator[Tuple[str, int]]:
    """Yield (function, address) of what the innermost functions of the runtime work on."""
    seen = set()
    count = 0
    for frame in task.frames[:24]:
        if origin_of(frame) != RUNTIME:
            continue
        if _is_root(frame):
            break
        count += 1
        if count > _FRAMES:
            break
        function = base_name(frame.function) if frame.function else f"code without a name ({frame.pc:#x})"
        for name in _NAMES:
            address = case.debugger.frame_argument(task.native.debugger_id, frame.level, name)
            if address and address not in seen:
                seen.add(address)
                yield function, address
    first = task.frames[0] if task.frames else None
    if registers and first is not None and origin_of(first) == RUNTIME and not _is_root(first):
        function = base_name(first.function) if first.function else f"code without a name ({first.pc:#x})"
        for register in _REGISTERS:
            address = case.debugger.register(task.native.debugger_id, first.level, register)
            if address and address not in seen:
                seen.add(address)
                yield function, address


def _is_root(frame: NativeFrame) -> bool:
    """Tell whether a frame is of a function that finalizes: those work on thread states and interpreters."""
    return frame.function is not None and base_name(frame.function) in catalogue.roots()


def _in_collector(case: Case, task: Task, lookup: Lookup) -> Optional[BadCount]:
    """Return the object that the collector fell over: one that somebody refers to, and that is none any more."""
    assert case.python is not None
    names: List[str] = [base_name(f.function) if f.function else "" for f in task.frames[:6]]
    if not any(name in _COLLECTOR for name in names[:4]) or (names and names[0] in _ALLOCATOR):
        return None
    for frame in task.frames[:4]:
        for name in ("op", "obj", "ob", "self"):
            address = case.debugger.frame_argument(task.native.debugger_id, frame.level, name)
            if not address:
                continue
            what = lookup.what_is(address)
            if what.kind in (MEMORY, UNMAPPED):
                block = block_at(case.python, address)
                used = ", whose memory serves something else now" if block is not None else ""
                return BadCount(
                    f"the collector visits an object at {address:#x} that is none any more{used}: "
                    "it was freed while something still referred to it", LIKELY if block is not None else POSSIBLE,
                )
    return None


def static_freed(case: Case, task: Task) -> Optional[BadCount]:
    """Return the object of the runtime's own data that was given to free(), None if it was not such a one.

    The last reference to True, a small integer or a static type was dropped: its deallocator frees what was never
    allocated. Only the innermost functions of the runtime count, as far as the deallocation reaches.
    """
    if case.python is None:
        return None
    lookup = Lookup(case.debugger, case.python, case.mappings)
    real = 0
    for frame in task.frames[:24]:
        if origin_of(frame) != RUNTIME:
            continue
        for name in _FREED_NAMES:
            address = case.debugger.frame_argument(task.native.debugger_id, frame.level, name)
            if not address or case.debugger.module_at(address) != frame.library:
                continue
            what = lookup.what_is(address)
            if what.kind in (OBJECT, TYPE):
                return BadCount(
                    f"free() was given {what.words}, which is part of CPython itself: its last reference was dropped",
                    LIKELY, what.object,
                )
        real += not frame.inlined
        if real == 3:
            break
    return _spent_singleton(case, lookup)


def _spent_singleton(case: Case, lookup: Lookup) -> Optional[BadCount]:
    """Return the constant of the language that has no reference left (up to 3.11), None if all have some."""
    for name, constant in _SINGLETONS.items():
        address = case.debugger.symbol_address(name)
        what = lookup.what_is(address) if address else None
        if what is not None and what.kind == OBJECT and what.count is not None and what.count <= 0:
            return BadCount(
                f"{constant} has no reference left, and free() was given what was never allocated", LIKELY, what.object
            )
    return None


def spoiled(case: Case, task: Task) -> Optional[str]:
    """Return in words which object that a function has in its hands was written over, None if none shows that."""
    for where, address in _in_hand(case, task, registers=False):
        if _spoiled_from_outside(case, address):
            return f"what was written before it runs on into the object at {address:#x} that {where} has: memory was overwritten"
    return None


def overwritten(case: Case, task: Task) -> Optional[str]:
    """Return in words what shows that memory was overwritten: a pointer that is text or one byte repeated. None if
    nothing does."""
    first = task.frames[0] if task.frames else None
    if first is None:
        return None
    for register in _REGISTERS:
        value = case.debugger.register(task.native.debugger_id, first.level, register)
        if value is not None and _is_filling(value) and case.mappings.at(value) is None:
            data = value.to_bytes(8, "little")
            text = f' (the text "{data.decode("ascii")}")' if all(32 <= byte < 127 for byte in data) else ""
            return f"where a pointer should be there is {value:#x}{text}: memory was overwritten"
    return None


def _spoiled_from_outside(case: Case, address: int) -> bool:
    """Tell whether the head of an object is filled with text or one byte, and what fills it began inside of a block of
    pymalloc before it: somebody wrote over the end of that.

    Blocks that were freed and serve something else now may hold anything, but are filled from their beginning.
    """
    if case.python is None:
        return False
    memory = case.python.memory
    block = block_at(case.python, address)
    if block is None or not 0 <= address - block.start <= _BEFORE_OBJECT:
        return False
    try:
        start = block.start
        if not all(map(_is_filling, memory.array(start, (address + 16 - start) // 8))):
            return False
        for _ in range(_MOST_BLOCKS):
            start -= block.size
            head, *_inner, last = memory.array(start, block.size // 8)
            if not _is_filling(head):
                return _is_filling(last)
    except MemoryFault:
        pass
    return False


def _is_filling(value: int) -> bool:
    data = value.to_bytes(8, "little")
    if len(set(data)) == 1:
        return data[0] not in (0x00, 0xFF, *_FILLS)
    return all(32 <= byte < 127 for byte in data)


def allocator_damage(case: Case, task: Task) -> Optional[str]:
    """Return in words how pymalloc's own lists are damaged, None when it is not pymalloc that crashed."""
    name = base_name(task.frames[0].function) if task.frames and task.frames[0].function else ""
    if name not in _ALLOCATOR:
        return None
    return f"{name} crashed over pymalloc's own list of free blocks"
