"""The nets: what is touched after its end, followed through one run of the program.

Told by the tracer of every step. When a step has returned, the functions that need what it ended are
watched; when ``Py_FinalizeEx`` has returned, everything that the runtime exports is. Before finalization
nothing is watched at all.
"""

from __future__ import annotations

import time
from typing import Callable, Dict, List, Optional, Set, Tuple

from ..cpython.runtime import flags
from ..cpython.target import PythonTarget
from ..debugger.interface import Breakpoint, Debugger, DebuggerError, Hit
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..finalization.runtime_module import RuntimeModule
from ..finalization.trace import DONE, StepRun, Trace
from ..finalization.tracer import Tracer
from ..model.phase import Phase
from ..model.plan import SOURCES
from ..model.report import Finding
from . import advice
from .coverage import Coverage, coverage
from .culprit import RUNTIME, STDLIB
from .dead_objects import DeadObjects
from .environ import EnvironWatch
from .exit_watch import ExitWatch
from .hung import HUNG, SLEEP, returns_to_the_call
from .known_stacks import KnownStacks
from .late_calls import CallerCheck, main_program_returns, reachable
from .ledger import Ended, Ledger
from .libc import address_in_libc
from .null_checks import asks_for_null
from .resources import ResourceWatch
from .sentinels import Sentinels
from .state_net import Death, StateNet
from .thread_ends import THREAD_ENDS, ends_by_itself
from .touch_log import TouchLog
from .witness import Scene, Witness

DAEMON_THREADS = "daemon-threads"
#: So long (seconds of our own time) functions that are hardly ever called may take to be watched.
PATIENT_FOR = 2.0
#: They answer NULL when what they are asked for is gone, which is no error.
ANSWERS_NULL = ("PyState_FindModule",)
#: So many calls of late threads from one place are looked at; later ones are counted.
OFTEN_ENOUGH = 12
#: The step from which on there is no interpreter and no thread state: nothing of the API works any more.
INTERPRETER_ENDS = "PyInterpreterState_Delete"


