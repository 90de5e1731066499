"""`pyfin status`: where the process stands, on one screen, in every state."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..cpython.interpreter import read_interpreters
from ..cpython.runtime import read_runtime
from ..cpython.target import NoPython, PythonTarget
from ..debugger.interface import DebuggerError, TargetInfo, TargetKind
from ..finalization.adopt import adopt
from ..finalization.runtime_module import RuntimeModule, find_runtime, runtime_library
from ..finalization.trace import Trace, place
from ..findings.sources import told_by
from ..model.phase import PHASES, Phase
from ..model.plan import PlanStep
from ..model.report import Interpreter, RuntimeState, Target
from ..model.status import PhaseProgress, Status
from ..report.records import encode
from .base import Command, Session, split
from .summary import print_json, summary_parser


class StatusCommand(Command):
    """Prints the status screen."""

    def run(self, words: str) -> None:
        """Print the status. Raises DebuggerError."""
        options = summary_parser("status").parse_args(split(words))
        status = read_status(self.session)
        if options.json:
            print_json(self.session, _document(status))
            return
        from ..report.status_text import render_status

        self.session.print(render_status(status, self.session.style(), self.session.width()))


def read_status(session: Session) -> Status:
    """Return where the debugger's target stands. Never fails for want of a program, process or Python."""
    info = session.debugger.target()
    if info.kind is TargetKind.NONE:
        return Status("none", hint=session.debugger.hints.program)
    if info.kind is TargetKind.STATIC:
        return _not_running(session, info)
    target = Target("core" if info.kind is TargetKind.CORE else "live", info.executable or "", info.pid,
                    info.core, info.signal)
    try:
        python = session.python()
    except NoPython as error:
        hint = '"pyfin start" goes on until there is one' if info.kind is TargetKind.LIVE else None
        return Status("no-python", target, notes=[str(error)], hint=hint)
    return _running(session, target, python)


def _document(status: Status) -> object:
    """Return the status as plain data, without what was not read: stacks, and a walk over all objects."""
    document = encode(status)
    for interpreter in document["interpreters"]:
        for thread in interpreter["threads"]:
            del thread["python_stack"], thread["innermost"]
        if interpreter["gc"] is not None:
            del interpreter["gc"]["types"], interpreter["gc"]["frozen"]
            for generation in interpreter["gc"]["generations"]:
                del generation["objects"]
    return document


def _not_running(session: Session, info: TargetInfo) -> Status:
    """Return the status of a program that does not run: not yet, or not any more."""
    executable = info.executable or ""
    exit_event = session.tracer.exit if session.has_tracer else None
    if exit_event is not None:
        target = Target("live", executable, exit_event.pid, None, exit_event.signal, exit_event.exit_code)
        status = Status("exited", target, hint='"pyfin start" runs the program again')
        traces = [t for t in session.tracer.traces if t.pid == exit_event.pid or not exit_event.pid]
        if traces:
            _add_last_step(status, traces[-1])
        else:
            status.notes.append("no finalization was seen before the process ended")
        return status
    status = Status("static", Target("live", executable))
    status.hint = '"pyfin start" runs it to the beginning of finalization'
    try:
        status.python = session.python().build
    except DebuggerError as error:
        library = runtime_library(executable) if executable else None
        if library is None:
            status.notes.append(str(error))
            status.hint = None
        elif library != executable:
            status.notes.append(f"its CPython is in {library}")
    return status


def _add_last_step(status: Status, trace: Trace) -> None:
    """Say in the status of a process that has ended how far its last finalization came."""
    status.cycle = trace.cycle
    status.phase = str(trace.phase)
    run = trace.running() if trace.ended != "returned" else None
    if run is not None:
        _add_step(status, trace)
        status.notes.append(f"the process ended in the middle of {run.name}")
    elif trace.ended == "returned":
        status.notes.append(f"{trace.root.name} had returned")


