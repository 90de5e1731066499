"""Which memory an x86-64 instruction reaches for: what a fault at that instruction can have been about.

Only as much of the encoding as it takes to find the memory operand (Intel SDM volume 2, chapter 2): prefixes, the
opcode's map, ModRM, SIB and displacement, and the instructions that use the stack or string registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional

#: Returns a register's value by its name, None when it is not known.
Registers = Callable[[str], Optional[int]]

_NAMES = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
_LEGACY = frozenset((0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65))
_SEGMENTS = {0x64: "fs_base", 0x65: "gs_base"}
#: Opcodes of one byte with a ModRM byte, besides the eight arithmetic groups below 0x40.
_MODRM = frozenset(
    (0x63, 0x69, 0x6B, *range(0x80, 0x90), 0xC0, 0xC1, 0xC6, 0xC7, *range(0xD0, 0xD4), *range(0xD8, 0xE0), 0xF6, 0xF7,
     0xFE, 0xFF)
)  # fmt: skip
_NO_MODRM_0F = frozenset(
    (0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, *range(0x30, 0x38), 0x77, *range(0x80, 0x90), 0xA0, 0xA1, 0xA2, 0xA8, 0xA9,
     0xAA, *range(0xC8, 0xD0))
)  # fmt: skip
#: They have a memory operand and do not reach for it, or for more than what an operand has: prefetches and long
#: no-operations; fxsave and xsave, xsavec.
_NOT_READ_0F = frozenset((0x0D, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0xAE, 0xC7, 0xF7))
_PUSHES = frozenset((*range(0x50, 0x58), 0x68, 0x6A, 0x9C, 0xE8))
_POPS = frozenset((*range(0x58, 0x60), 0x9D, 0xC2, 0xC3))
_STRINGS = frozenset((0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF))
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Reach:
    """The addresses that an instruction may touch. ``plain``: nothing but a bad address can make it fault."""

    addresses: List[int]
    plain: bool


def reach(code: bytes, pc: int, register: Registers) -> Optional[Reach]:
    """Return what the instruction at ``pc``, whose bytes ``code`` begins with, reaches for.

    No addresses where it touches no memory; None where that cannot be told.
    """
    try:
        return _reach(code, pc, register)
    except (IndexError, _NotKnown):
        return None


class _NotKnown(Exception):
    """The instruction is not in the tables, or a register is not known."""


def _reach(code: bytes, pc: int, register: Registers) -> Optional[Reach]:
    at, segment = 0, ""
    while code[at] in _LEGACY:
        if code[at] == 0x67:
            raise _NotKnown
        segment = _SEGMENTS.get(code[at], segment)
        at += 1
    rex = 0
    if code[at] & 0xF0 == 0x40:
        rex, at = code[at], at + 1
    op, at = code[at], at + 1
    if op == 0x62:
        raise _NotKnown  # EVEX: the displacement is scaled
    if op in (0xC4, 0xC5):
        return _vector(code, at, pc, op, segment, register)
    if op == 0x0F:
        return _two_byte(code, at, pc, rex, segment, register)
    stack = _register(register, "rsp")
    if op in _PUSHES:
        return Reach([stack - 8 & _MASK], op != 0xE8)
    if op in _POPS:
        return Reach([stack], op not in (0xC2, 0xC3, 0x9D))
    if op == 0xC9:
        return Reach([_register(register, "rbp")], True)
    if op in _STRINGS:
        return Reach([_register(register, "rsi"), _register(register, "rdi")], True)
    if op < 0x40 and op & 7 < 4 or op in _MODRM:
        group = code[at] >> 3 & 7
        found = [] if op == 0x8D else _operand(code, at, pc, rex, segment, register)
        if op == 0xFF and group in (2, 3, 6):
            found.append(stack - 8 & _MASK)
        if op == 0x8F:
            found.append(stack)
        # A jump faults where it leads, a division by its operand, the 87's stores of its state are long.
        return Reach(found, op not in (0xFF, 0xF6, 0xF7) and not 0xD8 <= op <= 0xDF)
    if 0xA0 <= op <= 0xA3:
        raise _NotKnown
    return Reach([], False)


def _two_byte(code: bytes, at: int, pc: int, rex: int, segment: str, register: Registers) -> Optional[Reach]:
    op, at = code[at], at + 1
    if op in (0x38, 0x3A):
        return Reach(_operand(code, at + 1, pc, rex, segment, register), False)
    if op in _NOT_READ_0F:
        raise _NotKnown
    if op in _NO_MODRM_0F:
        return Reach([], False)
    found = _operand(code, at, pc, rex, segment, register)
    return Reach(found, op in (0xB6, 0xB7, 0xBE, 0xBF, 0xB0, 0xB1, 0xC0, 0xC1, 0xAF) or 0x40 <= op < 0x50)


def _vector(code: bytes, at: int, pc: int, op: int, segment: str, register: Registers) -> Optional[Reach]:
    rex, maps = 0, 1
    if op == 0xC4:
        # The bits are kept inverted: R X B of a REX prefix, then the opcode's map.
        rex, maps = (code[at] >> 5 ^ 7) & 7, code[at] & 0x1F
        at += 1
    at += 1
    opcode, at = code[at], at + 1
    if maps == 1 and opcode == 0x77:
        return Reach([], False)
    if maps == 2 and 0x90 <= opcode <= 0x93 or maps == 1 and opcode in _NOT_READ_0F:
        raise _NotKnown  # gathers have many addresses
    return Reach(_operand(code, at, pc, rex, segment, register), False)


def _operand(code: bytes, at: int, pc: int, rex: int, segment: str, register: Registers) -> List[int]:
    """Return the address of the memory operand that the ModRM byte at ``at`` names, nothing when it is a register."""
    mode, low = code[at] >> 6, code[at] & 7
    at += 1
    if mode == 3:
        return []
    address = 0
    relative = mode == 0 and low == 5
    if low == 4:
        sib, at = code[at], at + 1
        index, base = sib >> 3 & 7 | (rex & 2) << 2, sib & 7
        if index != 4:
            address += _register(register, _NAMES[index]) << (sib >> 6)
        if base == 5 and mode == 0:
            mode = 2
        else:
            address += _register(register, _NAMES[base | (rex & 1) << 3])
    elif not relative:
        address += _register(register, _NAMES[low | (rex & 1) << 3])
    if relative:
        mode = 2
    size = (0, 1, 4)[mode]
    if at + size > len(code):
        raise IndexError
    address += int.from_bytes(code[at : at + size], "little", signed=True)
    if relative:
        address += pc + at + size  # and an immediate operand's length, a few bytes
    if segment:
        address += _register(register, segment)
    return [address & _MASK]


def _register(register: Registers, name: str) -> int:
    value = register(name)
    if value is None:
        raise _NotKnown
    return value
