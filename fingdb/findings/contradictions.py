"""What contradicts itself in a core: the signal and the registers, a stack and the code it leads through.

A whole core tells one story. Where the instruction that failed cannot have caused the signal, a caller's address
is not behind a call, or the runtime was never begun and yet its modules are loaded, something was changed after the
process had run, or before it crashed: what is read from there proves nothing.
"""

from __future__ import annotations

import re
from typing import List, Optional

from ..cpython import runtime as runtimes
from ..debugger.interface import SIGNAL_HANDLER, MemoryFault, SignalInfo, TargetKind
from ..finalization.functions import base_name
from ..model.phase import Phase
from .case import Case, Task
from .core_table import table_problems
from .culprit import NO_FILE
from .judgement import Judgement
from .operands import Reach, reach
from .standing import Standing

#: An access may be that much longer than its first byte, or begin a little before what failed.
_WIDTH = 64
#: The longest instruction.
_LONGEST = 15
_CANONICAL = 1 << 47
_PAGE = 4096
#: `si_code`: sent by tgkill(); the fault was in an address that is not mapped; the processor did not tell the address.
_SI_TKILL, _SEGV_MAPERR, _SI_KERNEL = -6, 1, 128
_SYSCALL = b"\x0f\x05"
#: Frames of one stack that are looked at.
_FRAMES = 400
#: Bytes before a `syscall` in which its number is loaded, and how: mov $NUMBER,%eax and xor %eax,%eax.
_BEFORE, _LOAD, _CLEAR = 20, 0xB8, b"\x31\xc0\x0f\x05"
#: What the kernel makes of some calls that a signal interrupted (restart_syscall), and what a thread in none has.
_RESTARTED, _NO_CALL, _FUTEX = 219, (1 << 64) - 1, 202
#: Files of extension modules: only an initialized Python loads them.
_EXTENSION = re.compile(r"/lib-dynload/|\.cpython-3\d+[^/]*\.so$|\.abi3\.so$")
#: Functions that run only when Python is, or was, initialized.
_RUNS = frozenset(("_PyEval_EvalFrameDefault", "Py_RunMain", "pymain_run_python", "_Py_Finalize", "Py_EndInterpreter"))


def contradictions(case: Case, standing: Standing, judgement: Judgement, tasks: List[Task]) -> List[str]:
    """Return what does not go together in a core, one sentence each; nothing for a process. Never raises.

    ``tasks`` are the threads that the judgement rests on.
    """
    if case.target.kind is not TargetKind.CORE:
        return []
    found = table_problems(case.target.core) if case.target.core else []
    found += _runtime(case, standing)
    if case.signal is not None and not case.handled:
        sentence = _signal(case, case.signal, case.selected())
        if sentence:
            found.append(sentence)
    for task in tasks:
        found.extend(sentence for sentence in (_not_called(case, task), _other_call(case, task)) if sentence)
    culprit = judgement.culprit
    if culprit is not None and culprit.library == NO_FILE and judgement.kind != "late-exit-handler":
        found.append(f"{culprit.function}, which is blamed, lies in no mapped file: what code that is cannot be told")
    return found


# -- the signal and the registers -------------------------------------------------------------------
def _signal(case: Case, signal: SignalInfo, task: Optional[Task]) -> str:
    """Return why the registers of the thread that died cannot have led to its signal, "" if they can."""
    if task is None:
        return ""
    pc = case.debugger.register(task.native.debugger_id, 0, "rip")
    if pc is None:
        return ""
    if signal.name == "SIGABRT" and signal.code == _SI_TKILL and signal.sender == case.target.pid:
        if _bytes(case, pc - 2, 2) in (_SYSCALL, b""):
            return ""
        return f"{task.name} is said to have raised {signal.name}, but it is in no system call at {pc:#x}"
    if signal.name not in ("SIGSEGV", "SIGBUS") or signal.code <= 0:
        return ""
    if signal.code == _SI_KERNEL or signal.address is None:
        return _not_canonical(case, task, pc)
    return _fault(case, signal, task, pc, signal.address)


def _fault(case: Case, signal: SignalInfo, task: Task, pc: int, address: int) -> str:
    said = f"{signal.name} says that the access to {address:#x} failed"
    if signal.code == _SEGV_MAPERR and signal.name == "SIGSEGV" and case.mappings.is_mapped(address):
        return f"{said} because nothing is mapped there, but something is"
    if pc <= address < pc + _LONGEST:
        return ""  # the fetch of the instruction itself
    if case.mappings.ranges and not case.mappings.may_hold_code(pc):
        return f"{said}, but the thread runs at {pc:#x}, where no code can be"
    touched = _touched(case, task, pc)
    if touched is None or any(_near(address, first) for first in touched.addresses):
        return ""
    where = " or ".join(f"{first:#x}" for first in touched.addresses)
    return f"{said}, but the instruction at {pc:#x} is for {where}" if where else (
        f"{said}, but the instruction at {pc:#x} touches no memory"
    )


def _touched(case: Case, task: Task, pc: int) -> Optional[Reach]:
    """Return what memory the instruction at a thread's ``pc`` is for, None if that cannot be told."""
    code = _bytes(case, pc, _LONGEST)
    return reach(code, pc, lambda name: case.debugger.register(task.native.debugger_id, 0, name)) if code else None


def _near(address: int, first: int) -> bool:
    return -_WIDTH <= address - first < _WIDTH or address % _PAGE == 0 and 0 <= address - first < _PAGE


