"""What cannot be in a core that is whole: a signal that the registers did not cause, callers that did not call."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import pytest

from fingdb.debugger.fake import FakeDebugger
from fingdb.debugger.interface import SIGNAL_HANDLER, Module, NativeThread, SignalInfo, TargetInfo, TargetKind
from fingdb.findings.case import Case
from fingdb.findings.contradictions import _without_state, contradictions
from fingdb.findings.culprit import NO_FILE
from fingdb.findings.judgement import CERTAIN, Judgement
from fingdb.findings.standing import Standing
from fingdb.model.phase import Phase
from fingdb.model.report import Culprit, Interpreter, NativeFrame, PythonFrame, Thread

TEXT, HEAP, STACK = 0x400000, 0x500000, 0x7FFF0000
LIBRARY = "/lib/libx.so"
#: mov 0x10(%rdi),%rax; call *%rax; syscall; nop ...
CODE = bytes.fromhex("488b4710") + bytes.fromhex("ffd0") + bytes.fromhex("0f05") + b"\x90" * 100
AFTER_CALL, AFTER_SYSCALL, NOWHERE = TEXT + 6, TEXT + 8, TEXT + 0x30


def core_file(path: Path) -> str:
    """Write the headers of a core that maps code, a heap and a stack."""
    segments = [(5, TEXT, 4096), (6, HEAP, 4096), (6, STACK, 65536)]
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    rows = [struct.pack("<IIQQQQQQ", 1, flags, 4096, at, 0, 0, size, 4096) for flags, at, size in segments]
    path.write_bytes(head + b"".join(rows))
    return str(path)


class World:
    def __init__(self, path: Path) -> None:
        self.debugger = FakeDebugger()
        self.debugger.info = TargetInfo(TargetKind.CORE, "/bin/x", 1000, core_file(path / "core"), "SIGSEGV")
        self.debugger.native_threads = [NativeThread(1, 1000, 1000, None, True)]
        self.debugger.map(TEXT, CODE)
        self.registers: Dict[str, int] = {"rip": TEXT, "rdi": 0, "rsp": STACK}
        self.frames = [frame(0, TEXT), frame(1, AFTER_CALL), frame(2, AFTER_CALL, "main")]
        self.signal: Optional[SignalInfo] = SignalInfo("SIGSEGV", 1, 0x10)

    def is_complete(self) -> bool:
        self.debugger.stacks[1] = self.frames
        case = Case(self.debugger, None, None, [])
        return case.is_complete(case.tasks()[0])

    def said(self, judgement: Optional[Judgement] = None) -> List[str]:
        self.debugger.signal = self.signal
        self.debugger.stacks[1] = self.frames
        self.debugger.register = lambda _id, _level, name: self.registers.get(name)  # type: ignore[method-assign]
        case = Case(self.debugger, None, None, [])
        judgement = judgement or Judgement("not-finalization", "", CERTAIN)
        return contradictions(case, Standing(Phase.RUNNING), judgement, case.tasks())


def frame(level: int, pc: int, function: str = "work", inlined: bool = False) -> NativeFrame:
    return NativeFrame(level, pc, STACK + 64 * level, function, LIBRARY, None, None, inlined)


@pytest.fixture()
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_whole_core(world: World) -> None:
    assert world.said() == []
    world.registers["rdi"] = 0xDEAD0000
    world.signal = SignalInfo("SIGSEGV", 1, 0xDEAD0010)
    assert world.said() == []


def test_a_fault_that_the_instruction_did_not_make(world: World) -> None:
    world.registers["rdi"] = 0x9000
    (said,) = world.said()
    assert "0x10 failed" in said and "is for 0x9010" in said
    world.registers["rip"] = TEXT + 8
    assert "touches no memory" in world.said()[0]


def test_a_program_counter_that_the_signal_does_not_know(world: World) -> None:
    world.registers["rip"] = HEAP
    assert "where no code can be" in world.said()[0]
    # But a call through a bad pointer is a fault at that address.
    world.registers["rip"] = 0xBAD000
    world.signal = SignalInfo("SIGSEGV", 1, 0xBAD000)
    assert world.said() == []


def test_a_fault_in_memory_that_is_there(world: World) -> None:
    world.registers["rdi"] = HEAP
    world.signal = SignalInfo("SIGSEGV", 1, HEAP + 0x10)
    assert "nothing is mapped there, but something is" in world.said()[0]
    world.signal = SignalInfo("SIGSEGV", 2, HEAP + 0x10)  # no right to it
    assert world.said() == []


def test_an_address_that_cannot_be(world: World) -> None:
    world.signal = SignalInfo("SIGSEGV", 128, 0)
    world.registers["rdi"] = 0xDDDDDDDDDDDDDDDD
    assert world.said() == []
    world.registers["rdi"] = HEAP
    assert "the processor refused" in world.said()[0]


def test_abort_is_a_system_call(world: World) -> None:
    world.signal = SignalInfo("SIGABRT", -6, None, 1000)
    world.registers["rip"] = NOWHERE
    assert "in no system call" in world.said()[0]
    world.registers["rip"] = AFTER_SYSCALL
    assert world.said() == []
    world.registers["rip"] = TEXT
    world.signal = SignalInfo("SIGABRT", 0, None, 999)  # of another process: anywhere
    assert world.said() == []


def test_callers_have_called(world: World) -> None:
    world.frames[1] = frame(1, NOWHERE, "stray")
    (said,) = world.said()
    assert "frame 1 (stray) is not behind a call" in said
    # What a signal interrupted was not called; neither was what was inlined into the innermost function.
    world.frames = [frame(0, TEXT), frame(1, AFTER_CALL, SIGNAL_HANDLER), frame(2, NOWHERE), frame(3, AFTER_CALL)]
    world.debugger.native_threads = [NativeThread(1, 1000, 1000, None, False)]
    assert world.said() == []
    world.frames = [frame(0, TEXT, "inner", True), frame(1, TEXT, "outer"), frame(2, AFTER_CALL, "main")]
    assert world.said() == []


def test_the_culprit_has_a_file(world: World) -> None:
    culprit = Culprit("0x1234", None, None, NO_FILE)
    assert "no mapped file" in world.said(Judgement("not-finalization", "", CERTAIN, culprit=culprit))[0]
    # An unloaded library's handler is what that verdict is about.
    assert world.said(Judgement("late-exit-handler", "", CERTAIN, culprit=culprit)) == []


def test_a_process_that_lives_is_not_judged(world: World) -> None:
    world.registers["rdi"] = 0x9000
    world.debugger.info = TargetInfo(TargetKind.LIVE, "/bin/x", 1000)
    assert world.said() == []


def test_system_calls(world: World) -> None:
    # mov $0xca,%eax; syscall
    world.debugger.map(TEXT, bytes(16) + bytes.fromhex("b8ca000000" "0f05") + bytes(64))
    world.signal = None
    world.registers.update(rip=TEXT + 23, orig_rax=202, rdi=HEAP)
    world.frames = [frame(0, TEXT + 23, "main")]
    assert world.said() == []
    world.registers["orig_rax"] = 219  # restarted by the kernel
    assert world.said() == []
    world.registers["orig_rax"] = 0
    assert "in system call 0, but its code" in world.said()[0] and "makes call 202" in world.said()[0]
    world.registers.update(orig_rax=202, rdi=0x1230000)
    assert "where none can be" in world.said()[0]


def test_where_stacks_end(world: World) -> None:
    assert world.is_complete()
    world.frames = [frame(0, TEXT), frame(1, AFTER_CALL, "")]
    assert not world.is_complete()
    # The program has no symbols, and so no `_start`.
    world.frames = [frame(0, TEXT), frame(1, AFTER_CALL, "__libc_start_main_impl"), frame(2, AFTER_CALL, "")]
    assert world.is_complete()


def test_the_runtime(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(flags: Tuple[bool, bool, int], standing: Standing, *states: Tuple[int, int]) -> List[str]:
        monkeypatch.setattr("fingdb.findings.contradictions.runtimes.flags", lambda _python, _problems: flags)
        monkeypatch.setattr("fingdb.findings.contradictions.runtimes.interpreter_addresses", lambda _python, _problems: [])
        threads = [Thread(address, 1, native, None, None, False) for address, native in states]
        interpreters = [Interpreter(0, 0x9000, True, False, threads)] if states else []
        case = Case(world.debugger, None, None, interpreters)
        case.python = case.runtime = object()  # type: ignore[assignment]
        case.tasks = list  # type: ignore[method-assign]
        judgement = Judgement("not-finalization", "", CERTAIN)
        return contradictions(case, standing, judgement, [])

    state = (0xA000, 1000)
    running, teardown = Standing(Phase.RUNNING), Standing(Phase.MODULE_TEARDOWN, finalizer=1000)
    assert said((True, True, 0), running, state) == []
    assert said((False, False, 0xA000), teardown, state) == []
    assert "initialized and that it finalizes" in said((True, True, 0xA000), teardown, state)[0]
    assert "initialized and that it has no interpreter" in said((True, True, 0), running)[0]
    assert "belongs to no interpreter" in said((False, False, 0xB000), teardown, state)[0]
    assert "thread 1001 finalizes, the stacks say 1000" in said((False, False, 0xB000), teardown, state, (0xB000, 1001))[0]
    # Its thread state goes before its interpreter does.
    assert said((False, False, 0xB000), Standing(Phase.INTERPRETER_DELETE, finalizer=1000), state) == []
    never = Standing(Phase.RUNNING, ever_initialized=False)
    assert said((False, False, 0), never) == []
    world.debugger.files = [Module("/usr/lib/python3.11/lib-dynload/_ctypes.so", 0, None, ())]
    assert "never initialized" in said((False, False, 0), never)[0]


def test_a_thread_whose_state_names_another(world: World) -> None:
    world.debugger.stacks[1] = world.frames
    state = Thread(0xA000, 1, 1000, None, None, False)
    case = Case(world.debugger, None, None, [Interpreter(0, 0x9000, True, False, [state])])
    (task,) = case.tasks()
    assert _without_state(case) == []
    task.state, task.rows = None, [[PythonFrame("work", "x.py", 1)]]
    assert _without_state(case) == []  # another thread's, made by this one: every state has its thread
    state.native_id = 999
    (said,) = _without_state(case)
    assert "LWP 1000 runs Python code, and no thread state is its own; the one at 0xa000 is of no thread" in said
    task.rows = []
    assert _without_state(case) == []
