"""Where a function returns to, by the call frame information of its file (``.eh_frame``).

Enough for a few frames of one library, and cheap: a debugger would read symbols first. The format is that of the
Linux Standard Base and of DWARF 5, section 6.4; x86-64 only. Anything unusual gives no answer, never a wrong one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Tuple

from ..elf import ElfError, ElfFile, open_elf

#: DWARF's numbers of the registers that matter.
RSP, RETURN = 7, 16
#: The registers that a function leaves as they were, by the debugger's names for them.
KEPT = {"rbx": 3, "rbp": 6, "rsp": RSP, "r12": 12, "r13": 13, "r14": 14, "r15": 15, "rip": RETURN}

Registers = Dict[int, int]
Read = Callable[[int, int], bytes]


class NoUnwinding(Exception):
    """There is no call frame information for a place, or none that is understood here."""


class Outermost(NoUnwinding):
    """The frame has no caller: a process or a thread began with it."""


@dataclass
class _Rules:
    """How to find the caller's frame: the canonical frame address, and where registers were saved below it."""

    register: int = -1
    offset: int = 0
    saved: Dict[int, int] = field(default_factory=dict)
    outermost: bool = False

    def copy(self) -> "_Rules":
        return _Rules(self.register, self.offset, dict(self.saved), self.outermost)


def caller(path: str, bias: int, registers: Registers, innermost: bool, read: Read) -> Registers:
    """Return the registers of the calling frame. Raises NoUnwinding, Outermost where there is none.

    ``registers`` has the numbers of `KEPT` as keys. A frame that is not the ``innermost`` stands behind a call, which
    may be the last instruction of its function. ``read(address, length)`` reads memory; what it raises is passed on.
    """
    try:
        elf = open_elf(path)
        rules = _rules_at(elf, registers[RETURN] - bias - (not innermost))
    except (ElfError, IndexError, struct.error, KeyError) as error:
        raise NoUnwinding(f"no call frame information: {error}") from None
    if rules.outermost:
        raise Outermost("no caller")
    if rules.register not in registers or RETURN not in rules.saved:
        raise NoUnwinding("the frame has an unusual form")
    frame = registers[rules.register] + rules.offset
    found = dict(registers)
    for register, offset in rules.saved.items():
        found[register] = int.from_bytes(read(frame + offset & (1 << 64) - 1, 8), "little")
    found[RSP] = frame
    return found


# -- finding the entry ----------------------------------------------------------------------------
def _rules_at(elf: ElfFile, address: int) -> _Rules:
    frames, index = elf.section(".eh_frame"), elf.section(".eh_frame_hdr")
    if frames is None or index is None or elf.machine != 62:
        raise NoUnwinding("the file has no index of its call frame information")
    at = _entry_for(elf.section_bytes(".eh_frame_hdr"), index.address, address) - frames.address
    data = elf.section_bytes(".eh_frame")
    if not 0 <= at < len(data):
        raise NoUnwinding("the index leads nowhere")
    entry = _Reader(data, at, frames.address)
    end = entry.length()
    start = entry.at
    back = entry.u32()
    common = _Common(data, start - back, frames.address)
    begin = entry.pointer(common.encoding)
    size = entry.pointer(common.encoding & 15)
    if not begin <= address < begin + size:
        raise NoUnwinding("no function lies there")
    if common.augmented:
        entry.at += entry.uleb()
    return _run(common, entry, end, address - begin)


def _entry_for(header: bytes, base: int, address: int) -> int:
    """Return the address of the last entry that begins at or before ``address``, by the binary search table."""
    if header[:1] != b"\x01" or header[2] != 3 or header[3] != 0x3B:
        raise NoUnwinding("the index has an unusual form")
    reader = _Reader(header, 4, base)
    reader.pointer(header[1])
    count = reader.u32()
    table = reader.at
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        (begins,) = struct.unpack_from("<i", header, table + 8 * middle)
        if base + begins <= address:
            low = middle + 1
        else:
            high = middle
    if not low:
        raise NoUnwinding("no function lies there")
    (entry,) = struct.unpack_from("<i", header, table + 8 * (low - 1) + 4)
    return base + int(entry)


