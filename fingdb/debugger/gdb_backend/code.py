"""Machine code: instructions, line table rows and inlined calls."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

import gdb

from .. import x86_64
from ..interface import DebuggerError, InlinedBlock, Instruction, SourceLine
from .postponed import Postponed

_TARGET = re.compile(r"\b(0x[0-9a-f]+)\b(?: <[^>]*>)?$")
_STUB = re.compile(r"<([^<>@]+)@plt(?:\.\w+)?>")
_STUB_SYMBOL = re.compile(r"^([^<>@\s]+)@plt")
#: How a stub of the procedure linkage table begins: a jump through memory, perhaps behind `endbr64`.
_STUB_CODE = re.compile(rb"(?:\xf3\x0f\x1e\xfa)?\xf2?\xff\x25")
#: A register that is put away in the stack frame or taken from there, in both ways to write it.
_SPILL = re.compile(
    r"mov[lq]?\s+(?:%\w+,(?:0x[0-9a-f]+)?\(%rsp\)|(?:0x[0-9a-f]+)?\(%rsp\),%\w+"
    r"|[DQ]WORD PTR \[rsp(?:\+0x[0-9a-f]+)?\],[a-z]\w+|\w+,[DQ]WORD PTR \[rsp(?:\+0x[0-9a-f]+)?\])$"
)
_PREFIXES = {"bnd", "notrack", "rep", "repz", "repnz", "lock", "data16", "cs", "ds", "rex.W"}


class Code(Postponed):
    """Instructions of the target and what the debug information says about them."""

    def __init__(self) -> None:
        super().__init__()
        self._stubs: Dict[Tuple[object, int], Optional[str]] = {}

    def disassemble(self, start: int, end: int) -> List[Instruction]:
        """Return the instructions from ``start`` to before ``end``. Raises DebuggerError."""
        if end <= start:
            return []
        self.need_symbols()
        try:
            architecture = gdb.selected_inferior().architecture()
            if architecture.name() == "i386:x86-64":
                # Through gdb: it hides the breakpoints that it has in the code.
                code = bytes(gdb.selected_inferior().read_memory(start, end - start))
                decoded = x86_64.decode(code, start)
                if decoded is not None:
                    return [self._with_stub(i, start, end) for i in decoded]
            raw = architecture.disassemble(start, end - 1)
        except (gdb.error, gdb.MemoryError) as error:
            raise DebuggerError(f"cannot disassemble at {start:#x}: {error}") from None
        return [_instruction(r["addr"], r["length"], r["asm"]) for r in raw if r["addr"] < end]

    def _with_stub(self, instruction: Instruction, start: int, end: int) -> Instruction:
        target = instruction.target
        if target is None or start <= target < end:
            return instruction
        key = (_program(), target)
        if key not in self._stubs:
            self._stubs[key] = _stub_at(target)
        stub = self._stubs[key]
        return instruction if stub is None else instruction._replace(stub=stub)

    def source_line(self, address: int) -> Optional[SourceLine]:
        """Return the line table's row of an address, None without debug information."""
        self.need_symbols()
        sal = gdb.find_pc_line(address)
        if not sal.is_valid() or sal.symtab is None or not sal.line:
            return None
        end = sal.last + 1 if sal.last else address + 1
        return SourceLine(sal.symtab.fullname(), sal.line, sal.pc, end)

    def inlined_at(self, address: int) -> Tuple[InlinedBlock, ...]:
        """Return the calls that were inlined at an address, the outermost first."""
        self.need_symbols()
        try:
            block = gdb.block_for_pc(address)
        except gdb.error:
            return ()
        chain: List[InlinedBlock] = []
        while block is not None and not block.is_static and not block.is_global:
            if block.function is not None:
                # The outermost block with a function is the function itself, not an inlined call.
                chain.append(InlinedBlock(block.function.linkage_name or block.function.name, block.start, block.end))
            block = block.superblock
        return tuple(reversed(chain[:-1]))


def _program() -> object:
    space = gdb.current_progspace()
    return None if space is None else (space.filename, gdb.selected_inferior().pid)


def _stub_at(address: int) -> Optional[str]:
    """Return the function behind a stub of the procedure linkage table, None if there is no stub."""
    try:
        if _STUB_CODE.match(bytes(gdb.selected_inferior().read_memory(address, 8))) is None:
            return None
        found = _STUB_SYMBOL.match(gdb.execute(f"info symbol {address:#x}", to_string=True))
    except (gdb.error, gdb.MemoryError):
        return None
    return found.group(1) if found else None


def _instruction(address: int, length: int, text: str) -> Instruction:
    words = text.split(None, 1)
    while len(words) == 2 and words[0] in _PREFIXES:
        words = words[1].split(None, 1)
    mnemonic = words[0] if words else ""
    operand = words[1].strip() if len(words) > 1 else ""
    flow = _flow(mnemonic, text)
    target = None
    if flow in ("call", "jump", "branch") and "*" not in operand:
        found = _TARGET.search(operand)
        target = int(found.group(1), 16) if found else None
    stub = _STUB.search(operand) if flow in ("call", "jump", "branch") else None
    return Instruction(address, length, text, flow, target, stub.group(1) if stub else None)


def _flow(mnemonic: str, text: str) -> str:
    """Classify a mnemonic of x86 or AArch64 by what it does to the flow of control."""
    if mnemonic.startswith("nop") or mnemonic == "int3" or text == "xchg   %ax,%ax":
        return "padding"
    if mnemonic.startswith("call") or mnemonic in ("bl", "blr"):
        return "call"
    if mnemonic.startswith("jmp") or mnemonic in ("b", "br"):
        return "jump"
    if mnemonic.startswith("ret") or mnemonic in ("ud2", "hlt", "udf", "brk"):
        return "return"
    if mnemonic.startswith(("j", "loop", "b.", "cbz", "cbnz", "tbz", "tbnz")):
        return "branch"
    return "spill" if mnemonic.startswith("mov") and _SPILL.match(text) else "other"
