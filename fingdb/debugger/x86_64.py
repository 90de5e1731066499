"""Lengths and jumps of x86-64 instructions, without a disassembler.

gdb's disassembler names the target of every call, and for that reads the debug information of each
unit it calls into: a second for the thirty functions that finalize. To follow the flow of control
needs much less: where each instruction ends, and where the jumps go. Intel's manual, volume 2,
chapter 2 and appendix A; what is not in the tables is left to the debugger.
"""

from __future__ import annotations

from typing import FrozenSet, List, Optional, Set

from .interface import Instruction

#: Instructions behind which the kernel sends SIGTRAP: int3, int1 and the long form of the first.
TRAPS = (b"\xcc", b"\xf1", b"\xcd\x03")


def _set(*ranges: "int | tuple[int, int]") -> FrozenSet[int]:
    found: Set[int] = set()
    for item in ranges:
        low, high = item if isinstance(item, tuple) else (item, item)
        found.update(range(low, high + 1))
    return frozenset(found)


_PREFIXES = _set(0x26, 0x2E, 0x36, 0x3E, (0x64, 0x67), 0xF0, 0xF2, 0xF3)
_ARITHMETIC = [base + low for base in range(0, 0x40, 8) for low in range(6)]
#: One-byte opcodes: with a ModRM byte, with one byte of immediate, with two or four, and with none.
_MODRM = _set(0x63, 0x69, 0x6B, (0x80, 0x81), (0x83, 0x8F), 0xC0, 0xC1, 0xC6, 0xC7, (0xD0, 0xD3), (0xD8, 0xDF),
              0xF6, 0xF7, 0xFE, 0xFF, *(op for op in _ARITHMETIC if op & 7 < 4))  # fmt: skip
_IMM8 = _set(0x6A, 0x6B, (0x70, 0x7F), 0x80, 0x83, 0xA8, (0xB0, 0xB7), 0xC0, 0xC1, 0xC6, 0xCD, (0xE0, 0xE7), 0xEB,
             *(op for op in _ARITHMETIC if op & 7 == 4))  # fmt: skip
_IMM32 = _set(0x68, 0x69, 0x81, 0xA9, (0xB8, 0xBF), 0xC7, 0xE8, 0xE9,
              *(op for op in _ARITHMETIC if op & 7 == 5))  # fmt: skip
_PLAIN = _set((0x50, 0x5F), (0x6C, 0x6F), (0x90, 0x99), (0x9B, 0x9F), (0xA4, 0xA7), (0xAA, 0xAF), 0xC3, 0xC9, 0xCB,
              0xCC, 0xCF, 0xD7, (0xEC, 0xEF), 0xF1, 0xF4, 0xF5, (0xF8, 0xFD))  # fmt: skip
#: Opcodes behind 0F: without ModRM, and with one byte of immediate behind the ModRM.
_0F_PLAIN = _set((0x05, 0x09), 0x0B, 0x0E, (0x30, 0x35), 0x37, 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, (0xC8, 0xCF))
_0F_IMM8 = _set((0x70, 0x73), 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6)
_0F_UNKNOWN = _set(0x04, 0x0A, 0x0C, 0x0F, (0x24, 0x27), 0x36, (0x39, 0x3F), 0x7A, 0x7B, 0xA6, 0xA7)


def decode(code: bytes, start: int) -> Optional[List[Instruction]]:
    """Return the instructions of ``code``, which lies at address ``start``; their ``text`` is empty.

    None when one of them is not in the tables or the code ends in the middle of one.
    """
    found: List[Instruction] = []
    at = 0
    try:
        while at < len(code):
            instruction = _instruction(code, at, start + at)
            if instruction is None or at + instruction.length > len(code):
                return None
            found.append(instruction)
            at += instruction.length
    except IndexError:
        return None
    return found