class _Common:
    """What entries share (CIE): factors, the encoding of addresses, and the first rules."""

    def __init__(self, data: bytes, at: int, base: int) -> None:
        if at < 0:
            raise NoUnwinding("damaged")
        reader = _Reader(data, at, base)
        end = reader.length()
        if reader.u32() != 0 or reader.u8() not in (1, 3):
            raise NoUnwinding("damaged")
        letters = reader.text()
        self.code_factor = reader.uleb()
        self.data_factor = reader.sleb()
        if reader.uleb() != RETURN:
            raise NoUnwinding("another machine's")
        self.augmented = letters.startswith(b"z")
        self.encoding = 0
        if letters and not self.augmented:
            raise NoUnwinding("an unknown augmentation")
        if self.augmented:
            after = reader.uleb() + reader.at
            for letter in letters[1:]:
                if letter == ord("R"):
                    self.encoding = reader.u8()
                elif letter == ord("P"):
                    reader.pointer(reader.u8())
                elif letter == ord("L"):
                    reader.u8()
                else:
                    raise NoUnwinding("a signal's frame")  # S: the pc is not behind a call
            reader.at = after
        self.rules = _Rules()
        _execute(self, self.rules, reader, end, None)


def _run(common: _Common, reader: "_Reader", end: int, distance: int) -> _Rules:
    rules = common.rules.copy()
    _execute(common, rules, reader, end, distance)
    return rules


def _execute(common: _Common, rules: _Rules, reader: "_Reader", end: int, distance: Optional[int]) -> None:
    """Follow the instructions as far as they are for places up to ``distance`` bytes into the function."""
    place = 0
    kept = []
    while reader.at < end:
        code = reader.u8()
        high, low = code >> 6, code & 63
        if high == 1 or code in (2, 3, 4):  # DW_CFA_advance_loc…
            step = low if high == 1 else reader.number(1 << (code - 2))
            place += step * common.code_factor
            if distance is None or place > distance:
                return
        elif high == 2 or code == 5:  # DW_CFA_offset…
            register = low if high == 2 else reader.uleb()
            rules.saved[register] = reader.uleb() * common.data_factor
        elif high == 3 or code in (6, 7, 8):  # DW_CFA_restore…, undefined, same_value
            register = low if high == 3 else reader.uleb()
            if code == 7 and register == RETURN:
                rules.outermost = True
            first = common.rules.saved.get(register) if code != 7 and code != 8 and distance is not None else None
            if first is not None:
                rules.saved[register] = first
            else:
                rules.saved.pop(register, None)
        elif code == 0:  # DW_CFA_nop
            pass
        elif code == 10:  # DW_CFA_remember_state
            kept.append(rules.copy())
        elif code == 11:  # DW_CFA_restore_state
            if not kept:
                raise NoUnwinding("damaged")
            old = kept.pop()
            rules.register, rules.offset, rules.saved = old.register, old.offset, old.saved
        elif code == 12:  # DW_CFA_def_cfa
            rules.register, rules.offset = reader.uleb(), reader.uleb()
        elif code == 13:  # DW_CFA_def_cfa_register
            rules.register = reader.uleb()
        elif code == 14:  # DW_CFA_def_cfa_offset
            rules.offset = reader.uleb()
        elif code == 0x2E:  # DW_CFA_GNU_args_size
            reader.uleb()
        else:
            raise NoUnwinding(f"instruction {code:#x}")  # expressions: frames that realign the stack


class _Reader:
    """Reads numbers out of a section whose first byte is at the address ``base``."""

    def __init__(self, data: bytes, at: int, base: int) -> None:
        self.data, self.at, self.base = data, at, base

    def number(self, size: int, signed: bool = False) -> int:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise IndexError("damaged")
        self.at += size
        return int.from_bytes(piece, "little", signed=signed)

    def u8(self) -> int:
        return self.number(1)

    def u32(self) -> int:
        return self.number(4)

    def length(self) -> int:
        """Return where an entry ends; its length comes first."""
        length = self.u32()
        if not length or length >= 0xFFFFFFF0:
            raise NoUnwinding("the entry has an unusual length")
        return self.at + length

    def text(self) -> bytes:
        end = self.data.index(b"\0", self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found

    def uleb(self) -> int:
        return self._leb()[0]

    def sleb(self) -> int:
        number, bits, sign = self._leb()
        return number - (1 << bits) if sign else number

    def _leb(self) -> Tuple[int, int, bool]:
        """Return a number in LEB128 as one without sign, of how many bits it is, and the highest of these."""
        number, bits = 0, 0
        while True:
            byte = self.u8()
            number |= (byte & 127) << bits
            bits += 7
            if not byte & 128:
                return number, bits, bool(byte & 64)

    #: Low half of a pointer's encoding -> its bytes, and whether it has a sign.
    _FORMS: "Dict[int, Tuple[int, bool]]" = {
        0: (8, False), 2: (2, False), 3: (4, False), 4: (8, False), 10: (2, True), 11: (4, True), 12: (8, True)
    }

    def pointer(self, encoding: int) -> int:
        here = self.base + self.at
        form = self._FORMS.get(encoding & 15)
        if form is None or encoding & 0x70 not in (0, 0x10):
            raise NoUnwinding(f"a pointer of form {encoding:#x}")
        number = self.number(*form)
        return number + here if encoding & 0x70 else number