class Checker:
    """Collects findings while the tracer follows finalization."""

    def __init__(self, debugger: Debugger, tracer: Tracer, python: Callable[[], PythonTarget]) -> None:
        self.log = TouchLog()
        #: Called with each finding that is new; answers whether the debugger should stop there.
        self.on_finding: Callable[[Finding], bool] = lambda _finding: False
        self._debugger = debugger
        self._python = python
        #: Whether a thread that asks for the GIL is late only if the finalizing flag is set by then.
        self._ask_flag = False
        #: Whether that flag is still to be set.
        self._awaits_flag = False
        #: Threads that asked for the GIL too late, by native id.
        self._asked: Set[int] = set()
        self._tracer = tracer
        self._ledger = Ledger()
        self._sentinels = Sentinels(debugger)
        self._witness = Witness(debugger, python)
        self._environ = EnvironWatch(debugger, python)
        self._resources = ResourceWatch(debugger, python)
        self._exit = ExitWatch(debugger)
        self._states = StateNet(debugger, python, self._witness, self._add)
        self._dead = DeadObjects(debugger, python, self._ledger, self._witness.look, self._add)
        #: The process is about to end: the nets come in at the next stop.
        self._leaving = False
        self._trace: Optional[Trace] = None
        #: Whether the target may be stopped for an instant by itself (a walk without a user at the keyboard).
        self.may_pause = False
        self._asked_before: Optional[Ended] = None
        self._caller: Optional[CallerCheck] = None
        #: Addresses that are watched for calls from outside the runtime.
        self._api: Set[int] = set()
        #: Sentences about what was not done.
        self.notes: List[str] = []
        self._last_call: Optional[Tuple[int, int, Optional[int]]] = None
        self._last_address = 0
        #: Places (function, return address) where threads came too late: how often they were looked at, what was found.
        self._places: Dict[Tuple[int, Optional[int]], Tuple[int, Optional[Finding]]] = {}
        self._main_returns: Optional[Breakpoint] = None
        self._watches_all = False
        #: How many functions were watched for the use of each subsystem after its end, by its key.
        self._armed: Dict[str, int] = {}
        #: The CPython that finalizes, which is asked for nothing but what its file tells when the process is gone.
        self._seen: Optional[Tuple[RuntimeModule, PythonTarget]] = None
        debugger.on_modules_changed(self._modules_changed)
        self._catch_up()

    # -- the tracer's observer --------------------------------------------------------------------
    def began(self, trace: Trace, run: StepRun, new_phase: bool) -> None:
        """A step is about to run."""
        if run is trace.root and trace.kind == "main":
            self._new_life(trace)
        if trace is not self._trace:
            return
        if new_phase and run.phase is Phase.DAEMON_THREADS:
            self._witness.remember_threads()
        self._teardown_begins(trace, run, new_phase)
        self._flag_set_unseen(trace, run)
        if self._awaits_flag and self._flag():
            self._awaits_flag = False
            end = self._ledger.end_of(DAEMON_THREADS)
            if end is not None:
                self._look_who_waits(end)
        if self._tracer.runtime is not None and _ends_unseen(run) and _belongs(run, trace):
            # It ends unseen, perhaps long before the next step begins. What it does itself its frames tell.
            for ended in self._ledger.ending(trace, run):
                self._arm(self._tracer.runtime, ended)
        row = catalogue.step_named(run.name)
        if self._caller is None and row is not None and row.key == INTERPRETER_ENDS and _belongs(run, trace):
            self._interpreter_ends()

    def _teardown_begins(self, trace: Trace, run: StepRun, new_phase: bool) -> None:
        """Cast the nets for what the teardown of modules frees, when it begins.

        Where few functions have names no step may show that: the nets are out all the time then.
        """
        runtime = self._tracer.runtime
        begins = new_phase and run.phase is Phase.MODULE_TEARDOWN
        if runtime is None or not begins and run is not trace.root:
            return
        few = _has_few_names(runtime)
        first = few and run is trace.root
        if first or begins and not few:
            self._states.cast(trace, runtime)
        if first or begins:
            self._dead.cast(trace, runtime)

    def _flag_set_unseen(self, trace: Trace, run: StepRun) -> None:
        """Note that the finalizing flag is set where the build shows no step for it (3.8 does it by a plain store)."""
        runtime = self._tracer.runtime
        subsystem = catalogue.subsystem(DAEMON_THREADS)
        if runtime is None or subsystem is None or self._ledger.end_of(DAEMON_THREADS) is not None:
            return
        begun = run.phase.rank >= Phase.DAEMON_THREADS.rank and run.parent is trace.root
        planned = list(trace.root.node.walk()) if trace.root.node is not None else []
        if any(node.row in subsystem.ended_by for node in planned):
            return
        # Where few functions have names the first step in sight may come too late: each call asks for the flag itself.
        few = run is trace.root and self._flag() is not None and _has_few_names(runtime)
        if begun or few:
            self._ask_flag = self._awaits_flag = few
            if few:
                self._witness.remember_threads()
            self._arm(runtime, self._ledger.note(subsystem, trace, run))

    def _flag(self) -> Optional[bool]:
        """Return whether the finalizing flag is set, None if that cannot be read."""
        try:
            target = self._python()
            finalizing = flags(target)[2]
        except DebuggerError:
            return None
        return bool(finalizing) if finalizing is not None else None

    def closed(self, run: StepRun) -> None:
        """A step has returned: what it ended is gone."""
        trace, runtime = self._trace, self._tracer.runtime
        if trace is None or runtime is None or run.thread != trace.thread or not _belongs(run, trace):
            return
        for ended in self._ledger.returned(trace, run):
            self._arm(runtime, ended)
        if run.inlined:
            self._sentinels.wake()  # what the step itself came to so often

    def ended(self, trace: Trace) -> None:
        """A finalization returned, or its process ended."""
        runtime = self._tracer.runtime
        if trace is not self._trace or trace.ended != "returned" or runtime is None:
            return
        self._exit.arm(trace.pid, self._about_to_exit)
        for finding in (*self._environ.after(trace.root.sp), *self._resources.after(trace.root.name)):
            self._add(finding)
        # From here on every call from outside counts, whatever it needs; until somebody begins another life.
        self._states.stop()
        self._dead.stop()
        self._sentinels.stop(set(self._sentinels.watched()) - self._api)
        self._sentinels.watch(runtime, catalogue.beginning_a_life(), self._begins_again)
        if self._caller is None:
            self._caller = CallerCheck(self._debugger, runtime)
        self._wait_for_main_program(trace, runtime)

    def _catch_up(self) -> None:
        """Cast the nets in the middle of a finalization: what is gone already is watched from here on."""
        trace = next((t for t in reversed(self._tracer.traces) if t.kind == "main" and t.pid == self._tracer.pid), None)
        runtime = self._tracer.runtime
        if trace is None or runtime is None or trace.ended not in (None, "returned"):
            return
        self._new_life(trace)
        self._flag_set_unseen(trace, trace.root)
        for run in list(trace.root.walk()):
            if run is trace.root or run.thread != trace.thread or not _belongs(run, trace):
                continue
            row = catalogue.step_named(run.name)
            if self._caller is None and row is not None and row.key == INTERPRETER_ENDS:
                self._interpreter_ends()
            if run.state == DONE:
                for ended in self._ledger.returned(trace, run):
                    self._arm(runtime, ended)
        if trace.ended == "returned":
            self.ended(trace)
        elif trace.phase.rank >= Phase.MODULE_TEARDOWN.rank or _has_few_names(runtime):
            self._states.cast(trace, runtime)
            self._dead.cast(trace, runtime)

    # -- arming -----------------------------------------------------------------------------------
    def _new_life(self, trace: Trace) -> None:
        self._sentinels.stop()
        self._states.stop()
        self._dead.stop()
        self._api.clear()
        self._ledger.clear()
        self._places.clear()
        self._witness.forget()
        self._leaving = False
        self._ask_flag = self._awaits_flag = False
        self._asked.clear()
        self._watches_all = False
        self._armed.clear()
        try:
            self._seen = (self._tracer.runtime, self._python()) if self._tracer.runtime is not None else None
        except DebuggerError:
            self._seen = None
        self._environ.before(trace.root.name)
        self._resources.before()
        self._caller = None
        self._trace = trace

    def _arm(self, runtime: RuntimeModule, ended: Ended) -> None:
        subsystem = ended.subsystem
        self._dead.ended(ended)
        if subsystem.other_threads_only:
            names = (*subsystem.touched_by, *THREAD_ENDS)
            found = self._sentinels.watch(
                runtime, names, lambda hit, name: self._late_thread(hit, name, ended), beside=True
            )
            self._watch_thread_ends(runtime, ended)
            if not self._ask_flag:
                self._look_who_waits(ended)
        else:
            found = self._sentinels.watch(
                runtime, subsystem.touched_by, lambda hit, name: self._touch(hit, name, ended)
            )
        self._armed[subsystem.key] = max(len(found), self._armed.get(subsystem.key, 0))

    def _look_who_waits(self, ended: Ended) -> None:
        """At the next stop, which comes as soon as it may: those who wait for the GIL by then ask no more."""
        self._asked_before = ended
        self._tracer.pause = self.may_pause

    def _watch_thread_ends(self, runtime: RuntimeModule, ended: Ended) -> None:
        """Watch how late threads end by the C library, where CPython's own functions for that may have no name.

        Link-time optimisation calls copies of exported functions, and leaves no name to them in a stripped file.
        """
        if not _has_few_names(runtime):
            return
        own = CallerCheck(self._debugger, runtime)

        def reached(hit: Hit, name: str) -> bool:
            back = self._debugger.return_address(hit)
            if back is None or own.from_outside(hit) or name == HUNG[0] and not returns_to_the_call(self._debugger, back):
                return False
            return self._late_thread(hit, name, ended)

        for function, name in (("pthread_exit", THREAD_ENDS[0]), (SLEEP, HUNG[0])):
            address = address_in_libc(self._debugger, function)
            if address is not None and not self._sentinels.is_watched(address):
                self._sentinels.watch_address(address, name, reached)

    def _interpreter_ends(self) -> None:
        """Watch the whole API: hooks on thread states and functions registered with Py_AtExit still run."""
        self._states.stop()
        self._dead.stop()
        if self._tracer.runtime is not None:
            self._caller = CallerCheck(self._debugger, self._tracer.runtime)
            runtime = self._tracer.runtime
            sure, _rest = reachable(self._debugger, runtime)
            self._watch_places(sure, replace=False)

    def _wait_for_main_program(self, trace: Trace, runtime: RuntimeModule) -> None:
        """Watch the whole API, if it is not yet, at once or when the interpreter's own main program is through.

        ``Py_RunMain`` frees configuration and paths after finalization, by functions of the API.
        """
        outside = main_program_returns(self._debugger, runtime, trace.thread)
        self._sentinels.wake()
        if outside is None:
            self._watch_all(runtime)
            return
        of_threads = ("PyGILState_", "PyEval_", "PyThreadState_")
        sure, _rest = reachable(self._debugger, runtime)
        self._watch_places([(a, n) for a, n in sure if n.startswith(of_threads)], replace=True)

        def returned(_hit: Hit) -> bool:
            if self._main_returns is not None:
                self._main_returns.delete()
                self._main_returns = None
            self._sentinels.wake()
            self._watch_all(runtime)
            return False

        self._main_returns = self._debugger.breakpoint(outside, returned)

    def _watch_all(self, runtime: RuntimeModule) -> None:
        """Watch the whole API, what other files were linked with first; the rest as long as that is quick.

        With a build's debug information in one piece (LTO) gdb takes milliseconds for each breakpoint. What
        nothing in the process can reach is not watched, until another file is loaded.
        """
        sure, rest = reachable(self._debugger, runtime)
        self._watches_all = True
        self._watch_places(sure, replace=True)
        deadline = time.process_time() + PATIENT_FOR
        for first in range(0, len(rest), 50):
            if time.process_time() > deadline:
                self.notes.append(
                    f"{len(rest) - first} functions of the API that nothing in the process was linked with "
                    "were not watched after finalization: gdb is slow on this build's debug information"
                )
                return
            self._watch_places(rest[first : first + 50], replace=True)

    def _watch_places(self, places: List[Tuple[int, str]], replace: bool) -> None:
        """Watch functions for calls from outside; with ``replace`` also those that were watched for something else."""
        for address, name in places:
            if address in self._api:
                continue
            if self._sentinels.is_watched(address):
                if not replace:
                    # Where only late threads are looked for, the calls of the thread that finalizes count from here on.
                    self._sentinels.add(address, name, self._late_call_of_finalizer)
                    continue
                self._sentinels.stop([address])
            self._sentinels.watch_address(address, name, self._late_call)
            self._api.add(address)

    def _modules_changed(self, _path: str) -> None:
        """A file was loaded: what it can reach is watched if the rest is."""
        trace, runtime = self._trace, self._tracer.runtime
        if self._watches_all and not self._leaving and trace is not None and runtime is not None:
            if self._debugger.target().pid == trace.pid:
                self._watch_all(runtime)

    def _begins_again(self, hit: Hit, _name: str) -> bool:
        """The runtime is initialized once more: from here on calls are nobody's business, until it ends again."""
        if self._trace is not None and hit.pid == self._trace.pid:
            self.stop()
        return False

    def _about_to_exit(self) -> bool:
        """Stop once more where that disturbs nobody: gdb loses a process whose threads hit breakpoints as it ends."""
        self._leaving = self.may_pause
        return self.may_pause

    # -- touches ----------------------------------------------------------------------------------
    def _touch(self, hit: Hit, name: str, ended: Ended) -> bool:
        trace = self._trace
        if trace is None or hit.pid != trace.pid or self._asks_late(hit, name, trace) or self._continues(hit):
            return False
        scene = self._witness.look(hit)
        if self._nested(scene) or ended.inlined and _inside(scene, ended.step):
            self._sentinels.idle(hit.address)
            return False
        name = _inlined_around(scene, ended.subsystem.touched_by) or name
        own = scene.blame.origin == RUNTIME
        severity = "note" if own or scene.blame.origin == STDLIB else "warning"
        if self._caller is not None and severity == "warning":
            if not self._caller.from_outside(hit):
                return False  # inside a call of the API from outside, which was reported: all of them are
            severity = "error"  # there is no interpreter either, which every such call needs
        if severity == "warning" and name in ANSWERS_NULL:
            back = self._debugger.return_address(hit)
            if back is not None and asks_for_null(self._debugger, back):
                severity = "note"  # that is how it is told that there is no state any more, and the caller knows
        text, references = advice.for_subsystem(ended.subsystem, own)
        finding = Finding(
            "touch-after-fini" if ended.subsystem.key != "module-state" else "stale-module-state",
            severity,
            f"{name} ran after {ended.step} had ended {ended.subsystem.title}",
            name, trace.phase.value, hit.native_id, ended.subsystem.title, ended.step, scene.blame.culprit,
            steps_since=trace.begun - ended.begun,
            native_stack=scene.frames, python_stack=scene.python, advice=text, references=references,
        )
        new = self._add(finding)
        if own and self._sentinels.idle(hit.address):
            self.log.known(finding).more = True
        return new

    def _late_thread(self, hit: Hit, name: str, ended: Ended) -> bool:
        trace = self._trace
        if trace is None or hit.pid != trace.pid or hit.native_id == trace.thread or self._once_more(hit):
            return False
        if self._ask_flag and trace.ended is None and not self._flag():
            return False
        if name in THREAD_ENDS and hit.native_id in self._asked:
            return False  # that is what became of it
        scene = self._witness.look(hit)
        if self._nested(scene) or name in THREAD_ENDS and ends_by_itself(scene.frames):
            self._looked(hit, None)
            return False
        self._asked.add(hit.native_id)
        return self._looked(hit, self._late_thread_finding(hit, name, ended, scene, trace))

    def _once_more(self, hit: Hit) -> bool:
        """Count a call from a place that was looked at often enough, and tell that it was one.

        Threads that come in a loop, or are made by a timer, would come faster than their stacks can be read, and
        finalization would never get on.
        """
        looked, finding = self._places.get((hit.address, self._debugger.return_address(hit)), (0, None))
        if looked < OFTEN_ENOUGH:
            return False
        ignored = self._sentinels.idle(hit.address, storm=True)
        if finding is not None:
            finding.count += 1
            finding.more = finding.more or ignored
        return True

    def _looked(self, hit: Hit, finding: Optional[Finding]) -> bool:
        """Add what a look at a place showed, and remember that it was looked at."""
        place = hit.address, self._debugger.return_address(hit)
        stops = finding is not None and self._add(finding)
        self._places[place] = self._places.get(place, (0, None))[0] + 1, self.log.known(finding) if finding else None
        return stops

    def at_a_stop(self) -> None:
        """Do what needs the target stopped: find the threads that wait for the GIL at this moment.

        They asked before the flag was set, and will not get it. Inside a breakpoint's callback gdb
        takes all threads but one for running.
        """
        if self._leaving:
            self.stop()
            return
        trace, ended, self._asked_before = self._trace, self._asked_before, None
        if trace is None or ended is None:
            return
        for thread in self._debugger.threads():
            if thread.native_id == trace.thread or thread.pid != trace.pid:
                continue
            hit = Hit(0, 0, thread.native_id, thread.pid)
            scene = self._witness.look(hit)
            if _first(scene, ended.subsystem.touched_by):
                self._asked.add(thread.native_id)
                self._add(self._late_thread_finding(hit, "take_gil", ended, scene, trace))

    def _late_thread_finding(self, hit: Hit, name: str, ended: Ended, scene: Scene, trace: Trace) -> Finding:
        asked = _first(scene, ended.subsystem.touched_by) or name
        over = trace.ended == "returned"
        culprit = scene.blame.culprit
        if scene.blame.origin == RUNTIME and not scene.python:
            culprit = None  # some Python code, which nobody can read
        text, references = advice.late_thread(ended.subsystem.consequence or "", over)
        since = f"{trace.root.name} had returned" if over else "finalization had begun"
        return Finding(
            "late-thread",
            # With no interpreter left the call itself crashes.
            "note" if _own_thread(scene) and self._reads_stacks() else "error" if over else "warning",
            f"a thread asked for the GIL in {asked} after {since}",
            asked, self._phase(trace).value, hit.native_id, ended.subsystem.title, ended.step or None, culprit,
            steps_since=trace.begun - ended.begun,
            native_stack=scene.frames, python_stack=scene.python, advice=text, references=references,
        )

    def _phase(self, trace: Trace) -> Phase:
        """Return the phase for a thread that came too late: where only the flag tells that, it may be ahead of the steps."""
        return max(trace.phase, Phase.DAEMON_THREADS, key=lambda phase: phase.rank) if self._ask_flag else trace.phase

    def _reads_stacks(self) -> bool:
        """Tell whether the build lets Python stacks be read: without them nobody knows what a thread runs."""
        try:
            return any(map(self._python().layout.has, ("thread.frame", "thread.current_frame", "thread.cframe")))
        except DebuggerError:
            return False

    def _asks_late(self, hit: Hit, name: str, trace: Trace) -> bool:
        """Tell whether another thread asks for the GIL, which is told as such."""
        end = self._ledger.end_of(DAEMON_THREADS)
        return hit.native_id != trace.thread and end is not None and name in end.subsystem.touched_by

    def _late_call_of_finalizer(self, hit: Hit, name: str) -> bool:
        return self._trace is not None and hit.native_id == self._trace.thread and self._late_call(hit, name)

    def _late_call(self, hit: Hit, name: str) -> bool:
        trace = self._trace
        if trace is None or self._caller is None or hit.pid != trace.pid:
            return False
        if not self._caller.from_outside(hit):
            self._sentinels.idle(hit.address)
            return False  # the runtime's own, or inside a call that was reported
        if self._continues(hit) or self._once_more(hit):
            return False
        scene = self._witness.look(hit)
        end = self._ledger.end_of(DAEMON_THREADS)
        if end is not None and self._asks_late(hit, name, trace):
            return self._looked(hit, self._late_thread_finding(hit, name, end, scene, trace))
        if trace.ended != "returned":
            return self._add(self._without_interpreter(hit, name, scene, trace))
        text, references = advice.after_finalize(name)
        finding = Finding(
            "touch-after-finalize",
            "error",
            f"{name} was called after {trace.root.name} had returned",
            name, Phase.AFTER_FINALIZE.value, hit.native_id, "the runtime", trace.root.name, scene.blame.culprit,
            native_stack=scene.frames, python_stack=scene.python, advice=text, references=references,
        )
        return self._add(finding)

    def _without_interpreter(self, hit: Hit, name: str, scene: Scene, trace: Trace) -> Finding:
        subsystem = catalogue.subsystem("thread-states")
        end = self._ledger.end_of("thread-states")
        if end is not None and end.inlined and _inside(scene, end.step):
            end = None  # its step runs still
        step = end.step if end is not None else self._ledger.last_step
        text, references = advice.without_interpreter(name)
        return Finding(
            "touch-after-fini",
            "error",
            f"{name} was called when the interpreter and its thread states were gone",
            name, trace.phase.value, hit.native_id, subsystem.title if subsystem is not None else None, step,
            scene.blame.culprit, steps_since=trace.begun - end.begun if end is not None else None,
            native_stack=scene.frames, python_stack=scene.python, advice=text, references=references,
        )

    def _continues(self, hit: Hit) -> bool:
        """Tell whether the function that was looked at last has jumped here as its last act: one call, not two.

        The same function at the same place is a loop around the call, which is to be counted.
        """
        call = (hit.native_id, hit.sp, self._debugger.return_address(hit))
        if call == self._last_call and hit.address != self._last_address:
            return True
        self._last_call, self._last_address = call, hit.address
        return False

    def _nested(self, scene: Scene) -> bool:
        """Tell whether an outer frame of the runtime's own was a touch already: then this is part of it."""
        for frame in scene.frames[1:]:
            if frame.inlined or frame.function is None:
                continue
            if frame.library != scene.frames[0].library:
                return False
            runtime = self._tracer.runtime
            symbol = runtime.functions.covering(frame.pc - runtime.bias) if runtime is not None else None
            if symbol is not None and runtime is not None:
                if self._sentinels.is_watched(symbol.address + runtime.bias):
                    return True
        return False

    def _add(self, finding: Finding) -> bool:
        new = self.log.add(finding)
        return new and self.on_finding(finding)

    def remember_stacks(self) -> None:
        """Name stacks that an earlier run saw by what it kept, where the debugger would have to read symbols first."""
        self._witness.stacks = KnownStacks(self._debugger, self._python)

    def keep_stacks(self) -> None:
        """Keep the stacks of this run for the next."""
        if self._witness.stacks is not None:
            self._witness.stacks.keep()

    # -- what is left -----------------------------------------------------------------------------
    def findings(self) -> List[Finding]:
        """Return what was found, errors first."""
        return self.log.findings()

    def coverage(self) -> Optional[Coverage]:
        """Return what could be watched so far and what not; None for a build that shows all its steps, or before any."""
        trace = self._trace
        if trace is None or self._seen is None or not _has_few_names(self._seen[0]):
            return None
        if self._states.is_cast:
            self._armed["module-state"] = 1
        return coverage(*self._seen, self._armed, self._ledger, trace.ended == "returned")

    def module_end(self, library: str) -> Optional[Death]:
        """Return when the module whose C code lies in a file was freed; None if it was not, or cannot be told."""
        return self._states.death_in(library)

    def stop(self) -> None:
        """Take all nets in."""
        self._watches_all = False
        self._sentinels.stop()
        self._states.stop()
        self._dead.stop()
        self._exit.disarm()
        if self._main_returns is not None:
            try:
                self._main_returns.delete()
            except DebuggerError:
                pass
            self._main_returns = None


