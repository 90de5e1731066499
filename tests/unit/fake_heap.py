"""A CPython made by hand in a FakeDebugger's memory, in the layout of a real build.

The layouts in data/ were read from release builds of each version. Objects are written field by
field with the offsets of that layout, so that the readers meet the forms each version uses.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from fingdb.cpython.target import PythonTarget
from fingdb.debugger.fake import FakeDebugger
from fingdb.debugger.interface import Module, NativeThread
from fingdb.layout import fields as table
from fingdb.layout import layout as layouts
from fingdb.layout.cache import Cache
from fingdb.layout.layout import Layout

DATA = Path(__file__).parent / "data"
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
BUILD_ID = "00112233445566778899aabbccddeeff00112233"
HEAP = 0x10000
RUNTIME = 0x5000000
HEAP_SIZE = 1 << 20
RUNTIME_SIZE = 1 << 19

HEAP_TYPE, UNICODE, LONG, DICT = 1 << 9, 1 << 28, 1 << 24, 1 << 29
BYTES, TUPLE, LIST = 1 << 27, 1 << 26, 1 << 25


def recorded_layout(version: str) -> Dict[str, object]:
    """Return the cached layout of a version as `layout.load` wants it, for the table of today."""
    data = json.loads((DATA / f"layout-{version}.json").read_text(encoding="utf-8"))
    data["table"] = layouts.fingerprint()
    for section, names in (("fields", table.ROWS), ("sizes", table.SIZES), ("enums", table.ENUMS)):
        data[section] = {name: data[section].get(name) for name in names}
    return dict(data)


class FakeCPython:
    """A runtime with one interpreter; ``target`` reads it. Needs XDG_CACHE_HOME to be the test's own."""

    def __init__(self, version: str) -> None:
        self.debugger = FakeDebugger()
        self.debugger.map(HEAP, bytes(HEAP_SIZE))
        self.debugger.map(RUNTIME, bytes(RUNTIME_SIZE))
        self.debugger.load(Module("/fake/libpython.so", RUNTIME - 0x1000, BUILD_ID, ("/fake/libpython.so",)))
        self.debugger.native_threads = [NativeThread(1, 1000, 1000, "python", True)]
        cache = Cache(BUILD_ID)
        assert cache.put("fields", recorded_layout(version))
        assert cache.put("build", {
            "runtime": 0x1000, "version": f"{version}.1", "debug_build": False, "free_threaded": False,
        })
        found = layouts.load(cache)
        assert found is not None
        self.layout: Layout = found
        self._free = HEAP
        self._types: Dict[str, int] = {}
        self.interpreter = self.alloc(1 << 14)
        self.put("runtime.interpreters.head", RUNTIME, self.interpreter)
        self.put("runtime.interpreters.main", RUNTIME, self.interpreter)
        self.put("runtime.initialized", RUNTIME, 1)
        self.gc_state = self._gc_state()
        for head in self.gc_heads():
            self.link(head, [])
        self.target = PythonTarget(self.debugger)

    # -- raw --------------------------------------------------------------------------------------
    def alloc(self, size: int) -> int:
        """Return the address of fresh zeroed memory, with a gap before and after it."""
        address = (self._free + 15) // 16 * 16 + 64
        self._free = address + size + 64
        assert self._free < HEAP + HEAP_SIZE
        return address

    def poke(self, address: int, data: bytes) -> None:
        self.debugger.poke(address, data)
        self.debugger.changed()

    def word(self, address: int, value: int) -> None:
        self.poke(address, struct.pack("<Q", value & (1 << 64) - 1))

    def put(self, name: str, address: int, value: int) -> bool:
        """Write a logical field; tell whether the layout has it."""
        field = self.layout.field(name)
        if field is None:
            return False
        at, size = address + field.offset, field.size
        if field.bit_size:
            old = int.from_bytes(self.debugger.read(at, size), "little")
            mask = ((1 << field.bit_size) - 1) << field.bit_offset
            value = old & ~mask | value << field.bit_offset & mask
        self.poke(at, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
        return True

    # -- types and simple objects -----------------------------------------------------------------
    def type(self, name: str, flags: int = 0, heap_name: Optional[str] = None) -> int:
        """Return the type of that ``tp_name``; with ``heap_name`` a heap type."""
        key = f"{name}/{heap_name}"
        if key not in self._types:
            address = self._types[key] = self.alloc(1024)
            text = self.alloc(len(name.encode()) + 1)
            self.poke(text, name.encode())
            self.put("type.name", address, text)
            self.put("type.flags", address, flags | (HEAP_TYPE if heap_name else 0))
            if heap_name:
                self.put("heap_type.name", address, self.str(heap_name))
        return self._types[key]

    def object(self, type_: int, size: int = 64, before: int = 0) -> int:
        address = self.alloc(size + before) + before
        self.put("object.type", address, type_)
        self.put("object.refcnt", address, 1)
        return address

    def none(self) -> int:
        return self.object(self.type("NoneType"))

    def str(self, text: str, kind: int = 0, compact: bool = True) -> int:
        """Return a str object, of the smallest kind unless one is given."""
        widest = max(map(ord, text), default=0)
        ascii_ = compact and not kind and widest < 128
        kind = kind or (1 if widest < 256 else 2 if widest < 65536 else 4)
        codec = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind]
        data = text.encode(codec, "surrogatepass") if kind > 1 else text.encode(codec)
        header = self.layout.sizes["str.ascii" if ascii_ else "str.compact"] or 0
        address = self.object(self.type("str", UNICODE), header + len(data) + 8)
        state = {"length": len(text), "kind": kind, "compact": compact, "ascii": ascii_, "ready": 1}
        for name, value in state.items():
            self.put(f"str.{name}", address, int(value))
        if compact:
            self.poke(address + header, data)
        else:
            elsewhere = self.alloc(len(data))
            self.poke(elsewhere, data)
            self.put("str.data", address, elsewhere)
        return address

    def int(self, value: int) -> int:
        digits = []
        rest = abs(value)
        while rest:
            digits.append(rest & (1 << 30) - 1)
            rest >>= 30
        address = self.object(self.type("int", LONG), 32 + 4 * len(digits))
        sign = -1 if value < 0 else 1
        if not self.put("int.tag", address, len(digits) << 3 | (1 - sign if digits else 1)):
            self.put("var.size", address, sign * len(digits))
        self.poke(address + self.layout.offset("int.digits"), struct.pack(f"<{len(digits)}I", *digits))
        return address

    def bytes(self, data: bytes) -> int:
        address = self.object(self.type("bytes", BYTES), 48 + len(data))
        self.put("var.size", address, len(data))
        self.poke(address + self.layout.offset("bytes.data"), data)
        return address

    # -- dicts ------------------------------------------------------------------------------------
    def keys(self, entries: Sequence[Tuple[int, int]], unicode_only: bool = False, log2: int = 3) -> int:
        """Return a keys object; an entry (0, 0) is a deleted one."""
        while len(entries) > 1 << log2:
            log2 += 1
        width = 1 if log2 < 8 else 2 if log2 < 16 else 4
        kind = "dict_unicode_entry" if unicode_only and self.layout.sizes["dict_unicode_entry"] else "dict_entry"
        stride = self.layout.sizes[kind] or 0
        start = self.layout.offset("dict_keys.indices") + (width << log2)
        address = self.alloc(start + stride * len(entries))
        if not self.put("dict_keys.log2_size", address, log2):
            self.put("dict_keys.size", address, 1 << log2)
        self.put("dict_keys.log2_index_bytes", address, log2 + {1: 0, 2: 1, 4: 2}[width])
        self.put("dict_keys.kind", address, int(kind == "dict_unicode_entry"))
        self.put("dict_keys.entries", address, len(entries))
        for index, (key, value) in enumerate(entries):
            at = address + start + index * stride
            self.word(at + self.layout.offset(f"{kind}.key"), key)
            self.word(at + self.layout.offset(f"{kind}.value"), value)
        return address

    def values(self, values: Sequence[int]) -> int:
        """Return the address for ``ma_values``: an array, in a structure from 3.11 on."""
        offset = self.layout.offset("dict_values.values")
        address = self.alloc(offset + 8 * len(values))
        self.put("dict_values.valid", address, 1)
        for index, value in enumerate(values):
            self.word(address + offset + 8 * index, value)
        return address

    def dict(self, entries: Sequence[Tuple[int, int]], unicode_only: bool = False, split: bool = False) -> int:
        address = self.object(self.type("dict", DICT), 64)
        stored = [(key, 0) for key, _ in entries] if split else list(entries)
        self.put("dict.keys", address, self.keys(stored, unicode_only or split))
        self.put("dict.used", address, sum(1 for key, value in entries if key and value))
        if split:
            self.put("dict.values", address, self.values([value for _, value in entries]))
        return address

    def str_dict(self, entries: Dict[str, int], split: bool = False) -> int:
        return self.dict([(self.str(k), v) for k, v in entries.items()], True, split)

    # -- the collector ----------------------------------------------------------------------------
    def _gc_state(self) -> int:
        field = self.layout.field("runtime.gc")
        return RUNTIME + field.offset if field else self.interpreter + self.layout.offset("interp.gc")

    def gc_heads(self) -> List[int]:
        """Return the heads of the three generations and of the frozen objects."""
        generations = self.layout.fields["gc.generations"]
        assert generations is not None
        heads = [self.gc_state + generations.offset + i * generations.stride for i in range(3)]
        return [*heads, self.gc_state + self.layout.offset("gc.permanent")]

    def tracked(self, type_: int) -> int:
        """Return the link of a new object (the object is 16 bytes behind it)."""
        return self.object(type_, 64, before=16) - 16

    def link(self, head: int, links: Sequence[int]) -> None:
        """Make a circular list of a head and links."""
        ring = [head, *links]
        for index, link in enumerate(ring):
            self.word(link, ring[(index + 1) % len(ring)])
            self.word(link + 8, ring[index - 1])

    # -- threads ----------------------------------------------------------------------------------
    def thread(self, thread_id: int, native_id: int, following: int = 0) -> int:
        """Return a thread state that is put before ``following`` in the interpreter's list."""
        address = self.alloc(512)
        self.put("thread.thread_id", address, thread_id)
        self.put("thread.native_thread_id", address, native_id)
        self.put("thread.interp", address, self.interpreter)
        self.put("thread.next", address, following)
        self.put("interp.threads.head", self.interpreter, address)
        return address

    # -- frames -----------------------------------------------------------------------------------
    def code(self, name: str, first_line: int, table_: bytes, filename: str = "f.py") -> int:
        address = self.object(self.type("code"), 512)
        self.put("code.name", address, self.str(name))
        self.put("code.qualname", address, self.str(name))
        self.put("code.filename", address, self.str(filename))
        self.put("code.firstlineno", address, first_line)
        for member in ("code.linetable", "code.lnotab"):
            self.put(member, address, self.bytes(table_))
        return address

    def frame(self, code: int, offset: int, back: int = 0, owner: int = 0) -> int:
        """Return a frame at byte ``offset`` of its code."""
        if self.layout.has("thread.frame"):
            address = self.object(self.type("frame"), 512)
            self.put("frame.back", address, back)
            self.put("frame.code", address, code)
            units = self.layout.has("code.linetable")
            self.put("frame.lasti", address, offset // 2 if units else offset)
            return address
        address = self.alloc(128)
        self.put("iframe.code", address, code)
        self.put("iframe.previous", address, back)
        self.put("iframe.owner", address, owner)
        self.put("iframe.instruction", address, code + self.layout.offset("code.adaptive") + offset)
        return address

    def set_frame(self, thread: int, frame: int) -> None:
        for name in ("thread.frame", "thread.current_frame"):
            if self.put(name, thread, frame):
                return
        cframe = self.alloc(32)
        self.put("cframe.current_frame", cframe, frame)
        self.put("thread.cframe", thread, cframe)
