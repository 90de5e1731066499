"""Where a process stands in its finalization: phase, steps, and what the runtime's own state says to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, List, Optional

from ..cpython import runtime as runtimes
from ..cpython.quick import module_count
from ..cpython.target import PythonTarget
from ..debugger.interface import DebuggerError
from ..finalization import catalogue
from ..finalization.adopt import adopt, function_of
from ..finalization.functions import base_name
from ..finalization.position import container_of
from ..finalization.reach import can_lead, leading_to
from ..finalization.runtime_module import NoPlan
from ..finalization.steps import step_states, what_ends
from ..finalization.trace import DONE, RUNNING, UNKNOWN, StepRun, Trace
from ..model.phase import PHASES, Phase
from ..model.plan import SOURCES, PlanStep
from ..model.report import StepState
from .case import Case, Task
from .culprit import PROGRAM, REPORTING, RUNTIME, origin_of
from .deep import complete_stack
from .late_calls import MAIN_PROGRAM

#: What "after which step" says when the whole finalization is behind.
WHOLE = "Py_FinalizeEx"
#: Steps that run only under a condition that is rarely true (PYTHONMALLOCSTATS, -X showrefcount, -X tracemalloc):
#: that they are behind does not say that they ran.
RARE: FrozenSet[str] = frozenset(
    {
        "_PyObject_DebugMallocStats", "_PyDebug_PrintTotalRefs", "_Py_PrintReferences", "_Py_PrintReferenceAddresses",
        "_PyGC_Dump", "tracemalloc_stop", "_PyTraceMalloc_Stop", "gc_fini_untrack", "_PyStaticCode_Dealloc",
        "_PyStaticCode_Fini", "fini_static_type", "Py_EndInterpreter",
    }
)  # fmt: skip
_EARLY: FrozenSet[Phase] = frozenset({Phase.RUNNING, Phase.THREAD_SHUTDOWN, Phase.ATEXIT})


@dataclass
class Standing:
    """Where the process stands.

    ``after_step`` is the last step that is done, ``running`` the innermost that runs; ``finalizer`` the
    native id of the thread that finalizes (0: none does). ``ever_initialized`` is False for a runtime that was
    never started.
    """

    phase: Phase
    steps: List[StepState] = field(default_factory=list)
    after_step: Optional[str] = None
    running: Optional[str] = None
    finalizer: int = 0
    kind: str = "main"
    traces: List[Trace] = field(default_factory=list)
    ever_initialized: bool = True
    notes: List[str] = field(default_factory=list)
    #: False when only the runtime's state tells the phase, no stack.
    from_stack: bool = True
    #: False when nothing tells whether finalization has begun.
    known: bool = True
    #: True when nothing but a function registered with Py_AtExit can be what runs, though no name says so.
    exit_function: bool = False
    #: True when the runtime's state says otherwise.
    contradicted: bool = False

    @property
    def whole(self) -> bool:
        """Whether the interpreter is still complete: nothing was taken away from it yet."""
        return self.phase in _EARLY

    @property
    def between(self) -> bool:
        """Whether finalization takes the interpreter apart now."""
        return not self.whole and self.phase is not Phase.AFTER_FINALIZE


@dataclass
class Witness:
    """What the runtime's own state says: the phases that go with it, and in words why."""

    phases: FrozenSet[Phase]
    words: str
    initialized: Optional[bool] = None
    finalizing: Optional[int] = None
    interpreters: int = 0


def stand(case: Case) -> Standing:
    """Return where the target stands. Never raises."""
    witness = _witness(case.python)
    traces = _traces(case)
    if traces:
        standing = _from_traces(case, traces)
    else:
        standing = _from_state(case, witness)
    if witness is not None and witness.finalizing and standing.whole and standing.kind == "main" and traces:
        # 3.8 sets the flag with a plain store, which is no step that a stack could show.
        standing.phase = Phase.DAEMON_THREADS
    if witness is not None and traces and standing.kind == "main" and _names_are_few(case):
        # Steps that nobody can see lie behind the last one that has a name: the phase is that or a later one.
        standing.notes.append(
            "steps whose functions have no names cannot be seen: others may have run since the last one that is told, "
            "and the phase may be a later one"
        )
        if witness.interpreters == 0 and standing.between and _calls_exit_function(case, standing):
            standing.phase, standing.exit_function = Phase.EXIT_FUNCTIONS, True
        later = [phase for phase in witness.phases if phase.rank > standing.phase.rank and phase is not Phase.AFTER_FINALIZE]
        if later and standing.phase not in witness.phases:
            standing.phase = min(later, key=lambda phase: phase.rank)
    if witness is not None and standing.phase not in witness.phases and standing.kind == "main":
        standing.contradicted = True
        standing.notes.append(
            f"the stack says {standing.phase}, but the runtime's own state ({witness.words}) goes with "
            f"{_words(witness.phases)}: one of the two is damaged, or the build is not the one that ran"
        )
    return standing


