"""Which constant texts a call was given, told by the machine code before its return address.

For builds without debug information, where nothing tells a function's arguments: a fatal error's message is a constant
that is loaded right before the call. Only instructions of which nothing else can be meant are believed; x86-64 only.
"""

from __future__ import annotations

import re
import struct
from typing import Callable, Dict, Optional, Tuple

from ..debugger.interface import Debugger, MemoryFault
from ..model.report import NativeFrame

#: Code before the call that is looked at, bytes.
_MOST = 96
#: A call whose result is an argument may have been given the text: so many calls further back.
_MOST_CALLS = 3
_CALLS = (re.compile(rb"\xe8[\s\S]{4}\Z"), re.compile(rb"\xff\x15[\s\S]{4}\Z"))
#: lea distance(%rip),%rdi / %rsi
_LOADS = {b"\x48\x8d\x3d": "rdi", b"\x48\x8d\x35": "rsi"}
#: mov $address,%edi / %esi: the same in a program at a fixed address.
_FIXED_LOADS = {b"\xbf": "rdi", b"\xbe": "rsi"}
#: mov %rax,%rdi: the argument is what another call has returned.
_RESULT = b"\x48\x89\xc7"
#: Between the loads and the call: xor %eax,%eax (no vector arguments); mov %rax,%rdx and the like (other arguments).
_HARMLESS = (b"\x31\xc0", b"\x48\x89\xc2", b"\x48\x89\xda", b"\x48\x89\xea", b"\x48\x89\xde", b"\x48\x89\xee", b"\x4c\x89\xe6",
             b"\x4c\x89\xe2", b"\x4c\x89\xea")  # fmt: skip


def constants_given(debugger: Debugger, frame: NativeFrame, text: Callable[[int], str]) -> Dict[str, str]:
    """Return the constant texts that a frame's call was given, by register (``rdi``, ``rsi``). Never raises.

    The frame is one further out: its pc is the call's return address. ``text`` returns the C string at an address, "" if
    there is none. What another call has made of a text counts as that: the text may be a format.
    """
    try:
        code = debugger.read(frame.pc - _MOST, _MOST)
    except MemoryFault:
        return {}
    found: Dict[str, str] = {}
    end = _before_call(code, _MOST)
    made = 0
    while end is not None and end > 0:
        register, address, length = _load(code, end, frame.pc - _MOST)
        words = text(address) if register else ""
        if words:
            found.setdefault(register, words)
            end -= length
        elif code[:end].endswith(_RESULT) and "rdi" not in found and made < _MOST_CALLS:
            made += 1
            end = _before_call(code, end - len(_RESULT))
        else:
            end = _skipped(code, end)
    return found


def _load(code: bytes, end: int, start: int) -> Tuple[str, int, int]:
    """Return (register, address, length) of the load of an address that ends at ``end``, ("", 0, 0) if it is none."""
    if end < 7:
        return "", 0, 0
    (number,) = struct.unpack("<i", code[end - 4 : end])
    register = _LOADS.get(code[end - 7 : end - 4])
    if register is not None:
        return register, start + end + number, 7
    register = _FIXED_LOADS.get(code[end - 5 : end - 4])
    return (register, number, 5) if register is not None and number > 0 else ("", 0, 0)


def _before_call(code: bytes, end: int) -> Optional[int]:
    for form in _CALLS:
        match = form.search(code, max(0, end - 6), end)
        if match is not None:
            return match.start()
    return None


def _skipped(code: bytes, end: int) -> Optional[int]:
    return next((end - len(each) for each in _HARMLESS if code[:end].endswith(each)), None)


def function_and_message(given: Dict[str, str]) -> Optional[Tuple[str, str]]:
    """Return (function, message) where a call was given the name of a function and a sentence, as fatal errors are."""
    function, message = given.get("rdi", ""), given.get("rsi", "")
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", function) and " " in message:
        return function, message
    return None
