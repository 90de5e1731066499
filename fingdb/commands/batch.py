"""`pyfin batch`: one job of the `fingdb` program inside the debugger, its answer in a file."""

from __future__ import annotations

import gc
import json
import os
import signal as signals
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..debugger.interface import DebuggerError, StopEvent, TargetKind
from ..debugger.undertaker import Undertaker
from ..finalization.changes import Changes, Recorder
from ..finalization.goals import Goal
from ..finalization.steps import step_states
from ..finalization.trace import StepRun, Trace
from ..findings.exit_watch import ExitWatch
from ..model.phase import Phase
from ..model.report import Interpreter, PythonBuild, Report, Target
from .base import Command, Session

#: A program that handles its own SIGSEGV (a JIT does) is looked at this often, then left alone.
MOST_STOPS = 50
#: gdb fails to go on ("Couldn't get registers: No such process") when threads end while it stops them all.
MOST_STUMBLES = 5
#: Seconds after which the signal that stops a program whose time is over is sent again.
_SENT_AGAIN = 2.0


class BatchCommand(Command):
    """Runs the job that the words describe (JSON) and writes the result document.

    The document is a report with the keys ``exit`` and, when the job could not be done, ``error``.
    """

    def run(self, words: str) -> None:
        try:
            job: Dict[str, Any] = json.loads(words)
            result = str(job["result"])
        except (ValueError, KeyError, TypeError) as error:
            raise DebuggerError(f"pyfin batch: not a job: {error}") from None
        document: Dict[str, Any] = {}
        try:
            gc.freeze()  # what is imported by now stays: collections need not look at it again and again
            gc.set_threshold(20000, 20, 20)
            if job.get("executable"):
                self._take(str(job["executable"]), bool(job.get("known")))
            document = _job(str(job.get("mode", "run")))(self.session, job)
        except DebuggerError as error:
            document = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the launcher must get one sentence
            if os.environ.get("FINGDB_DEBUG"):
                raise
            document = {"error": f"fingdb failed: {type(error).__name__}: {error}"}
        finally:
            write_document(result, document)
        if job.get("mode") == "run" and "error" not in document:  # other jobs read symbols: gdb may be writing an index
            self.session.debugger.leave()

    def _take(self, executable: str, known: bool) -> None:
        """Take the executable to run, without its symbols if all is ``known`` that they tell, or can be learned."""
        debugger = self.session.debugger
        if known or self._learn(executable):
            debugger.postpone_symbols(executable)
        else:
            debugger.take(executable)

    def _learn(self, executable: str) -> bool:
        from .learn import learn

        return learn(self.session.debugger, executable)


def start_thread(thread: threading.Thread) -> None:
    """Start a thread that gets no signals: they are for the debugger, which waits for some in its own thread."""
    before = signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    try:
        thread.start()
    finally:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)


def _import_ahead() -> None:
    """Import what is needed once finalization begins, and is not before."""
    try:
        from ..cpython import interpreter  # noqa: F401
        from ..findings import sources  # noqa: F401
        from ..report import json_report  # noqa: F401
    except Exception:  # noqa: BLE001 - whoever needs them imports them again, and says what is wrong
        pass


def write_document(path: str, document: Dict[str, Any]) -> None:
    """Write JSON to ``path``, all of it or nothing; a device or pipe there stays what it is. Raises DebuggerError."""
    try:
        _write_document(path, document)
    except OSError as error:
        where = os.path.dirname(path)
        raise DebuggerError(f"cannot write the result into {where} (TMPDIR names another place): {error.strerror}") from None


def _write_document(path: str, document: Dict[str, Any]) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(document))
        return
    temporary = path + ".part"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps(document))  # not dump(): that is ten times slower
    os.replace(temporary, path)