def _calls_exit_function(case: Case, standing: Standing) -> bool:
    """Tell whether the function that finalizes has called other people's code, itself or by one function without a name.

    call_ll_exitfuncs() of Python/pylifecycle.c does so when the interpreter is gone.
    """
    task = case.by_native_id(standing.finalizer)
    frames = [frame for frame in task.frames if not frame.inlined] if task is not None else []
    roots = catalogue.roots()
    runtime = case.runtime
    own = [i for i, f in enumerate(frames) if runtime is not None and origin_of(f) == RUNTIME]
    at = next((i for i in own if runtime and roots.get(function_of(runtime, frames[i]) or "") == "main"), None)
    inner = frames[:at] if at is not None else []
    if inner and origin_of(inner[-1]) == RUNTIME and inner[-1].function is None:
        inner.pop()
    return bool(inner) and origin_of(inner[-1]) == PROGRAM


def _names_are_few(case: Case) -> bool:
    """Tell whether the plan has only those steps whose functions a stripped build exports."""
    return case.runtime is not None and case.runtime.plan().source == SOURCES[0]


# -- from the frames ------------------------------------------------------------------------------
def _traces(case: Case) -> List[Trace]:
    if case.runtime is None:
        return []
    try:
        plan = case.runtime.plan()
    except (NoPlan, DebuggerError) as error:
        case.problems.append(str(error))
        return []
    for task in case.tasks():
        frames = complete_stack(case, plan, task.native, task.frames)
        if frames is not None:
            case.still.replace(task.native.debugger_id, frames)
    try:
        return [trace for trace, _returns in adopt(case.debugger, case.runtime)]
    except DebuggerError as error:
        case.problems.append(str(error))
        return []


def _from_traces(case: Case, traces: List[Trace]) -> Standing:
    selected = case.selected()
    own = [t for t in traces if selected is not None and t.thread == selected.native.native_id]
    # The innermost finalization of the thread that crashed; else the main interpreter's.
    mains = [t for t in traces if t.kind == "main"]
    trace = own[-1] if own else (mains or traces)[-1]
    standing = Standing(trace.phase, traces=traces, finalizer=trace.thread, kind=trace.kind)
    _unreach(case, trace)
    for each in traces:
        for run in each.root.walk():
            if run.state == DONE and run.name in RARE:
                run.state = UNKNOWN
        standing.steps.extend(step_states(each))
    standing.after_step, standing.running = last_done(trace), _running(trace)
    standing.phase = trace.phase
    if trace.kind == "subinterpreter":
        standing.notes.append("what ends is a subinterpreter, not the whole runtime")
    return standing


def _unreach(case: Case, trace: Trace) -> None:
    """Take back the steps that cannot have led to a fatal error which the finalizing function itself reports."""
    task = case.by_native_id(trace.thread)
    open_runs = [r for r in trace.root.walk() if r.state == RUNNING and r.thread == trace.thread and not r.inlined]
    if task is None or case.runtime is None or not open_runs or open_runs[-1].node is None:
        return
    frames = [f for f in task.frames if not f.inlined]
    reporting = [i for i, f in enumerate(frames) if f.function and base_name(f.function) in REPORTING]
    if not reporting or reporting[-1] + 1 >= len(frames):
        return
    caller, run = frames[reporting[-1] + 1], open_runs[-1]
    if not caller.function or base_name(caller.function) != run.name or run.node is None or not run.node.children:
        return
    plan, bias = case.runtime.plan(), case.runtime.bias
    container = container_of(plan, run.node.children, caller.pc - bias - 1)
    if container is None:
        return
    reached = leading_to(case.debugger, plan, case.runtime.functions, bias, container, caller.pc - bias - 1)
    if not reached:
        return
    run.children = [c for c in run.children if c.state != DONE or c.node is None or can_lead(c.node, container, reached)]
    trace.phase = max((r.phase for r in trace.root.walk()), key=lambda p: p.rank)


def last_done(trace: Trace) -> Optional[str]:
    """Return the step that was done last in a finalization, None when none was."""
    last: Optional[StepRun] = None
    for run in trace.root.walk():
        if run.state == DONE and run.thread == trace.thread:
            last = run
    return last.name if last is not None else None


def _running(trace: Trace) -> Optional[str]:
    open_runs = [run for run in trace.root.walk() if run.state == RUNNING and run.thread == trace.thread]
    return open_runs[-1].name if open_runs else None


