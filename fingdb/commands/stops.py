"""What is printed when the target stops during finalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional

from ..debugger.interface import DebuggerError, StopEvent
from ..finalization import catalogue
from ..finalization.goals import Stop, Until
from ..finalization.trace import StepRun, Trace, place
from ..model.phase import Phase
from ..model.plan import PlanStep
from ..model.stop import StopView
from .marks import marks_of
from .settings import value

if TYPE_CHECKING:
    from .base import Session

#: Signals after which a process does not go on by itself.
FATAL = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"}


class Announcer:
    """Prints the block of a stop; made once per session."""

    def __init__(self, session: "Session") -> None:
        from ..finalization.changes import Changes

        self._session = session
        self._changes = Changes(session.python)
        session.tracer.interpreter_of = self._changes.interpreter_of
        session.tracer.initialized = self._changes.initialized
        session.debugger.on_stop(self._stopped)

    def show(self) -> None:
        """Print the block of the tracer's stop."""
        stopped = self._session.tracer.stopped
        if stopped is not None:
            self._session.print(self._block(stop_view(self._session, stopped), stopped))

    def _stopped(self, event: StopEvent) -> None:
        tracer = self._session.tracer
        try:
            if tracer.stopped is not None:
                self.show()
            elif event.reason == "signal" and event.signal in FATAL and tracer.open:
                view = crash_view(tracer.open[-1], event.signal or "")
                self._session.print(self._block(view, None))
        except DebuggerError as error:
            self._session.print(f"fingdb: {error}")

    def _block(self, view: StopView, stop: Optional[Stop]) -> str:
        from ..report.step_block import render_stop

        new_phase = stop is not None and stop.new_phase
        view.changes.extend(self._changes.since_last(new_phase and bool(value("types-at-phases"))))
        if stop is not None:
            marks_of(self._session).at_stop(stop)
        return render_stop(view, self._session.style(), self._session.width())


def announce_stops(session: "Session") -> Announcer:
    """Print a block whenever the target stops at a step, from now on; return what does."""
    if session.announcer is None:
        session.announcer = Announcer(session)
    return session.announcer


def show_stop(session: "Session") -> None:
    """Print the block of a stop that needed no running of the target."""
    announce_stops(session).show()


def stop_view(session: "Session", stop: Stop) -> StopView:
    """Return what to show of a stop that the tracer asked for."""
    trace = stop.trace
    if stop.kind == "returned":
        goal = session.tracer.goal
        wanted = goal.target if isinstance(goal, Until) and goal.target != Phase.AFTER_FINALIZE.value else None
        return StopView(str(trace.phase), trace.root.name, event="end", interpreter=trace.interpreter, cycle=trace.cycle,
                        note=f"{wanted} did not come any more" if wanted else None)
    run = stop.run
    assert run is not None
    view = _view(trace, run)
    view.event = "end" if stop.kind == "end" else "begin"
    if stop.kind != "end":
        _add_source(session, view, run)
    if session.tracer.passed:
        names = ", ".join(session.tracer.passed)
        view.note = f"passed: {names} began at the very instruction of the last stop"
    return view


def crash_view(trace: Trace, signal: str) -> StopView:
    """Return what to show when a signal arrives while steps are open."""
    run = trace.running() or trace.root
    view = _view(trace, run)
    view.event, view.signal = "signal", signal
    return view


def _view(trace: Trace, run: StepRun) -> StopView:
    k, n = place(trace, run)
    row = catalogue.step_named(run.name)
    subsystem = catalogue.subsystem(row.ends) if row is not None and row.ends else None
    return StopView(
        str(run.phase if run is not trace.root else trace.phase),
        run.name,
        k=k or None,
        n=n or None,
        inlined=run.node.container.split(".", 1)[0] if run.inlined and run.node is not None else None,
        count=run.count,
        uncatalogued=row is None,
        elsewhere=run.node is None and trace.root.node is not None,
        ends=subsystem.title if subsystem is not None else None,
        gone=row.gone if row is not None else None,
        interpreter=trace.interpreter,
        cycle=trace.cycle,
        pid=trace.pid if trace.adopted else 0,
    )


def _add_source(session: "Session", view: StopView, run: StepRun) -> None:
    address = run.entry if run.entry is not None else _address(session, run.node)
    line = session.debugger.source_line(address) if address is not None else None
    if line is None:
        return
    view.file, view.line, view.current_line = line.file, line.line, line.line
    view.source = source_around(line.file, line.line, int(value("context")))


def _address(session: "Session", node: Optional[PlanStep]) -> Optional[int]:
    runtime = session.tracer.runtime
    return node.address + runtime.bias if node is not None and runtime is not None else None


def source_around(path: Optional[str], line: int, count: int) -> "List[tuple[int, str]]":
    """Return ``count`` numbered source lines with ``line`` among them; none if the file is not there."""
    if path is None or count <= 0:
        return []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 24).split("\n")
    except OSError:
        return []
    first = max(1, line - count // 2)
    return [(number, lines[number - 1]) for number in range(first, min(first + count, len(lines) + 1))]
