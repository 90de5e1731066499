"""The arguments of a variadic function that runs: `printf`'s, so to speak, read from its frame."""

from __future__ import annotations

import re
from typing import Callable, Iterator, List, Optional

from ..debugger.interface import MemoryFault
from .case import Case, Task

#: System V ABI, AMD64, section 3.5.7: the registers' save area holds six general registers of 8 bytes.
_GENERAL_END = 48
_CONVERSION = re.compile(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|j|t)?([diuxXcsp]))")
_MOST_FRAME = 8192


def rendered(case: Case, task: Task, index: int, text: str, named: int, read: Callable[[int], str]) -> str:
    """Return the format ``text`` with the arguments that frame ``index`` of a thread was given put in.

    ``named`` is the number of the function's parameters before its "..."; ``read`` gives the text at an address.
    What cannot be read becomes "…".
    """
    values = _values(case, task, index, named)

    def put(match: "re.Match[str]") -> str:
        kind = match.group(1)
        if kind is None:
            return "%"
        value = next(values, None)
        if value is None:
            return "…"
        if kind == "s":
            return read(value) or "…"
        if kind in "di":
            wide = any(letter in match.group(0) for letter in "lzjt")
            bits = 64 if wide else 32
            value &= (1 << bits) - 1
            return str(value - (1 << bits) if value >> (bits - 1) else value)
        return chr(value & 0x7F) if kind == "c" else str(value) if kind == "u" else f"{value:#x}"

    return _CONVERSION.sub(put, text)


def _values(case: Case, task: Task, index: int, named: int) -> Iterator[int]:
    """Yield the unnamed arguments as integers of 64 bits; none where the frame shows no ``va_list``."""
    frame = task.frames[index]
    end = next((f.sp for f in task.frames[index + 1 :] if not f.inlined and f.sp > frame.sp), 0)
    if case.debugger.pointer_size != 8 or not 0 < end - frame.sp <= _MOST_FRAME:
        return
    try:
        raw = case.debugger.read(frame.sp, end - frame.sp)
    except MemoryFault:
        return
    words: List[int] = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw) - 7, 8)]
    saved = _save_area(words, frame.sp, end)
    if saved is None:
        return
    first = (saved - frame.sp) // 8
    yield from words[first + named : first + _GENERAL_END // 8]
    address = end
    while address < end + _MOST_FRAME:
        try:
            yield int.from_bytes(case.debugger.read(address, 8), "little")
        except MemoryFault:
            return
        address += 8


def _save_area(words: List[int], start: int, end: int) -> Optional[int]:
    """Return where the registers were saved, from the ``va_list`` in the frame.

    It is {gp_offset, fp_offset} of 4 bytes each, then the address of the arguments on the stack, which is where the
    caller's frame begins, then the address of the save area.
    """
    for at in range(len(words) - 2):
        offsets, overflow, saved = words[at : at + 3]
        if offsets & 0xFFFFFFFF <= _GENERAL_END and offsets >> 32 == _GENERAL_END and overflow == end:
            if start <= saved <= end - _GENERAL_END and saved % 8 == 0:
                return saved
    return None