# -- from the runtime's state ---------------------------------------------------------------------
def _witness(python: Optional[PythonTarget]) -> Optional[Witness]:
    if python is None:
        return None
    problems: List[str] = []
    initialized, _core, finalizing = runtimes.flags(python, problems)
    interpreters = runtimes.interpreter_addresses(python, problems)
    if problems:
        return None
    if initialized is None and finalizing is None:
        return None
    words = f"initialized {_flag(initialized)}, finalizing {_flag(bool(finalizing))}, {len(interpreters)} interpreters"
    witness = Witness(frozenset(), words, initialized, finalizing, len(interpreters))
    if not interpreters:
        late = {Phase.TYPE_TEARDOWN, Phase.INTERPRETER_DELETE, Phase.EXIT_FUNCTIONS, Phase.AFTER_FINALIZE}
        witness.phases = frozenset(late if finalizing or initialized is False else {Phase.RUNNING})
        if not finalizing:
            witness.phases |= {Phase.RUNNING}
        return witness
    if not finalizing:
        witness.phases = _EARLY | {Phase.DAEMON_THREADS}
        return witness
    if not python.layout.has("interp.modules"):
        witness.phases = _from(Phase.DAEMON_THREADS) - {Phase.AFTER_FINALIZE}
        return witness
    left = module_count(python, interpreters[0])
    if left is None:
        # sys.modules is gone: from the end of module teardown on.
        witness.phases = _from(Phase.MODULE_TEARDOWN) - {Phase.AFTER_FINALIZE}
        witness.words += ", sys.modules gone"
    else:
        witness.phases = frozenset({Phase.DAEMON_THREADS, Phase.MODULE_TEARDOWN, Phase.INTERPRETER_CLEAR})
        witness.words += f", {left} modules"
    return witness


def _from(first: Phase) -> FrozenSet[Phase]:
    return frozenset(p for p in PHASES if p.rank >= first.rank)


def _flag(value: Optional[bool]) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _words(phases: FrozenSet[Phase]) -> str:
    return " or ".join(p.value for p in PHASES if p in phases)


def _from_state(case: Case, witness: Optional[Witness]) -> Standing:
    """Return where the process stands when no stack shows a finalization."""
    if witness is None:
        standing = Standing(Phase.RUNNING, from_stack=False, known=False)
        standing.notes.append("no stack shows a finalization, and the runtime's state cannot be read")
        return standing
    if witness.interpreters == 0 and witness.finalizing:
        if _is_inside_nameless(case):
            standing = Standing(min(witness.phases, key=lambda p: p.rank), from_stack=False)
            standing.notes.append(
                f"the interpreter is gone ({witness.words}), but a function without a name that the interpreter's main "
                f"program called still runs: the phase is {_words(witness.phases)}, and which steps ran is not known"
            )
            return standing
        standing = Standing(Phase.AFTER_FINALIZE, after_step=WHOLE)
        standing.steps = _all_done(case)
        return standing
    if witness.interpreters == 0:
        return Standing(Phase.RUNNING, ever_initialized=False)
    if not witness.finalizing:
        return Standing(Phase.RUNNING)
    standing = Standing(min(witness.phases, key=lambda p: p.rank), from_stack=False)
    thread = case.by_state(witness.finalizing)
    standing.finalizer = thread.native.native_id if thread is not None else 0
    standing.notes.append(
        f"the runtime says that it finalizes ({witness.words}), but no stack shows a function that does: "
        f"the phase is {_words(witness.phases)}, and which steps ran is not known"
    )
    return standing


def _is_inside_nameless(case: Case) -> bool:
    """Tell whether the main program waits for a function without a name in the runtime, perhaps the one that finalizes."""
    path = case.runtime.module.path if case.runtime is not None else ""
    for task in case.tasks():
        frames = [frame for frame in task.frames if not frame.inlined]
        for inner, outer in zip(frames, frames[1:]):
            if outer.function and base_name(outer.function) in MAIN_PROGRAM and inner.function is None and inner.library == path:
                return True
    return False


def _all_done(case: Case) -> List[StepState]:
    """Return the plan of the main interpreter's finalization with every step done."""
    if case.runtime is None:
        return []
    try:
        plan = case.runtime.plan()
    except DebuggerError as error:
        case.problems.append(str(error))
        return []
    kinds = catalogue.roots()
    listed: List[StepState] = []
    for root in plan.roots:
        if kinds.get(root.name) == "main" and root.children:
            _list(root, None, 0, case.target.pid, listed)
            break
    return listed


def _list(step: PlanStep, parent: Optional[str], depth: int, pid: int, listed: List[StepState]) -> None:
    state = UNKNOWN if step.name in RARE else DONE
    ends = what_ends(step.name)
    listed.append(
        StepState(step.name, step.phase.value, state, parent, 0, step.inlined, 1, depth, 1, pid, 0, ends)
    )
    for child in step.children:
        _list(child, step.name, depth + 1, pid, listed)


def finalizing_task(case: Case, standing: Standing) -> Optional[Task]:
    """Return the thread that finalizes, or, when none does any more, the process's first thread."""
    if standing.finalizer:
        return case.by_native_id(standing.finalizer)
    return case.by_native_id(case.target.pid)
