"""`diagnose`: the report on a core, a stopped process, or one that hangs."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

from ..cpython.interpreter import read_interpreters
from ..cpython.target import NoLayout, PythonTarget
from ..debugger.interface import Debugger, DebuggerError, Interrupted, MemoryFault, TargetKind
from ..debugger.x86_64 import TRAPS
from ..finalization.runtime_module import RuntimeModule, find_runtime
from ..model.phase import Phase
from ..model.report import PythonBuild, Report, Target
from .case import Case
from .crash import judge_crash
from .hang import judge_hang
from .judgement import POSSIBLE, Judgement
from .soundness import temper
from .sources import told_by
from .standing import Standing, stand
from .waits import Waits

Answer = TypeVar("Answer")

#: Signals that end a process with a core because of what it did itself.
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP")


def diagnose(
    debugger: Debugger, python: Callable[[], PythonTarget], notes: Sequence[str] = (), own_trap: bool = False
) -> Report:
    """Return the report on the debugger's core or process, with one verdict.

    ``python`` gives the CPython of the target, or raises DebuggerError with the reason why there is none;
    ``notes`` are sentences of the caller's for the report; with ``own_trap`` a SIGTRAP is the caller's own (of its
    timer), and none of the program's. Raises DebuggerError when there is no CPython at all in the target, Interrupted
    on Control-C, and nothing else: what cannot be read becomes a note.
    """
    runtime, target, sentences, missing = _find(debugger, python)
    told: List[str] = [*notes, *sentences]
    if target is not None and target.gap:
        told.append(target.gap)
    interpreters = read_interpreters(target, stacks=False, gc=True, objects=False, problems=told) if target else []
    case = Case(debugger, target, runtime, interpreters)
    if own_trap and case.signal is not None and case.signal.name == "SIGTRAP":
        case.signal, case.target = None, case.target._replace(signal=None)
    standing = _guarded(case, "where the process stands", lambda: stand(case), lambda: Standing(Phase.RUNNING, from_stack=False))
    info = case.target
    kind = {TargetKind.CORE: "core", TargetKind.LIVE: "live"}.get(info.kind, info.kind.value)
    # The debugger does not know the signal where the process stopped before it was asked to look.
    signal = info.signal or (case.signal.name if case.signal is not None and crashed(case) else None)
    report = Report(
        Target(kind, info.executable or "", info.pid, info.core, signal), standing.phase.value,
        target.build if target is not None else None,
    )
    judgement = _guarded(case, "the verdict", lambda: _judge(case, standing), _no_verdict)
    if _rests_on_names(case, judgement):
        judgement.doubt()
        judgement.evidence.append(_less_sure(case, judgement.confidence))
    elif case.nameless and judgement.confidence == POSSIBLE:
        judgement.evidence.append(_less_sure(case, POSSIBLE))
    _guarded(case, "how sure that is", lambda: told.extend(temper(case, standing, judgement)), judgement.give_up)
    _add_stacks(case)
    orphans: List[Tuple[Dict[str, object], str]] = []
    _guarded(case, "threads without a thread state", lambda: orphans.extend(orphaned(case, standing.whole)), lambda: None)
    if orphans:
        report.extra["threads_without_state"] = [thread for thread, _words in orphans]
        told.extend(words for _thread, words in orphans)
    report.extra["brief"] = "verdict"
    if target is None and runtime is not None and missing is not None:
        report.python = missing
    if report.python is not None:
        report.python.sources = told_by(report.python, runtime)
    report.steps = standing.steps
    report.interpreters = interpreters
    report.findings = judgement.findings(standing)
    report.verdict = judgement.verdict(standing)
    report.notes = list(dict.fromkeys([*told, *standing.notes, *case.problems]))
    return report


def _find(
    debugger: Debugger, python: Callable[[], PythonTarget]
) -> Tuple[Optional[RuntimeModule], Optional[PythonTarget], List[str], Optional[PythonBuild]]:
    """Return the runtime's file and what reads it, or why it cannot be read and which build it is.

    Raises DebuggerError without any.
    """
    try:
        runtime = find_runtime(debugger)
    except DebuggerError:
        runtime = None
    try:
        return runtime, python(), [], None
    except DebuggerError as error:
        if runtime is None:
            raise
        return runtime, None, [str(error)], error.build if isinstance(error, NoLayout) else None


def _guarded(case: Case, what: str, work: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
    """Return what ``work`` gives; damaged memory that nobody reckoned with costs the answer, not the report."""
    try:
        return work()
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - a report with a gap is better than none
        if os.environ.get("FINGDB_DEBUG"):
            raise
        case.problems.append(f"{what} could not be told: {type(error).__name__}: {error}")
        return otherwise()


#: Verdicts that hold good whatever names a build has: what they rest on are libc's frames and locks, and the signal.
_PLAIN = (
    "late-exit-handler", "late-thread", "stack-overflow", "fatal-error", "gil-deadlock", "not-finalization", "unknown"
)


def _rests_on_names(case: Case, judgement: Judgement) -> bool:
    """Tell whether a build without names may hide what would have led to another verdict."""
    if not case.nameless or judgement.kind in _PLAIN:
        return False
    # Foreign code with a name is as good a culprit as ever where the heap itself was damaged.
    return judgement.kind not in ("memory-corruption", "stale-module-state") or judgement.culprit is None


def _less_sure(case: Case, confidence: str) -> str:
    """Return why a verdict on a build without names is not surer, a sentence."""
    library = os.path.basename(case.runtime.module.path) if case.runtime is not None else "CPython"
    return (
        f"No more than {confidence}, for {library} has no debug information: most of its functions have no names, and what "
        "they do cannot be told"
    )


def _no_verdict() -> Judgement:
    return Judgement("unknown", "What happened could not be told from this memory.", POSSIBLE)


def orphaned(case: Case, whole: bool = False) -> List[Tuple[Dict[str, object], str]]:
    """Return the threads that run Python code without a thread state, each as plain data and in one sentence.

    Finalization deletes the thread states of daemon threads; what they were at is on their C stacks still. ``whole``:
    it has not come so far.
    """
    why = "has no thread state" if whole else "has no thread state any more, finalization has deleted it"
    waits: Optional[Waits] = None
    found: List[Tuple[Dict[str, object], str]] = []
    for task in case.tasks():
        if task.state is not None or not task.rows:
            continue
        waits = waits or Waits(case)
        wait = waits.of(task)
        stack = [{"function": f.function, "file": f.file, "line": f.line} for f in task.python]
        native_id = task.native.native_id
        found.append(({"native_id": native_id, "waits_for": wait.words, "python_stack": stack}, (
            f"{task.name} runs Python code and {why}: in "
            f"{task.python[0].function} ({task.python[0].file}:{task.python[0].line}), waits for {wait.words}"
        )))  # fmt: skip
    return found


def _add_stacks(case: Case) -> None:
    """Write the stacks that were read into the records of the threads."""
    for task in case.tasks():
        if task.state is not None:
            task.state.python_stack = task.python
            task.state.innermost = task.state.innermost or (task.frames[0] if task.frames else None)


def _judge(case: Case, standing: Standing) -> Judgement:
    if crashed(case):
        return judge_crash(case, standing)
    return judge_hang(case, standing)


def crashed(case: Case) -> bool:
    """Tell whether the process died of, or stopped at, something that it did itself.

    A signal that another process sent (kill -ABRT to get a core of a process that hangs) is no crash.
    """
    signal = case.signal
    if signal is None:
        return case.target.signal in _CRASHES
    if signal.name not in _CRASHES:
        return False
    if signal.code <= 0 and signal.sender is not None and signal.sender not in (0, case.target.pid):
        return False
    return signal.name != "SIGTRAP" or signal.code <= 0 or _trapped(case)


def _trapped(case: Case) -> bool:
    """Tell whether the program ran into an instruction of its own that traps (x86-64), also where that cannot be read.

    The kernel tells the same signal at breakpoints and steps of a debugger, and a core that gdb makes there has it too. But
    a debugger puts the program counter back to the instruction that its breakpoint stands for.
    """
    task = case.selected()
    if task is None or not task.frames:
        return True
    try:
        return case.debugger.read(task.frames[0].pc - 2, 2).endswith(TRAPS)
    except MemoryFault:
        return True
