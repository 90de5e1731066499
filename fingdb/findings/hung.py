"""Threads that CPython has put to sleep for ever, by the code they sleep in: also where no function has a name."""

from __future__ import annotations

from ..debugger.interface import Debugger, DebuggerError
from .case import Case, Task
from .culprit import PLUMBING, RUNTIME, origin_of

#: Where CPython, from late releases of 3.13 on, puts threads to sleep that ask for the GIL after finalization has begun.
HUNG = ("PyThread_hang_thread",)
#: What it calls in a loop that has no end (Python/thread_pthread.h).
SLEEP = "pause"
#: Bytes of a call instruction: one with a distance, one through a table.
_CALLS = (5, 6)


def is_hung(case: Case, task: Task, in_pause: bool) -> bool:
    """Tell whether CPython has put a thread to sleep for ever; ``in_pause`` says that it is in that system call."""
    if task.calls(*HUNG) is not None:
        return True
    if not in_pause:
        return False
    frame = next((f for f in task.frames if not f.inlined and origin_of(f) != PLUMBING), None)
    return frame is not None and origin_of(frame) == RUNTIME and returns_to_the_call(case.debugger, frame.pc)


def returns_to_the_call(debugger: Debugger, address: int) -> bool:
    """Tell whether the code at a return address jumps straight back to the call: a loop without an end (x86-64)."""
    try:
        code = debugger.read(address, 5)
    except DebuggerError:
        return False
    if code[0] == 0xEB:
        target = 2 + int.from_bytes(code[1:2], "little", signed=True)
    elif code[0] == 0xE9:
        target = 5 + int.from_bytes(code[1:5], "little", signed=True)
    else:
        return False
    return -target in _CALLS
