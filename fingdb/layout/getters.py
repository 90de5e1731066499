"""Offsets that exported functions tell: ``PyInterpreterState_Head()`` does nothing but read a member.

For builds of 3.8 to 3.12 without debug information, which have no table of offsets either, and for what such a table
leaves out. The machine code of a getter is a few bytes: a member of ``_PyRuntime``, or of the structure that its
argument points to. Code of any other form (an unoptimised build, another compiler's habit) tells nothing, which is no
error. x86-64 only. Mirrors Python/pylifecycle.c and Python/pystate.c.
"""

from __future__ import annotations

import re
import struct
from typing import Dict, Mapping, Optional, Tuple

from ..debugger.interface import Field
from ..elf import ElfFile
from .layout import Layout

SOURCE = "exported-functions"

#: Logical field -> (function that returns it, size, kind), of ``_PyRuntime``.
OF_RUNTIME: Dict[str, Tuple[Tuple[str, ...], int, str]] = {
    "runtime.initialized": (("Py_IsInitialized",), 4, "int"),
    "runtime.core_initialized": (("_Py_IsCoreInitialized",), 4, "int"),
    "runtime.finalizing": (("_Py_IsFinalizing", "Py_IsFinalizing"), 8, "pointer"),
    "runtime.interpreters.head": (("PyInterpreterState_Head",), 8, "pointer"),
    "runtime.interpreters.main": (("PyInterpreterState_Main",), 8, "pointer"),
    "runtime.current_thread": (("_PyThreadState_UncheckedGet",), 8, "pointer"),
}
#: The same of the structure that the function's argument points to.
OF_ARGUMENT: Dict[str, Tuple[Tuple[str, ...], int, str]] = {
    "interp.next": (("PyInterpreterState_Next",), 8, "pointer"),
    "interp.id": (("PyInterpreterState_GetID",), 8, "int"),
    "interp.threads.head": (("PyInterpreterState_ThreadHead",), 8, "pointer"),
    "thread.next": (("PyThreadState_Next",), 8, "pointer"),
    "thread.interp": (("PyThreadState_GetInterpreter",), 8, "pointer"),
}
#: Without these the list of interpreters cannot be followed, and nothing would be told.
NEEDED = ("runtime.initialized", "runtime.finalizing", "runtime.interpreters.head", "interp.next")
#: The runtime's state and an interpreter's have some hundred kilobytes at most; what getters return lies at their beginning.
_FURTHEST = 1 << 20

_ENDBR = rb"(?:\xf3\x0f\x1e\xfa)?"
_DISTANCE = rb"(?P<distance>[\s\S]{4})"
_MEMBER = rb"(?:\x40(?P<near>[\x00-\x7f])|\x80(?P<far>[\s\S]{4}))"  # disp(%rax) -> %eax, %rax
#: What follows the load: ret; or test %rax,%rax and setne (a getter that tells whether the pointer is set).
_END = rb"(?:\xc3|\x48\x85\xc0\x0f\x95\xc0)"
#: mov GOT(%rip),%rax; mov member(%rax),%eax
_THROUGH_GOT = re.compile(_ENDBR + rb"\x48\x8b\x05" + _DISTANCE + rb"(?P<wide>\x48)?\x8b" + _MEMBER + _END)
#: mov GOT(%rip),%rax; cmpq $0,member(%rax); setne %al
_COMPARED = re.compile(
    _ENDBR + rb"\x48\x8b\x05" + _DISTANCE
    + rb"(?P<wide>\x48)\x83(?:\x78(?P<near>[\x00-\x7f])|\xb8(?P<far>[\s\S]{4}))\x00\x0f\x95\xc0"
)
#: mov member(%rip),%eax
_DIRECT = re.compile(_ENDBR + rb"(?P<wide>\x48)?\x8b\x05" + _DISTANCE + _END)
#: test %rdi,%rdi; je …; mov member(%rdi),%rax; ret
_OF_ARGUMENT = re.compile(
    _ENDBR + rb"(?:\x48\x85\xff(?:\x74[\s\S]|\x0f\x84[\s\S]{4}))?"
    rb"\x48\x8b(?:\x07|\x47(?P<near>[\x00-\x7f])|\x87(?P<far>[\s\S]{4}))\xc3"
)


class Contradiction(Exception):
    """Two sources of offsets do not go together; the text is half a sentence."""


def members(elf: ElfFile, runtime: int) -> Dict[str, Field]:
    """Return the fields that the exported functions of a file tell; ``runtime`` is where ``_PyRuntime`` lies in it."""
    slots = elf.offset_slots()
    found: Dict[str, Field] = {}
    for fields, of_runtime in ((OF_RUNTIME, True), (OF_ARGUMENT, False)):
        for name, (functions, size, kind) in fields.items():
            for function in functions:
                symbol = elf.find_exported(function)
                code = elf.read(symbol.address, 48) if symbol is not None and symbol.function else b""
                if not code or symbol is None:
                    continue
                if of_runtime:
                    offset = _of_runtime(code, symbol.address, size, runtime, slots)
                else:
                    offset = _of_argument(code)
                if offset is not None and 0 <= offset < _FURTHEST and offset % size == 0:
                    found[name] = Field(offset, size, kind)
                    break
    return found


def layout_from(told: Mapping[str, Field]) -> Optional[Layout]:
    """Return a layout of nothing but what the getters tell (`members`), None when that is too little."""
    if any(name not in told for name in NEEDED):
        return None
    layout = Layout(SOURCE)
    layout.fields.update(told)
    return layout


def complete(layout: Layout, told: Mapping[str, Field]) -> None:
    """Add to a layout what it lacks and the getters tell. Raises Contradiction where the two do not go together."""
    for name, field in told.items():
        known = layout.field(name)
        if known is not None and known.offset != field.offset:
            raise Contradiction(f"its table of offsets contradicts its own code ({name})")
        layout.fields[name] = known or field


def _of_runtime(code: bytes, address: int, size: int, runtime: int, slots: Dict[int, str]) -> Optional[int]:
    for form in (_THROUGH_GOT, _COMPARED, _DIRECT):
        match = form.match(code)
        if match is None or (match["wide"] is not None) != (size == 8):
            continue
        # The distance counts from the end of the instruction, which is the end of the distance itself.
        place = address + match.end("distance") + _signed(match["distance"])
        if form is _DIRECT:
            if place not in slots:
                return place - runtime
        elif slots.get(place) == "_PyRuntime":
            return _displacement(match)
    return None


def _of_argument(code: bytes) -> Optional[int]:
    match = _OF_ARGUMENT.match(code)
    return _displacement(match) if match is not None else None


def _displacement(match: "re.Match[bytes]") -> int:
    if match["near"] is not None:
        return match["near"][0]
    return _signed(match["far"]) if match["far"] is not None else 0


def _signed(four: bytes) -> int:
    number: int = struct.unpack("<i", four)[0]
    return number
