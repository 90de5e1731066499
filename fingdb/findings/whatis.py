"""What lies at an address of the target: an object, a freed block, a type, a stack, somebody's code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional, Tuple

from ..cpython import objects
from ..cpython.late_counts import counted_late
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget, Unreadable
from ..cpython.thread_list import thread_addresses
from ..debugger.interface import Debugger, MemoryFault
from ..debugger.mappings import Mappings
from ..elf import ElfError, open_elf
from ..model.report import ObjectRef
from .blocks import block_at
from .pymalloc import CLEAN, DEAD, GUARD, Block, fill_byte

#: Kinds of what may lie at an address.
NULL, UNMAPPED, OBJECT, FREED, GONE_TYPE, TYPE, CODE, DATA, STACK, MEMORY, THREAD, INTERPRETER, MODULE_STATE = (
    "null", "unmapped", "object", "freed", "object-without-type", "type", "code", "data", "stack", "memory",
    "thread-state", "interpreter", "module-state",
)  # fmt: skip
_NEAR_NULL = 1 << 16
#: Immortal objects (3.12 on) have this bit of their count set, and nothing but flags in the upper half.
_IMMORTAL = 1 << 31
#: Where an object may begin in its block: with the collector's head and what is before it.
_HEADS = (0, 16, 32, 24, 40)
_INTERNED = {1: "interned", 2: "interned, immortal", 3: "interned, immortal, static"}


@dataclass(frozen=True)
class WhatIs:
    """What lies at an address: kind, in words, and the object where it is one (``count``: its references)."""

    address: int
    kind: str
    words: str
    object: Optional[ObjectRef] = None
    count: Optional[int] = None

    @property
    def reused(self) -> bool:
        """Whether the address lies inside an object that lives: the object that began there is gone."""
        return self.kind == MEMORY and self.object is not None and "inside" in self.words

    @property
    def freed(self) -> bool:
        """Whether nothing that lives is there any more."""
        return self.kind in (FREED, GONE_TYPE)


class Lookup:
    """Answers for one state of the target. ``python`` is None where there is no CPython to read."""

    def __init__(self, debugger: Debugger, python: Optional[PythonTarget], mappings: Optional[Mappings] = None) -> None:
        self._debugger = debugger
        self._python = python
        self._mappings = mappings if mappings is not None else Mappings.of(debugger.target())

    def what_is(self, address: int) -> WhatIs:
        """Return what lies at ``address``. Never raises."""
        if address < _NEAR_NULL:
            return WhatIs(address, NULL, "a null pointer" if address == 0 else f"{address:#x}, next to a null pointer")
        fill = fill_byte(address.to_bytes(8, "little"))
        if fill is not None:
            return WhatIs(address, FREED, f"no address: {_FILL_WORDS[fill]} was read as a pointer")
        # gdb leaves the code of files out of the cores that it makes: files first.
        for question in (self._known_structure, self._in_file):
            answer = question(address)
            if answer is not None:
                return answer
        if self._mappings.ranges and self._mappings.at(address) is None:
            return WhatIs(address, UNMAPPED, "where nothing is mapped")
        for question in (self._on_stack, self._in_heap):
            answer = question(address)
            if answer is not None:
                return answer
        return WhatIs(address, MEMORY, "memory that tells nothing about itself")

    # -- CPython's own structures -----------------------------------------------------------------
    def _known_structure(self, address: int) -> Optional[WhatIs]:
        python = self._python
        if python is None:
            return None
        for interpreter in interpreter_addresses(python):
            if address == interpreter:
                return WhatIs(address, INTERPRETER, "the state of an interpreter (PyInterpreterState)")
            if address in thread_addresses(python, interpreter):
                return WhatIs(address, THREAD, "a thread state (PyThreadState)")
        finalizing = python.value("runtime.finalizing", python.runtime) if _readable(python) else 0
        if finalizing and address == finalizing:
            return WhatIs(address, THREAD, "the thread state that finalized the runtime, deleted since")
        if address == python.runtime:
            return WhatIs(address, DATA, "the state of the runtime (_PyRuntime)")
        return None

    # -- files ------------------------------------------------------------------------------------
    def _in_file(self, address: int) -> Optional[WhatIs]:
        path = self._debugger.module_at(address)
        if path is None:
            return None
        name = path.rsplit("/", 1)[-1]
        symbol = self._debugger.symbol_at(address)
        where = name if symbol is None else f"{_with_offset(symbol, address)} of {name}"
        if self._is_code(path, address):
            return WhatIs(address, CODE, f"code: {where}")
        found = self._object(address)
        if found is not None:
            return WhatIs(address, found.kind, f"{found.words}, static: {where}", found.object, found.count)
        return WhatIs(address, DATA, f"data: {where}")

    def _is_code(self, path: str, address: int) -> bool:
        bias = next((m.bias for m in self._debugger.modules() if m.path == path), None)
        if bias is None:
            return False
        try:
            section = open_elf(path).section(".text")
        except ElfError:
            return False
        return section is not None and section.address <= address - bias < section.address + section.size

    # -- stacks -----------------------------------------------------------------------------------
    def _on_stack(self, address: int) -> Optional[WhatIs]:
        holding = self._mappings.at(address)
        if holding is None:
            return None
        if holding.name.startswith("[stack"):
            return WhatIs(address, STACK, "the stack of the main thread")
        for thread in self._debugger.threads():
            frames = self._debugger.frames(thread.debugger_id, 1)
            if frames and holding.start <= frames[0].sp < holding.end:
                place = "in use" if address >= frames[0].sp - 128 else "below the stack pointer, not in use"
                return WhatIs(address, STACK, f"the stack of thread LWP {thread.native_id}, {place}")
        return None

    # -- the heap ---------------------------------------------------------------------------------
    def _in_heap(self, address: int) -> Optional[WhatIs]:
        python = self._python
        if python is None:
            return None
        fill = fill_byte(python.memory.read_some(address, 16)[:16])
        if fill is not None:
            return WhatIs(address, FREED if fill == DEAD else MEMORY, f"filled with {_FILL_WORDS[fill]}")
        block = block_at(python, address)
        if block is not None and block.state != "used":
            return self._unused(address, block)
        found = self._object(address)
        if found is not None:
            return found
        state = self._module_state(address)
        if state is not None:
            return state
        if block is not None:
            return self._in_block(address, block)
        return None

    def _unused(self, address: int, block: Block) -> WhatIs:
        was = self._former_type(address)
        of = f' (last an object of type "{was}")' if was else ""
        if block.state == "freed":
            words = f"a freed block of {block.size} bytes of {block.allocator}{of}"
            return WhatIs(address, FREED, words, _reference(address, was))
        if block.state == "untouched":
            return WhatIs(address, MEMORY, f"a block of {block.size} bytes of {block.allocator} that was never handed out")
        words = f"a block of {block.size} bytes of {block.allocator}{of}; {block.problem}"
        return WhatIs(address, MEMORY, words, _reference(address, was))

    def _in_block(self, address: int, block: Block) -> WhatIs:
        for head in _HEADS:
            inside = self._object(block.start + head) if block.start + head != address else None
            if inside is not None and block.start + head < address:
                return WhatIs(
                    address, MEMORY, f"{address - block.start - head} bytes inside {inside.words}", inside.object
                )
        return WhatIs(address, MEMORY, f"inside a block of {block.size} bytes of {block.allocator} that is in use")

    def _former_type(self, address: int) -> str:
        """Return the name of the type that a freed object had: only its first word is overwritten."""
        python = self._python
        assert python is not None
        try:
            kind = objects.type_of(python, address)
            return objects.name_of_type(python, kind) if self._is_type(kind) else ""
        except Unreadable:
            return ""

    def _object(self, address: int) -> Optional[WhatIs]:
        """Return the object that begins at ``address``, None if none does."""
        python = self._python
        if python is None or address & (python.memory.pointer_size - 1):
            return None
        try:
            kind = objects.type_of(python, address)
            count = objects.refcount(python, address)
        except Unreadable:
            return None
        if kind < _NEAR_NULL or kind & (python.memory.pointer_size - 1):
            return None
        if not self._is_type(kind):
            return self._without_type(address, kind, count)
        try:
            name = objects.name_of_type(python, kind)
            if self._is_type(address):
                return self._type(address, name, count)
            words = self._describe(address, name)
            late = counted_late(python, address)
        except Unreadable:
            return None
        return WhatIs(address, OBJECT, f"{words}, {_count_words(count, late)}", ObjectRef(address, name), count)

    def _without_type(self, address: int, kind: int, count: int) -> Optional[WhatIs]:
        """Return an object whose type is gone: what looks like one but for its type pointer."""
        python = self._python
        assert python is not None
        block = block_at(python, kind)
        filled = fill_byte(python.memory.read_some(kind, 16)[:16])
        if objects.is_likely_count(count) and ((block is not None and block.state == "freed") or filled == DEAD):
            return WhatIs(
                address, GONE_TYPE, f"an object whose type (at {kind:#x}) is gone, {_count_words(count)}", None, count
            )
        return None

    def _is_type(self, address: int) -> bool:
        """Tell whether a type object lies at ``address``: its own type is a subclass of type, by its flags."""
        python = self._python
        assert python is not None
        try:
            meta = objects.type_of(python, address)
            if meta < _NEAR_NULL or not objects.flags_of_type(python, meta) & objects.TYPE:
                return False
            top = objects.type_of(python, meta)
            return top >= _NEAR_NULL and bool(objects.flags_of_type(python, top) & objects.TYPE)
        except Unreadable:
            return False

    def _type(self, address: int, metaclass: str, count: int) -> WhatIs:
        python = self._python
        assert python is not None
        heap = bool(objects.flags_of_type(python, address) & objects.HEAP_TYPE)
        name = objects.name_of_type(python, address)
        words = f'the {"heap" if heap else "static"} type "{name}", {_count_words(count, counted_late(python, address))}'
        return WhatIs(address, TYPE, words, ObjectRef(address, metaclass), count)

    def _describe(self, address: int, name: str) -> str:
        python = self._python
        assert python is not None
        flags = objects.flags_of_type(python, objects.type_of(python, address))
        value = objects.short_repr(python, address)
        plain = "" if value.startswith("<") else f" {value}"
        if flags & objects.UNICODE:
            field = self._debugger.field("PyASCIIObject", "state.interned")
            if field is not None:
                number = python.memory.integer(address + field.offset, field.size) >> field.bit_offset
                marked = _INTERNED.get(number & (1 << (field.bit_size or 2)) - 1)
                return f"the {marked} str{plain}" if marked else f"the str{plain}"
        if name == "module":
            return f"a module{self._module_words(address)}"
        return f'an object of type "{name}"{plain}'

    def _module_words(self, address: int) -> str:
        python = self._python
        assert python is not None
        try:
            held = python.value("module.name", address)
            return f" ({objects.string(python, held, 80)})" if held else ""
        except Unreadable:
            return ""

    def _module_state(self, address: int) -> Optional[WhatIs]:
        """Return the state of a module in sys.modules that begins at ``address``."""
        from ..cpython.modules import read_modules

        python = self._python
        assert python is not None
        for interpreter in interpreter_addresses(python):
            for module in read_modules(python, interpreter, []) or []:
                try:
                    if python.value("module.state", module.address) == address:
                        return WhatIs(address, MODULE_STATE, f"the state of module {module.name}")
                except Unreadable:
                    continue
        return None


_FILL_WORDS = {
    DEAD: "the fill byte 0xdd of freed memory (PYTHONMALLOC=debug)",
    CLEAN: "the fill byte 0xcd of memory that was never written (PYTHONMALLOC=debug)",
    GUARD: "the guard byte 0xfd around a block (PYTHONMALLOC=debug)",
}


def _readable(python: PythonTarget) -> bool:
    try:
        python.value("runtime.finalizing", python.runtime)
    except Unreadable:
        return False
    return True


def _reference(address: int, type_: str) -> Optional[ObjectRef]:
    return ObjectRef(address, type_) if type_ else None


def _with_offset(symbol: Tuple[str, int], address: int) -> str:
    return symbol[0] if address == symbol[1] else f"{symbol[0]}+{address - symbol[1]}"


def is_immortal(count: int) -> bool:
    """Tell whether a reference count is one that marks an immortal object (3.12 on)."""
    return count > 0 and bool(count & _IMMORTAL) and count >> 32 < 1 << 16


def impossible(count: int) -> bool:
    """Tell whether a reference count cannot be: negative, none at all, or larger than memory allows."""
    return not objects.is_likely_count(count) and not is_immortal(count)


def _count_words(count: int, late: Optional[int] = None) -> str:
    if is_immortal(count):
        return "immortal"
    if late is not None or objects.has_added(count):
        return f"reference count {count - objects.ADDED_LATE if late is None else late}, counted late"
    return f"reference count {count}" + (", which cannot be" if impossible(count) else "")


def pointers(debugger: Debugger, address: int, words: int) -> Iterator[int]:
    """Yield the words at ``address`` as numbers, as far as they can be read."""
    size = debugger.pointer_size
    for index in range(words):
        try:
            raw = debugger.read(address + index * size, size)
        except MemoryFault:
            return
        yield int.from_bytes(raw, "big" if debugger.big_endian else "little")


__all__ = ["Lookup", "WhatIs", "impossible", "is_immortal", "pointers"]
