"""Whether a caller asks if a function of the C API gave it NULL, read from its instructions (x86-64)."""

from __future__ import annotations

from ..debugger.interface import Debugger, DebuggerError

_LONGEST = 24
_TEST_RESULT = b"\x48\x85\xc0"  # test %rax,%rax
#: It is put aside first: mov %rax,REGISTER with or without REX.B (the last byte has the register), mov %rax,-N(%rbp).
_TO_REGISTER, _TO_STACK, _COMPARE_STACK = (b"\x48\x89", b"\x49\x89"), b"\x48\x89\x45", b"\x48\x83\x7d"


def asks_for_null(debugger: Debugger, after_call: int) -> bool:
    """Tell whether the code at a return address compares the result with NULL before it does anything else with it.

    Knows the result in its register, in another, and in a variable on the stack (code that is not optimized), followed by
    the conditional jump. False where that cannot be told.
    """
    try:
        code = debugger.read(after_call, _LONGEST)
    except DebuggerError:
        return False
    if code.startswith(_TO_STACK):
        place, code = code[3:4], code[4:]
        return code.startswith(_COMPARE_STACK + place + b"\0") and _branches(code[5:])
    for _ in range(3):  # moves of the result, before the question or between it and the jump
        if code.startswith(_TEST_RESULT):
            return _branches(code[3:])
        if not (code.startswith(_TO_REGISTER) and code[2] >> 6 == 3 and code[2] >> 3 & 7 == 0):
            return False
        code = code[3:]
    return False


def _branches(code: bytes) -> bool:
    """Tell whether code begins with je or jne, short or long."""
    return code[:1] in (b"\x74", b"\x75") or code[:2] in (b"\x0f\x84", b"\x0f\x85")
