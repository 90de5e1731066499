"""What a function had called, and which global variables it had read, before the place where it is."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List, Optional, Set, Tuple

from ..debugger.interface import Debugger, DebuggerError, MemoryFault
from ..elf import ElfError, open_elf
from ..model.report import NativeFrame

#: No more of a function's code is read.
_MOST_CODE = 1 << 14
#: `call *disp(%rip)`: through the global offset table, as compiled with -fno-plt.
_INDIRECT = b"\xff\x15"


@dataclass(frozen=True)
class Call:
    """A call: where, and the name of the function ("" if it cannot be told)."""

    address: int
    function: str
    target: int = 0


def calls_before(debugger: Debugger, frame: NativeFrame) -> List[Call]:
    """Return the calls in a frame's function before its pc, in order of address. Never raises.

    For a frame further out the last of them is the call that it is in.
    """
    start = _start_of(debugger, frame.pc)
    return [] if start is None else _calls(debugger, start, frame.pc)


def calls_of(debugger: Debugger, address: int) -> List[Call]:
    """Return the calls of the function that starts at ``address``, as far as its symbol reaches. Never raises."""
    end = end_of(debugger, address)
    return _calls(debugger, address, end) if end > address else []


def end_of(debugger: Debugger, address: int) -> int:
    """Return about where the function that starts at ``address`` ends, ``address`` itself if it has no name."""
    end = address
    symbol = debugger.symbol_at(address)
    for step, most in ((16, 512), (1, 16)):
        start = end
        while symbol is not None and end - start < most:
            other = debugger.symbol_at(end + step)
            if other is None or other[0] != symbol[0]:
                break
            end += step
    return end


def _start_of(debugger: Debugger, pc: int) -> Optional[int]:
    symbol = debugger.symbol_at(pc - 1)
    if symbol is None or not 0 <= pc - symbol[1] <= _MOST_CODE:
        return None
    return symbol[1]


def _calls(debugger: Debugger, start: int, end: int) -> List[Call]:
    found: List[Call] = []
    try:
        instructions = debugger.disassemble(start, end)
    except DebuggerError:
        return found
    for instruction in instructions:
        if instruction.flow not in ("call", "jump"):
            continue
        name = instruction.stub or ""
        target = instruction.target or 0
        if not name and target and not start <= target < end:
            symbol = debugger.symbol_at(target)
            name = symbol[0] if symbol is not None and symbol[1] == target else ""
        elif not name and not target:
            name, target = _through_table(debugger, instruction.address, instruction.length)
        if name or instruction.flow == "call":
            found.append(Call(instruction.address, name.split("@", 1)[0], target))
    return found


def _through_table(debugger: Debugger, address: int, length: int) -> Tuple[str, int]:
    try:
        code = debugger.read(address, length)
        at = code.find(_INDIRECT)
        if at < 0 or at + 6 != length:
            return "", 0
        slot = address + length + int(struct.unpack_from("<i", code, at + 2)[0])
        target = int.from_bytes(debugger.read(slot, 8), "little")
    except MemoryFault:
        return "", 0
    symbol = debugger.symbol_at(target)
    return (symbol[0], target) if symbol is not None and symbol[1] == target else ("", target)


def null_globals(debugger: Debugger, frame: NativeFrame) -> List[str]:
    """Return the names of global pointers that a frame's function had read and that are NULL now. Never raises.

    What a function of the same library that it had called reads counts too: an accessor. x86-64 only:
    ``mov disp(%rip), %reg`` of eight bytes from writable data of the frame's own library, or from its global
    offset table.
    """
    start = _start_of(debugger, frame.pc)
    if start is None:
        return []
    # The instruction that failed may be one.
    found = _null_reads(debugger, frame, start, frame.pc, 7)
    for call in reversed(_calls(debugger, start, frame.pc)):
        inside = call.target and call.target != start and debugger.module_at(call.target) == frame.library
        if inside and call.function and not found:
            found = _null_reads(debugger, frame, call.target, end_of(debugger, call.target), 0)
    return found


def _null_reads(debugger: Debugger, frame: NativeFrame, start: int, end: int, more: int) -> List[str]:
    found: List[str] = []
    seen: Set[int] = set()
    try:
        code = debugger.read(start, end - start + more)
        instructions = debugger.disassemble(start, end)
    except (DebuggerError, MemoryFault):
        return []
    places = [(i.address - start, i.length) for i in instructions]
    if places and more:
        places.append((places[-1][0] + places[-1][1], more))
    for at, length in places:
        if length != 7 or code[at : at + 1] not in (b"\x48", b"\x4c") or code[at + 1 : at + 2] != b"\x8b":
            continue
        if len(code) < at + 7 or code[at + 2] & 0xC7 != 0x05:
            continue
        address = start + at + 7 + int(struct.unpack_from("<i", code, at + 3)[0])
        if address in seen:
            continue
        seen.add(address)
        name = _null_variable(debugger, _through_offset_table(debugger, address, frame), frame)
        if name:
            found.append(name)
    return found


def _through_offset_table(debugger: Debugger, address: int, frame: NativeFrame) -> int:
    """Return where a variable lies whose address is in the library's global offset table at ``address``; any other
    address as it is."""
    bias = next((m.bias for m in debugger.modules() if m.path == frame.library), None)
    try:
        table = open_elf(frame.library).section(".got") if frame.library and bias is not None else None
        if table is None or bias is None or not table.address <= address - bias < table.address + table.size:
            return address
        return int.from_bytes(debugger.read(address, 8), "little") or address
    except (ElfError, MemoryFault):
        return address


def _null_variable(debugger: Debugger, address: int, frame: NativeFrame) -> str:
    if debugger.module_at(address) != frame.library:
        return ""
    symbol = debugger.symbol_at(address)
    if symbol is None or symbol[0].startswith("_GLOBAL_OFFSET_TABLE_"):
        return ""
    try:
        held = int.from_bytes(debugger.read(address, 8), "little")
    except MemoryFault:
        return ""
    return symbol[0] if held == 0 else ""