def _instruction(code: bytes, begin: int, address: int) -> Optional[Instruction]:
    at = begin
    short = repeat = wide = False
    op = code[at]
    while op in _PREFIXES:
        short = short or op == 0x66
        repeat = repeat or op == 0xF3
        at += 1
        op = code[at]
    if op & 0xF0 == 0x40:
        wide = op & 8 != 0
        at += 1
        op = code[at]
    at += 1
    if op == 0x0F:
        return _two_byte(code, begin, at, address)
    if op in (0xC4, 0xC5, 0x62):
        return _vector(code, begin, at, address, op)
    immediate = 0
    if op in _IMM8:
        immediate = 1
    elif op in _IMM32:
        immediate = 8 if wide and op & 0xF8 == 0xB8 else 2 if short and op not in (0xE8, 0xE9) and not wide else 4
    elif op in (0xA0, 0xA1, 0xA2, 0xA3):
        immediate = 8
    elif op in (0xC2, 0xCA):
        immediate = 2
    elif op == 0xC8:
        immediate = 3
    elif op not in _MODRM and op not in _PLAIN:
        return None
    flow = "other"
    if op in _MODRM:
        kind = code[at] >> 3 & 7
        if op == 0x8F and kind:
            return None
        if op in (0x89, 0x8B) and _is_in_frame(code, at):
            flow = "spill"
        at = _behind_modrm(code, at)
        if op == 0xF6 and kind < 2:
            immediate = 1
        elif op == 0xF7 and kind < 2:
            immediate = 2 if short and not wide else 4
        elif op == 0xFF:
            flow = {2: "call", 4: "jump"}.get(kind, "other")
    elif op == 0x90:
        flow = "other" if repeat else "padding"
    elif op == 0xCC:
        flow = "padding"
    elif op in (0xC3, 0xC2, 0xF4):
        flow = "return"
    elif op == 0xE8:
        flow = "call"
    elif op in (0xE9, 0xEB):
        flow = "jump"
    elif op & 0xF0 == 0x70 or 0xE0 <= op <= 0xE3:
        flow = "branch"
    length = at + immediate - begin
    target = None
    if flow not in ("other", "spill") and op not in (0xFF, 0x90, 0xCC, 0xC3, 0xC2, 0xF4):
        relative = int.from_bytes(code[at : at + immediate], "little", signed=True)
        target = (address + length + relative) & (1 << 64) - 1
    return Instruction(address, length, "", flow, target)


def _two_byte(code: bytes, begin: int, at: int, address: int) -> Optional[Instruction]:
    op = code[at]
    at += 1
    if op & 0xF0 == 0x80:
        length = at + 4 - begin
        relative = int.from_bytes(code[at : at + 4], "little", signed=True)
        return Instruction(address, length, "", "branch", (address + length + relative) & (1 << 64) - 1)
    if op in _0F_UNKNOWN:
        return None
    if op == 0x38:
        return Instruction(address, _behind_modrm(code, at + 1) - begin, "")
    if op == 0x3A:
        return Instruction(address, _behind_modrm(code, at + 1) + 1 - begin, "")
    if op in _0F_PLAIN:
        return Instruction(address, at - begin, "", "return" if op == 0x0B else "other")
    end = _behind_modrm(code, at) + (1 if op in _0F_IMM8 else 0)
    return Instruction(address, end - begin, "", "padding" if op == 0x1F else "other")


def _vector(code: bytes, begin: int, at: int, address: int, lead: int) -> Optional[Instruction]:
    if lead == 0xC5:
        table, at = 1, at + 1
    elif lead == 0xC4:
        table, at = code[at] & 0x1F, at + 2
    else:
        table, at = code[at] & 7, at + 3
    op = code[at]
    at += 1
    if table not in (1, 2, 3):
        return None
    if table == 1 and op == 0x77 and lead != 0x62:
        return Instruction(address, at - begin, "")
    end = _behind_modrm(code, at) + (1 if table == 3 or table == 1 and op in _0F_IMM8 else 0)
    return Instruction(address, end - begin, "")


def _is_in_frame(code: bytes, at: int) -> bool:
    """Tell whether the ModRM byte at ``at`` means memory at the stack pointer and a distance."""
    return code[at] >> 6 != 3 and code[at] & 7 == 4 and code[at + 1] & 0x3F == 0x24


def _behind_modrm(code: bytes, at: int) -> int:
    """Return where the ModRM byte at ``at`` ends with its SIB byte and displacement."""
    modrm = code[at]
    at += 1
    mode, register = modrm >> 6, modrm & 7
    if mode == 3:
        return at
    if register == 4:
        base = code[at] & 7
        at += 1
        if mode == 0 and base == 5:
            return at + 4
    elif mode == 0 and register == 5:
        return at + 4
    return at + (0, 1, 4)[mode]