def _has_few_names(runtime: RuntimeModule) -> bool:
    """Tell whether a build shows the steps of exported functions only."""
    return runtime.plan().source == SOURCES[0]


def _first(scene: Scene, names: Tuple[str, ...]) -> Optional[str]:
    """Return the outermost of the named functions on the stack: what the thread itself called."""
    found = None
    for frame in scene.frames:
        if frame.function is not None and base_name(frame.function) in names:
            found = frame.function
    return found


def _own_thread(scene: Scene) -> bool:
    """Tell whether a thread runs nothing but CPython's own code: one that has just begun, or a helper of the library's.

    A callback of ctypes is the program's, whoever made the thread: its frame in the library is a native one.
    """
    return scene.blame.origin == RUNTIME or scene.blame.origin == STDLIB and scene.blame.python


def _ends_unseen(run: StepRun) -> bool:
    """Tell whether a step was inlined with all that it does: neither calls nor other ends show how far it is."""
    if not run.inlined or run.node is None:
        return False
    inner = [node for child in run.node.children for node in child.walk()]
    return all(node.inlined and not catalogue.subsystems_ended_by(node.name) for node in inner)


def _inside(scene: Scene, step: str) -> bool:
    """Tell whether an inlined step is running still: then what it calls is its own business."""
    return any(f.inlined and f.function is not None and base_name(f.function) == step for f in scene.frames)


def _inlined_around(scene: Scene, names: Tuple[str, ...]) -> Optional[str]:
    """Return the outermost of the named functions that were inlined around the innermost frame, None if none was."""
    found = None
    for frame in scene.frames[1:]:
        if frame.library != scene.frames[0].library:
            break
        if frame.inlined and frame.function is not None and base_name(frame.function) in names:
            found = base_name(frame.function)
    return found


def _belongs(run: StepRun, trace: Trace) -> bool:
    """Tell whether a step is part of a trace, not of a subinterpreter's end inside it."""
    top: StepRun = run
    while top.parent is not None:
        top = top.parent
    return top is trace.root