def _not_canonical(case: Case, task: Task, pc: int) -> str:
    """Return why a general protection fault (no address is told) cannot be of the instruction, "" if it can."""
    touched = _touched(case, task, pc)
    if touched is None or not touched.plain or not touched.addresses:
        return ""
    if any(_CANONICAL - _WIDTH <= first < (1 << 64) - _CANONICAL for first in touched.addresses):
        return ""
    where = " or ".join(f"{first:#x}" for first in touched.addresses)
    return f"the processor refused an address that cannot be, but the instruction at {pc:#x} is for {where}"


def _other_call(case: Case, task: Task) -> str:
    """Return why a thread cannot be in the system call that its registers tell, "" if it can."""
    identity = task.native.debugger_id
    pc, number, first = (case.debugger.register(identity, 0, name) for name in ("rip", "orig_rax", "rdi"))
    if pc is None or number is None or _bytes(case, pc - 2, 2) != _SYSCALL:
        return ""
    code = _bytes(case, pc - _BEFORE, _BEFORE)
    loaded = 0 if code.endswith(_CLEAR) else None
    for at in range(len(code) - 7, -1, -1):
        if loaded is None and code[at] == _LOAD and code[at + 3 : at + 5] == b"\0\0":
            loaded = int.from_bytes(code[at + 1 : at + 5], "little")
    if loaded is not None and number not in (loaded, _RESTARTED, _NO_CALL):
        return f"{task.name} is said to be in system call {number}, but its code at {pc:#x} makes call {loaded}"
    if number == _FUTEX and first is not None and (first % 4 or case.mappings.is_mapped(first) is False):
        return f"{task.name} waits for a lock at {first:#x}, where none can be"
    return ""


# -- the runtime ------------------------------------------------------------------------------------
def _runtime(case: Case, standing: Standing) -> List[str]:
    """Return what the runtime's own state contradicts: itself, or what is loaded and runs."""
    if case.python is None or case.runtime is None:
        return []
    found: List[str] = []
    initialized, _core, finalizing = runtimes.flags(case.python, found)
    runtimes.interpreter_addresses(case.python, found)
    if found or initialized is None and finalizing is None:
        return found
    if not standing.ever_initialized and _was_used(case):
        found.append(
            "the runtime's state says that Python was never initialized, but its functions ran or its extension"
            " modules are loaded"
        )
    if initialized and (finalizing or not case.interpreters):
        also = "finalizes" if finalizing else "has no interpreter"
        found.append(f"the runtime's state says both that it is initialized and that it {also}")
    if finalizing and case.interpreters and standing.phase is not Phase.INTERPRETER_DELETE and standing.kind == "main":
        states = {thread.address: thread.native_id for i in case.interpreters for thread in i.threads}
        if finalizing not in states:
            found.append(f"the thread state that finalizes, {finalizing:#x}, belongs to no interpreter")
        elif standing.finalizer and states[finalizing] not in (0, standing.finalizer):
            found.append(
                f"the runtime's state says that thread {states[finalizing]} finalizes, the stacks say"
                f" {standing.finalizer}"
            )
    if standing.whole:
        found.extend(_without_state(case))
    return found


def _without_state(case: Case) -> List[str]:
    """Return the threads that run Python code without a thread state, when a state is of a thread that is not there.

    Only for a phase in which no thread state was deleted yet: the state's own thread id was changed.
    """
    there = {native.native_id for native in case.debugger.threads()}
    strays = [thread for i in case.interpreters for thread in i.threads if thread.native_id not in there]
    if not strays:
        return []
    return [
        f"{task.name} runs Python code, and no thread state is its own; the one at {strays[0].address:#x} is of no thread"
        for task in case.tasks() if task.state is None and task.rows
    ]


def _was_used(case: Case) -> bool:
    if any(_EXTENSION.search(module.path) for module in case.debugger.modules()):
        return True
    return any(frame.function and base_name(frame.function) in _RUNS for task in case.tasks() for frame in task.frames)


# -- stacks -----------------------------------------------------------------------------------------
def _not_called(case: Case, task: Task) -> str:
    """Return why a stack cannot be one: a caller that did not call, "" if there is none."""
    if case.debugger.register(task.native.debugger_id, 0, "rip") is None:
        return ""
    inner: Optional[str] = None
    for frame in task.frames[:_FRAMES]:
        if frame.inlined:
            continue
        # What a signal interrupted, or a handler returns to, was not called.
        called = frame.pc != task.frames[0].pc and SIGNAL_HANDLER not in (inner, frame.function) and frame.library
        inner = frame.function
        if called and not _behind_call(case, frame.pc):
            name = frame.function or f"{frame.pc:#x}"
            return f"the stack of {task.name} cannot be right: frame {frame.level} ({name}) is not behind a call"
    return ""


def _behind_call(case: Case, pc: int) -> bool:
    """Tell whether the instruction before ``pc`` can be a call; true if it cannot be read.

    Or a jump: debuggers show the caller of what was called last by one (a tail call) with the address behind that.
    E8, E9, EB, 7x, 0F 8x, and FF /2 or /4 of some length.
    """
    code = _bytes(case, pc - 7, 7)
    if len(code) < 7:
        return True
    if code[2] in (0xE8, 0xE9) or code[5] == 0xEB or code[5] & 0xF0 == 0x70 or code[1] == 0x0F and code[2] & 0xF0 == 0x80:
        return True
    return any(code[at] == 0xFF and code[at + 1] & 0x38 in (0x10, 0x20) for at in range(6))


def _bytes(case: Case, address: int, length: int) -> bytes:
    try:
        return case.debugger.read(address, length)
    except (MemoryFault, OverflowError, ValueError):
        return b""
