"""Who jumped: a function whose last act is a call leaves no frame behind.

A compiler turns ``void bye(void) { PyList_New(0); }`` into a jump, and then the stack says that the C library called
``PyList_New`` when it ran its exit handlers. The call instruction before the return address still tells whom it
called, where the register or the memory with the function's address is as it was; and what calls exit handlers and
the functions of C++ threads keeps where it read that address in a register that functions have to preserve. An
address counts only when a function of the program begins there.
"""

from __future__ import annotations

import os
from typing import Callable, Iterator, List, Optional

from ..debugger.interface import Debugger, DebuggerError, Hit
from ..model.report import Culprit, NativeFrame
from .culprit import PLUMBING, PROGRAM, RUNTIME, Blame, origin_of
from .operands import reach

#: Lengths of call instructions, from `call *%rax` to one with prefix, SIB byte and a long displacement.
_LENGTHS = range(2, 9)
_CALL, _INDIRECT = 0xE8, 0xFF
#: Registers that functions have to preserve (the x86-64 ABI).
PRESERVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
#: struct exit_function_list of the GNU C library (stdlib/exit.h): the count, the entries, in each the function. It is
#: kept rotated, and mixed with a word of the thread's (PTR_DEMANGLE in sysdeps/unix/sysv/linux/x86_64).
_COUNT, _ENTRIES, _ENTRY, _FUNCTION, _MOST = 8, 16, 32, 8, 32
_ROTATED, _GUARD = 17, 0x30
_EXIT_HANDLERS = ("__run_exit_handlers", "__cxa_finalize")
#: libstdc++'s function of a thread, whose name is mostly stripped: it calls a virtual function of the state that it
#: frees afterwards (execute_native_thread_routine() in src/c++11/thread.cc).
_CPP_RUNTIME, _RUN = "libstdc++.so", 16
_REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")


def called_from_plumbing(frames: List[NativeFrame]) -> bool:
    """Tell whether a function of the runtime was, by the look of the stack, called by libc or the like itself."""
    if not frames or origin_of(frames[0]) != RUNTIME:
        return False
    for frame in frames[1:]:
        if not frame.inlined:
            return frame.library is not None and origin_of(frame) == PLUMBING
    return False


def who_jumped(debugger: Debugger, hit: Hit) -> Blame:
    """Return the function of the program that jumped to the one at whose entry a thread stands.

    The blame is the program's in any case; its culprit is None when that function cannot be told.
    """
    for target in _targets(debugger, hit):
        symbol = debugger.symbol_at(target)
        library = debugger.module_at(target)
        if symbol is None or symbol[1] != target or library is None:
            continue
        line = debugger.source_line(target)
        frame = NativeFrame(0, target, 0, symbol[0], library, line.file if line is not None else None, None)
        if origin_of(frame) == PROGRAM:
            return Blame(Culprit(symbol[0], frame.file, line.line if line is not None else None, library), PROGRAM, 0)
    return Blame(None, PROGRAM)


def _targets(debugger: Debugger, hit: Hit) -> List[int]:
    """Return where the call before the return address may have led."""
    back = debugger.return_address(hit)
    thread = next((t.debugger_id for t in debugger.threads() if t.native_id == hit.native_id), None)
    if back is None or thread is None:
        return []

    def register(name: str) -> Optional[int]:
        # As they were before the call pushed its return address.
        value = debugger.register(thread, 0, name)
        return value + 8 if name == "rsp" and value is not None else value

    def word(address: int) -> int:
        return int.from_bytes(debugger.read(address, 8), "little")

    found: List[int] = []
    for length in _LENGTHS:
        try:
            code = debugger.read(back - length, length)
        except DebuggerError:
            break
        if length == 5 and code[0] == _CALL:
            found.append(back + int.from_bytes(code[1:], "little", signed=True))
            continue
        at = 0
        while at < length - 2 and (code[at] in (0x64, 0x65, 0x66, 0x3E) or code[at] & 0xF0 == 0x40):
            at += 1
        if code[at] != _INDIRECT or code[at + 1] >> 3 & 7 != 2:
            continue
        if code[at + 1] >> 6 == 3:
            if at + 2 == length:
                number = (code[at + 1] & 7) + 8 * (at > 0 and code[at - 1] & 1)
                value = register(_REGISTERS[number] if number < 8 else f"r{number}")
                found.extend([] if value is None else [value])
            continue
        reached = reach(code + bytes(8), back - length, register)
        for address in reached.addresses[:1] if reached is not None else ():
            try:
                found.append(word(address))
            except DebuggerError:
                continue
    caller = (debugger.symbol_at(back) or ("", 0))[0].split("@", 1)[0]
    kept = [value for value in map(register, PRESERVED) if value]
    if caller in _EXIT_HANDLERS:
        found.extend(_exit_handlers(kept, word, register("fs_base")))
    if os.path.basename(debugger.module_at(back) or "").startswith(_CPP_RUNTIME):
        for value in kept:
            try:
                found.append(word(word(value) + _RUN))
            except DebuggerError:
                continue
    return found


def _exit_handlers(kept: List[int], word: Callable[[int], int], thread: Optional[int]) -> Iterator[int]:
    """Yield what may be the exit handler that runs: its entry is in the list that one of the registers points to."""
    for start in kept if thread else ():
        places = [start + _FUNCTION]  # or the register points to the entry itself
        try:
            count = word(start + _COUNT)
            if count < _MOST:
                places.insert(0, start + _ENTRIES + count * _ENTRY + _FUNCTION)
        except DebuggerError:
            continue
        for place in places:
            try:
                mixed, guard = word(place), word((thread or 0) + _GUARD)
            except DebuggerError:
                continue
            yield (mixed >> _ROTATED | mixed << 64 - _ROTATED) & (1 << 64) - 1 ^ guard