class Walk:
    """A run of the program from its start to its end, with the finalizations followed."""

    #: Whether the end of every step must be noticed at once.
    exact_ends = False
    #: Whether the process lives on when its time is over.
    lets_go = False
    #: Whether what each step changed goes into the trace.
    records_changes = True

    def __init__(self, session: Session, timeout: Optional[float]) -> None:
        self.session = session
        self.timeout = timeout
        self.timed_out = False
        #: Where the result goes when gdb is lost.
        self.result: Optional[str] = None
        self.build: Optional[PythonBuild] = None
        self.problem: Optional[str] = None
        #: What is missing for want of debug information, in a sentence.
        self.gap: Optional[str] = None
        #: Interpreters when finalization began or, later, when a fatal signal arrived.
        self.interpreters: List[Interpreter] = []
        self.signal: Optional[str] = None
        self._changes = Changes(session.python)
        self._recorder = Recorder(self._changes)
        self._exit = ExitWatch(session.debugger)
        self._ahead = threading.Thread(target=_import_ahead)
        self._signals = 0
        self._stumbles = 0
        #: A signal of the program's own that gdb has kept for itself.
        self._kept: Optional[str] = None
        #: The program stopped after the time was over.
        self._seen = threading.Event()

    def began(self, trace: Trace, run: StepRun, new_phase: bool) -> None:
        """Note the build and the interpreters when a finalization begins."""
        if run is trace.root:
            self._look(first=True)
            if not self.session.tracer.ends:
                self._exit.arm(trace.pid, self.session.tracer.settle)
        if self.records_changes:
            self._recorder.began(trace, run, new_phase)

    def closed(self, run: StepRun) -> None:
        """Nothing to do."""

    def ended(self, trace: Trace) -> None:
        """Take the last numbers."""
        if not self.session.tracer.open:
            self._exit.disarm()  # in another program there would be something else at that place
        if trace.ended == "returned" and self.records_changes:
            self._recorder.ended(trace)

    def _look(self, first: bool) -> None:
        self._ahead.join()
        from ..cpython.interpreter import read_interpreters
        from ..cpython.target import NoLayout
        from ..findings.sources import told_by

        try:
            python = self.session.python()
            self.build, self.gap = python.build, python.gap
            self.build.sources = told_by(self.build, self.session.tracer.runtime)
            self.interpreters = read_interpreters(python)
        except NoLayout as error:
            self.build, self.gap = error.build, str(error)
            self.build.sources = told_by(self.build, self.session.tracer.runtime)
        except DebuggerError as error:
            if first:
                self.problem = str(error)

    def go(self) -> None:
        """Run the program to its end. Raises DebuggerError when it cannot be started."""
        session = self.session
        tracer = session.tracer
        tracer.observers.append(self)
        tracer.interpreter_of = self._changes.interpreter_of
        tracer.initialized = self._changes.initialized
        tracer.goal = Goal()
        tracer.counts = False
        tracer.ends = self.exact_ends
        session.debugger.on_stop(self._stopped)
        session.debugger.outlive_failures()
        timer = threading.Timer(self.timeout, self.interrupt) if self.timeout else None
        if timer is not None:
            timer.daemon = True
            start_thread(timer)
        undertaker = Undertaker(lambda: tracer.pid, self._lose)
        start_thread(undertaker)
        start_thread(self._ahead)  # gdb and Python start the program meanwhile
        try:
            self._on(self.first)
            while session.debugger.target().kind is TargetKind.LIVE and not self.timed_out:
                self._on(self._resume)
        finally:
            self._seen.set()
            undertaker.dismiss()
            if timer is not None:
                timer.cancel()
            self._ahead.join()
        if self.timed_out and session.debugger.target().kind is TargetKind.LIVE:
            self._look(first=False)

    def _lose(self) -> None:
        """End gdb from another thread, for its own one will never come back."""
        try:
            if self.result is not None:
                sentence = "the process is gone, and gdb waits for it for ever: this is a fault of gdb"
                write_document(self.result, {"error": sentence})
        finally:
            os._exit(1)

    def first(self) -> None:
        """Get the process: start the program. Raises DebuggerError."""
        self.session.debugger.start()

    def _resume(self) -> None:
        kept, self._kept = self._kept, None
        self.session.debugger.resume(kept)

    def _on(self, go: Callable[[], None]) -> None:
        """Let the program run; a thread that vanishes under gdb's hands is no reason to give up."""
        try:
            go()
        except DebuggerError:
            self._stumbles += 1
            if self._stumbles > MOST_STUMBLES or self.session.tracer.pid == 0:
                raise

    def interrupt(self) -> None:
        """Stop the program from a timer's thread: gdb takes a SIGTRAP that nobody expects for a stop.

        Where a thread is at a breakpoint gdb takes it for that of the breakpoint and goes on: it is sent until it is seen. A
        process that is let go then gets no second one, which would end it.
        """
        self.timed_out = True
        while not self._seen.is_set():
            pid = self.session.tracer.pid
            if pid:
                try:
                    os.kill(pid, signals.SIGTRAP)
                except OSError:
                    return
            if self.lets_go:
                return
            self._seen.wait(_SENT_AGAIN)

    def _stopped(self, event: StopEvent) -> None:
        if self.timed_out:
            self._seen.set()
            return
        if event.reason != "signal":
            return
        self._kept = event.signal if event.signal == "SIGTRAP" else None
        self.session.tracer.settle()
        self._signals += 1
        self.signal = event.signal
        if self._signals < MOST_STOPS:
            self._look(first=False)

    def report(self) -> Report:
        """Return the report on the run."""
        tracer = self.session.tracer
        exit_event = tracer.exit
        code = exit_event.exit_code if exit_event else None
        signal = exit_event.signal if exit_event else None
        executable = self.session.debugger.target().executable or ""
        report = Report(Target("live", executable, tracer.pid, None, signal, code), self._phase().value, self.build)
        for trace in tracer.traces:
            report.steps.extend(step_states(trace))
        report.interpreters = self.interpreters
        report.notes.extend(self._notes())
        return report

    def _phase(self) -> Phase:
        tracer = self.session.tracer
        mains = [t for t in tracer.traces if t.kind == "main" and t.ended != "left"]
        return mains[-1].phase if mains else Phase.RUNNING

    def _notes(self) -> List[str]:
        tracer = self.session.tracer
        notes = [self.gap] if self.gap else []
        if tracer.problem:
            notes.append(tracer.problem)
        if self.timed_out:
            notes.append(f"the program did not end within {self.timeout:g} seconds and was killed")
        mains = [t for t in tracer.traces if t.kind == "main"]
        if not mains and not self.timed_out:
            notes.append("the program ended without finalizing Python (os._exit, execve, a signal, or a crash)")
        for trace in mains:
            running = [r.name for r in trace.root.walk() if r.state == "running"]
            if trace.ended == "replaced" and running:
                notes.append(f"the process executed another program while {running[-1]} ran")
        for trace in mains[-1:]:
            if trace.ended == "returned" and tracer.exit is not None and tracer.exit.signal:
                notes.append(f"the process was killed by {tracer.exit.signal} after {trace.root.name} had returned")
            running = [r.name for r in trace.root.walk() if r.state == "running"]
            if trace.ended in ("exited", "died") and running:
                end = tracer.exit
                how = f" by {end.signal}" if end and end.signal else ", gdb did not see how,"
                if end and end.exit_code is not None:
                    how = " at once, as by os._exit"
                notes.append(f"the process ended{how} while {running[-1]} ran")
        return notes


