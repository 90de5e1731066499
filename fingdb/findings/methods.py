"""Which built-in function a frame without a name is, told by the tables of methods that every build has.

CPython calls its own built-in functions through such a table (``PyMethodDef`` in Include/methodobject.h: the name, the
function, flags, the docstring), so what Python code calls ``os.abort`` is found by its address where the symbol is gone.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Optional

from ..debugger.interface import MemoryFault
from ..elf import ElfError, open_elf
from ..model.report import NativeFrame
from .case import Case

_WORD = 8
_WRITABLE = 2
_LONGEST_NAME = 64
#: Flags of a method: METH_VARARGS to METH_METHOD (Include/methodobject.h).
_MOST_FLAGS = 0x1000


def method_of(case: Case, frame: NativeFrame) -> str:
    """Return the name under which Python code calls the runtime's function that a frame is in, "" for no such function.

    Never raises.
    """
    if case.runtime is None or frame.library is None:
        return ""
    try:
        elf = open_elf(case.runtime.module.path)
        bias = case.runtime.bias
        inside = frame.pc - bias - (1 if frame.level else 0)  # a call may be a function's last instruction
        ranges = elf.unwind_ranges()
        index = bisect_right(ranges, (inside, 1 << 64)) - 1
        if index < 0 or inside >= sum(ranges[index]):  # (address, size)
            return ""
        entry = ranges[index][0] + bias
        for address, size, _file_size, flags in elf.mappings():
            if flags & _WRITABLE:
                found = _in_table(case, address + bias, size, entry)
                if found:
                    return found
    except (ElfError, MemoryFault):
        pass
    return ""


def _in_table(case: Case, start: int, size: int, entry: int) -> str:
    data = case.debugger.read(start, size)
    wanted = entry.to_bytes(_WORD, "little")
    at = data.find(wanted)
    while at >= 0:
        if (start + at) % _WORD == 0 and at >= _WORD and at + 2 * _WORD <= len(data):
            name = _name(case, int.from_bytes(data[at - _WORD : at], "little"))
            flags = int.from_bytes(data[at + _WORD : at + _WORD + 4], "little")
            if name and 0 < flags < _MOST_FLAGS:
                return name
        at = data.find(wanted, at + 1)
    return ""


def _name(case: Case, address: int) -> str:
    try:
        raw = case.debugger.read(address, _LONGEST_NAME) if address >> 12 else b""
    except MemoryFault:
        return ""
    text = raw.partition(b"\0")[0].decode("ascii", "replace")
    return text if text.isidentifier() else ""


def own_end(case: Case, frames: "list[NativeFrame]") -> Optional[str]:
    """Return the function with which Python code ended its own process ("os.abort"), None if it is none of those.

    ``frames`` are those of a thread that got a signal of its own; what counts is who called the C library.
    """
    for frame in frames:
        if frame.inlined or not frame.library:
            continue
        if case.runtime is not None and frame.library == case.runtime.module.path:
            return ENDS.get(method_of(case, frame)) if not frame.function else None
        if frame.function is None:
            return None
    return None


#: Methods with which Python code ends its own process, or sends itself a signal, by their names in the tables.
ENDS = {
    "abort": "os.abort", "kill": "os.kill", "killpg": "os.killpg", "raise_signal": "signal.raise_signal",
    "pthread_kill": "signal.pthread_kill",
}  # fmt: skip