def _running(session: Session, target: Target, python: PythonTarget) -> Status:
    """Return the status of a process or core with a CPython in it."""
    notes: List[str] = []
    runtime = read_runtime(python)
    interpreters = read_interpreters(python, stacks=False, objects=False, problems=notes)
    under_way = _under_way(session, target, notes)
    trace = under_way[-1] if under_way else None
    state = _state(runtime, interpreters, trace)
    status = Status(state, target, python.build, runtime=runtime, interpreters=interpreters, notes=notes)
    if python.gap:
        notes.append(python.gap)
        python.build.sources = told_by(python.build, _runtime_of(session))
    for problem in runtime.problems:
        if problem not in notes:
            notes.append(problem)
    if state == "finalizing" and trace is not None:
        _add_step(status, trace)
        _add_phases(status, trace)
        if trace.kind == "subinterpreter":
            which = f"interpreter {trace.interpreter}" if trace.interpreter >= 0 else "a subinterpreter"
            notes.append(f"what ends is {which}, not the whole runtime")
        if trace.adopted:
            notes.append("it was under way when fingdb came: what ran before is told by the stack alone")
        status.hint = '"pyfin next" goes to the next step, "pyfin plan" shows all of them'
    elif state == "finalizing":
        notes.append("the runtime says that it finalizes, but no stack shows a function that does")
        status.phase = None
    else:
        status.phase = str(Phase.AFTER_FINALIZE if state == "finalized" else Phase.RUNNING)
        status.hint = None if state == "finalized" else '"pyfin start" goes to the beginning of finalization'
    if target.kind == "core":
        status.hint = None
    return status


def _runtime_of(session: Session) -> Optional[RuntimeModule]:
    try:
        return find_runtime(session.debugger)
    except DebuggerError:
        return None


def _state(runtime: RuntimeState, interpreters: List[Interpreter], trace: Optional[Trace]) -> str:
    """Return the state of the runtime, from the finalizations under way and from its own flags.

    `finalizing` keeps the thread state that finalized until the runtime is initialized again; that
    tells a runtime after its end from one before its beginning.
    """
    if trace is not None:
        return "finalizing"
    if runtime.initialized:
        return "finalizing" if runtime.finalizing and interpreters else "running"
    if runtime.initialized is None:
        # A build that does not tell: an interpreter that is there is taken for one that runs.
        if not interpreters:
            return "finalized" if runtime.finalizing else "before"
        return "finalizing" if runtime.finalizing else "running"
    if runtime.finalizing:
        return "finalizing" if interpreters else "finalized"
    return "before"


def _under_way(session: Session, target: Target, notes: List[str]) -> List[Trace]:
    """Return the finalizations under way, the outermost first, without setting a breakpoint."""
    if session.has_tracer and target.kind == "live":
        return [trace for trace in session.tracer.open if trace.pid == target.pid]
    try:
        runtime = find_runtime(session.debugger)
        return [trace for trace, _ in adopt(session.debugger, runtime)] if runtime is not None else []
    except DebuggerError as error:
        notes.append(str(error))
        return []


def _add_step(status: Status, trace: Trace) -> None:
    """Say which step runs, whose it is and what comes next."""
    status.phase, status.cycle = str(trace.phase), trace.cycle
    run = trace.running()
    if run is None:
        return
    status.step = run.name
    status.parent = run.parent.name if run.parent is not None else None
    k, n = place(trace, run)
    status.steps_done, status.steps_total = (k or None), (n or None)
    steps = _steps(trace)
    # The entry of the root is before its first step.
    following = k if k or run is trace.root else len(steps)
    status.following = steps[following].name if following < len(steps) else None


def _add_phases(status: Status, trace: Trace) -> None:
    """Say how far each phase is: a step counts as done when its place in the plan is behind."""
    steps = _steps(trace)
    done = max(0, (status.steps_done or 1) - 1)
    for phase in PHASES:
        if phase is Phase.RUNNING or phase is Phase.AFTER_FINALIZE:
            continue
        passed, total = _count(steps, done, phase)
        if not total and phase is not trace.phase:
            continue
        if phase.rank < trace.phase.rank:
            state = "done"
        else:
            state = "running" if phase is trace.phase else "pending"
        status.phases.append(PhaseProgress(phase.value, state, passed, total))


def _count(steps: List[PlanStep], done: int, phase: Phase) -> Tuple[int, int]:
    of_phase = [index for index, step in enumerate(steps) if step.phase is phase]
    return sum(1 for index in of_phase if index < done), len(of_phase)


def _steps(trace: Trace) -> List[PlanStep]:
    return list(trace.root.node.walk())[1:] if trace.root.node is not None else []


COMMAND = StatusCommand()