def run_job(session: Session, job: Dict[str, Any]) -> Dict[str, Any]:
    """The whole walk of ``fingdb run``."""
    timeout = job.get("timeout")
    walk = Walk(session, float(timeout) if timeout else None)
    walk.result = str(job["result"])
    walk.go()
    return finish_run(session, walk)


def finish_run(session: Session, walk: Walk) -> Dict[str, Any]:
    """Return the result document of a walk that is over."""
    from ..report.json_report import to_dict

    exit_event = session.tracer.exit
    if session.tracer.seen_runtime is None and exit_event is not None:
        no_python = "the program is not a Python: no CPython of version 3.8 or newer was loaded into it"
        return {
            "exit": {"code": exit_event.exit_code, "signal": exit_event.signal},
            "error": session.tracer.refused or no_python,
        }
    document = {} if walk.problem else to_dict(walk.report())
    code = exit_event.exit_code if exit_event else None
    signal = exit_event.signal if exit_event else ("SIGKILL" if walk.timed_out else None)
    document["exit"] = {"code": code, "signal": signal}
    if walk.problem:
        document["error"] = walk.problem
    return document


#: mode -> module beside this one and its function (session, job) -> result document. Imported when asked for.
JOBS: Dict[str, Tuple[str, str]] = {
    "run": ("batch", "run_job"),
    "check": ("batch_check", "check_job"),
    "core": ("batch_diagnose", "core_job"),
    "attach": ("batch_diagnose", "attach_job"),
    "heap": ("batch_heap", "heap_job"),
}


def _job(mode: str) -> Callable[[Session, Dict[str, Any]], Dict[str, Any]]:
    from importlib import import_module

    if mode not in JOBS:
        raise DebuggerError(f"pyfin batch: there is no job {mode!r}")
    module, function = JOBS[mode]
    found: Callable[[Session, Dict[str, Any]], Dict[str, Any]] = getattr(
        import_module(f"{__package__}.{module}"), function
    )
    return found


COMMAND = BatchCommand()
