"""Follows finalization in a live process, step by step.

One breakpoint waits at each function that starts a finalization; the breakpoints of the steps
are set when it is reached, so a program pays nothing before. A called step begins at its
function's entry and has ended when its return address is reached with the stack above; an
inlined step begins at its first instruction and has ended when the next one begins or its
function returns.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Dict, List, Optional, Protocol, Set, Tuple

from ..debugger.interface import Debugger, DebuggerError, ExitEvent, Hit
from ..model.phase import Phase
from ..model.plan import SOURCES, Plan, PlanStep
from . import catalogue
from .armed import Armed
from .goals import Breaks, Goal, Stop
from .runtime_module import NoPlan, RuntimeModule, defines_runtime, find_runtime
from .trace import DONE, UNKNOWN, StepRun, Trace, innermost_function
from .ways import Way, calls, has_steps, repeats, way_of_call, within

#: Runs of a small step that are counted when not all are.
_COUNTED = 4


class Observer(Protocol):
    """Told what happens; called while the target is stopped for an instant."""

    def began(self, trace: Trace, run: StepRun, new_phase: bool) -> None:
        """A step is about to run."""

    def closed(self, run: StepRun) -> None:
        """A step has returned (an inlined one: the next has begun)."""

    def ended(self, trace: Trace) -> None:
        """A finalization returned, or its process ended."""


class Tracer:
    """The finalizations of the debugger's target."""

    def __init__(self, debugger: Debugger) -> None:
        self.debugger = debugger
        self.traces: List[Trace] = []
        self.open: List[Trace] = []
        self.runtime: Optional[RuntimeModule] = None
        self.breaks = Breaks()
        self.goal: Goal = Goal()
        self.stopped: Optional[Stop] = None
        #: Steps that were to stop the target and began where it stood already when it was let go on.
        self.passed: List[str] = []
        self.exit: Optional[ExitEvent] = None
        self.observers: List[Observer] = []
        #: Why there are no steps to follow, a sentence; None when there are.
        self.problem: Optional[str] = None
        #: Set by an observer that needs the whole target stopped, all threads: the next step stops once.
        self.pause = False
        #: The target stops for that.
        self._pauses = False
        #: False: the end of a step with no others in it may be noticed when the next one begins, or `settle` is called.
        self.ends = True
        #: False: of a step that runs once for each of many types, only the first few runs are looked at.
        self.counts = True
        self._interpreter_of: Callable[[int], int] = lambda _tstate: -1
        #: Tells whether the runtime is initialized, None if that cannot be read.
        self.initialized: Callable[[], Optional[bool]] = lambda: None
        self._armed = Armed(debugger)
        #: The process in which the breakpoints of the steps were set, 0 before they were.
        self._armed_in = 0
        #: What else begins at the instruction where the target stopped, in order; each tells whether to stop there.
        self._here: List[Callable[[], bool]] = []
        self._ways: Dict[int, List[Way]] = {}
        self._executable: Optional[str] = None
        self.pid = 0
        self._looked_at = 0
        #: The process is new to fingdb, which may have come to it when its finalization was under way.
        self._is_new = False
        #: Path of the last file with a CPython runtime that was seen, None if there was none.
        self.seen_runtime: Optional[str] = None
        #: Why a CPython that was found is not followed at all, a sentence.
        self.refused: Optional[str] = None
        debugger.on_modules_changed(self._modules_changed)
        debugger.on_exit(self._exited)
        debugger.on_resume(self._resumed)
        debugger.on_stop(lambda _event: self._stopped_at())
        if self._look_for_runtime():
            self._first_stop()

    @property
    def interpreter_of(self) -> Callable[[int], int]:
        """Tells the id of the interpreter that ``Py_EndInterpreter(tstate)`` ends, from the argument."""
        return self._interpreter_of

    @interpreter_of.setter
    def interpreter_of(self, function: Callable[[int], int]) -> None:
        self._interpreter_of = function
        for trace in self.open:
            if trace.thread_state:
                trace.interpreter, trace.thread_state = function(trace.thread_state), 0

    # -- finding the runtime ----------------------------------------------------------------------
    def _modules_changed(self, path: str) -> None:
        target = self.debugger.target()
        if target.kind.value != "live":
            return
        if not path and target.pid == self.pid:
            self._replaced()
        if self.runtime is not None and target.executable == self._executable and path:
            if path == self.runtime.module.path or _is_loader(path):
                self._check_place()
            return
        if self.runtime is not None:
            self.disarm()  # another program: exec, or a file was exchanged
        # A new process may have its runtime in the executable, which no event announces.
        if not path or target.pid != self._looked_at or target.executable != self._executable or defines_runtime(path):
            self._look_for_runtime()

    def _replaced(self) -> None:
        """The process runs another program now: nothing of the old one will end any more."""
        for trace in [trace for trace in self.open if trace.pid == self.pid]:
            trace.ended = "replaced"
            self.open.remove(trace)
            for observer in self.observers:
                observer.ended(trace)

    def _check_place(self) -> None:
        """Arm again if the runtime's file is no longer where it was (a position-independent executable)."""
        assert self.runtime is not None
        for module in self.debugger.modules():
            if module.path == self.runtime.module.path:
                if module.bias == self.runtime.bias:
                    return
                break
        self.disarm()
        self._look_for_runtime()

    def _look_for_runtime(self) -> bool:
        """Find CPython in a live target and wait for its finalization; tell whether it is there."""
        target = self.debugger.target()
        self._executable = target.executable
        if target.kind.value != "live":
            return False
        self.pid = self._looked_at = target.pid
        self.exit = None
        self.runtime = find_runtime(self.debugger)
        if self.runtime is None:
            return False
        try:
            entries = self.runtime.entries()
        except NoPlan as error:
            self.runtime, self.problem, self.refused = None, str(error), str(error)
            return False
        self.seen_runtime = self.runtime.module.path
        self._is_new = True
        for address, name, kind in entries:
            self._armed.wait_for(address, self._entry(name, kind))
        return True

    def _resumed(self) -> None:
        self.passed = []
        while self._here:
            if self._here.pop(0)() and self.stopped is not None and self.stopped.run is not None:
                self.passed.append(self.stopped.run.name)
        self.stopped = None

    def advance_here(self) -> bool:
        """Begin what begins at the very instruction where the target stands; tell whether the goal stops there.

        A function and what is inlined at its beginning begin together: the target need not run between them.
        """
        self.stopped = None
        while self._here:
            if self._here.pop(0)():
                return True
        return False

    def _later_here(self, action: Callable[[], bool]) -> None:
        self._here.append(action)

    # -- a finalization begins and returns --------------------------------------------------------
    def _entry(self, name: str, kind: str) -> Callable[[Hit], bool]:
        return lambda hit: self._started(hit, name, kind)

    def _started(self, hit: Hit, name: str, kind: str) -> bool:
        assert self.runtime is not None
        if kind == "main" and self.initialized() is False:
            return False  # a second Py_Finalize() does nothing
        self._is_new = False  # it has gone to its finalization under our eyes
        self._follow_fork(hit)
        root = self._root(name)
        if root is None and self.problem is None:
            return False  # a wrapper: the function that it calls has the steps
        phase = Phase.THREAD_SHUTDOWN
        stack: List[StepRun] = []
        run = StepRun(name, root, phase, hit.sp, False, hit.native_id, None)
        trace = Trace(run, kind, self._cycle(hit.pid, kind), 0, hit.pid, hit.native_id, phase)
        if kind == "subinterpreter":
            trace.interpreter = self.interpreter_of(self.debugger.first_argument(hit) or 0)
        stack.append(run)
        trace.stacks[hit.native_id] = stack
        self.traces.append(trace)
        self.open.append(trace)
        if self._armed_in not in (0, hit.pid) and not any(other.pid == self._armed_in for other in self.open):
            self._armed.delete_steps()  # gdb sets a breakpoint by address in the process that is selected then
        self._armed_in = hit.pid
        run.return_to = self.debugger.return_address(hit)
        if run.return_to is not None:
            self.watch_return_to(run.return_to)
        self._arm_steps()
        self._tell(trace, run, True)
        stops = self.goal.starts(trace) or self.breaks.starts(trace)
        if stops:
            self.stopped = Stop("start", trace, run, True)
        if self._armed.is_inlined(hit.address):
            # gdb does not look at a breakpoint that was set at the very instruction where it stands.
            return self._inlined_hit(hit) or stops
        return stops

    def _cycle(self, pid: int, kind: str) -> int:
        over = sum(1 for t in self.traces if t.pid == pid and t.kind == "main" and t.ended == "returned")
        return over + 1

    def _root(self, name: str) -> Optional[PlanStep]:
        plan = self.plan()
        return plan.root(name) if plan is not None else None

    def plan(self) -> Optional[Plan]:
        """Return the plan of the runtime in the target; None (and `problem` says why) when it shows none."""
        if self.runtime is None:
            return None
        try:
            return self.runtime.plan()
        except NoPlan as error:
            self.problem = str(error)
            return None

    def _arm_steps(self) -> None:
        plan = self.plan()
        if plan is not None and self.runtime is not None:
            self._armed.arm(plan, self.runtime.bias, self._call_hit, self._inlined_hit)

    def watch_return_to(self, address: int) -> None:
        """Notice when ``address`` is reached, where a step returns to."""
        self._armed.watch_return(address, self._return_hit)

    # -- steps ------------------------------------------------------------------------------------
    def _trace_of(self, hit: Hit) -> Optional[Trace]:
        self._follow_fork(hit)
        for trace in reversed(self.open):
            if trace.pid == hit.pid and trace.thread == hit.native_id:
                return trace
        for trace in reversed(self.open):
            if trace.pid == hit.pid:
                return trace
        return None

    def _call_hit(self, hit: Hit) -> bool:
        if self.stopped is not None:
            self._later_here(lambda: self._called(hit))
            return False
        return self._called(hit)

    def _called(self, hit: Hit) -> bool:
        trace = self._trace_of(hit)
        if trace is None:
            return False
        stack = trace.stacks.setdefault(hit.native_id, [])
        candidates = self._armed.steps_at(hit.address)
        call_end = self.debugger.return_address(hit)
        jumped = self._jumped_here(stack, hit, call_end)
        self._count_again(jumped)
        if jumped is not None and stack[-1] is not jumped:
            self._begin_again(trace, stack, jumped, hit, call_end)
        if self._ends(trace, self._unwind(trace, stack, hit.sp, call_end, candidates[0].name)):
            self._later_here(lambda: self._called(hit))
            return True
        chain = self._called_from(stack, candidates, call_end)
        around: List[PlanStep] = []
        node = self._called_at(candidates, call_end)
        if chain is not None:
            self._leave_inlined(stack, chain[:-1])
            # Inlined steps whose first instruction was not on the way.
            around = [step for step in chain[:-1] if not any(run.node is step for run in stack)]
            node = chain[-1]
        return self._begin_called(trace, stack, around, node, hit, candidates[0].name, call_end)

    def _begin_called(
        self,
        trace: Trace,
        stack: List[StepRun],
        around: List[PlanStep],
        node: Optional[PlanStep],
        hit: Hit,
        name: str,
        call_end: Optional[int],
    ) -> bool:
        """Begin the inlined steps ``around`` a called one, then that itself; tell whether to stop."""
        for index, step in enumerate(around):
            run, new_phase = self._begin(trace, stack, step, hit, True)
            if self._decide(trace, run, new_phase):
                rest = around[index + 1 :]
                self._later_here(partial(self._begin_called, trace, stack, rest, node, hit, name, call_end))
                return True
        row = catalogue.step_named(name)
        run, new_phase = self._begin(trace, stack, node, hit, False, name)
        run.entry, run.return_to = hit.address, call_end
        if self._names_are_few() and call_end is not None:
            self.watch_return_to(call_end)  # the next step may lie deeper on the stack without being inside
        if row is not None and row.repeats:
            self._stop_counting(trace, run, hit.address)
        elif call_end is not None and (self.ends or node is None or has_steps(node)):
            self.watch_return_to(call_end)
        return self._decide(trace, run, new_phase)

    def _stop_counting(self, trace: Trace, run: StepRun, address: int) -> None:
        """Silence a small step that runs many times in a row until something else happens.

        Not where a function further out calls it as well: when it did would not be seen.
        """
        if self.counts or run.count < _COUNTED or run.node is None or not self._armed.is_called(address):
            return
        if has_steps(run.node) and not all(repeats(child) for child in run.node.children):
            return
        bases = [step for step in trace.stacks[run.thread] if not step.inlined and step is not run]
        if not any(calls(step.node, run.name) for step in bases[:-1]):
            run.more = True
            self._armed.stop_counting(address)

    def _count_again(self, but: Optional[StepRun] = None) -> None:
        """Notice again what `_stop_counting` silenced, ``but`` one step."""
        node = but.node if but is not None else None
        self._armed.count_again(node.address + self.runtime.bias if node is not None and self.runtime is not None else None)

    def _jumped_here(self, stack: List[StepRun], hit: Hit, call_end: Optional[int]) -> Optional[StepRun]:
        """Return the silenced step that, as its last act, jumped to the one entered now.

        A function is gone once it has jumped. Where another jump arrives with its return address, behind a call of that
        function, it was called once more; so it is counted without a stop of its own.
        """
        if not self._armed.any_silenced or not stack or self.runtime is None or call_end is None:
            return None
        bias = self.runtime.bias
        inner = self._armed.steps_at(hit.address)[0]
        last = stack[-1]
        again = len(stack) > 1 and last.name == inner.name and not last.inlined and last.return_to == call_end
        outer = stack[-2] if again and last.sp == hit.sp else last
        if outer.inlined or outer.node is None or outer.sp != hit.sp or outer.return_to != call_end:
            return None
        if not calls(outer.node, inner.name) or calls(inner, inner.name) or inner.name == outer.name:
            return None
        if not any(end + bias == call_end for _start, end in outer.node.sites):
            return None
        return outer if self._armed.is_silenced(outer.node.address + bias) else None

    def _begin_again(
        self, trace: Trace, stack: List[StepRun], run: StepRun, hit: Hit, call_end: Optional[int]
    ) -> None:
        """Begin the next execution of a silenced step."""
        while stack[-1] is not run:
            self._close(stack.pop())
        self._close(stack.pop())
        run, _ = self._begin(trace, stack, run.node, hit, False)
        run.return_to = call_end

    def _called_from(
        self, stack: List[StepRun], candidates: List[PlanStep], call_end: Optional[int]
    ) -> Optional[Way]:
        """Return the plan's way from the function on top of the stack to the step that was called."""
        base = innermost_function(stack)
        if base is None or base.node is None or self.runtime is None:
            return None
        ways = self._ways_in(base.node)
        return way_of_call(ways, base, candidates, call_end, self.runtime.bias, self._names_are_few())

    def _called_at(self, candidates: List[PlanStep], call_end: Optional[int]) -> Optional[PlanStep]:
        """Return the step whose call in the plan ends at ``call_end``, None if that is not told or of none.

        A function that ends something may be called elsewhere too: Py_FatalError disables the fault handler, in whatever
        step it strikes. Such a call is no sign that finalization came to that step's place.
        """
        if len(candidates) != 1 or call_end is None or self.runtime is None:
            return None
        bias = self.runtime.bias
        calls = (end for _start, end in candidates[0].sites)
        return candidates[0] if any(end + bias == call_end for end in calls) else None

    def _names_are_few(self) -> bool:
        plan = self.plan()
        return plan is not None and plan.source == SOURCES[0]

    def _ways_in(self, node: PlanStep) -> List[Way]:
        found = self._ways.get(id(node))
        if found is None:
            found = self._ways[id(node)] = within(node.children)
        return found

    def _inlined_hit(self, hit: Hit) -> bool:
        if self.stopped is not None:
            self._later_here(lambda: self._inlined_begins(hit))
            return False
        return self._inlined_begins(hit)

    def _inlined_begins(self, hit: Hit) -> bool:
        trace = self._trace_of(hit)
        if trace is None:
            return False
        self._count_again()
        stack = trace.stacks.setdefault(hit.native_id, [])
        if self._ends(trace, self._unwind(trace, stack, hit.sp)):
            self._later_here(lambda: self._inlined_begins(hit))
            return True
        base = innermost_function(stack)
        if base is None or base.node is None:
            return False
        here = {id(node) for node in self._armed.steps_at(hit.address)}
        new: List[Way] = []
        for chain in self._ways_in(base.node):
            if id(chain[-1]) in here and chain[-1].inlined:
                if id(chain[-1]) in base.begun:
                    self._armed.rest(base, hit.address)  # it lies in a loop, until its function is entered again
                    self._ran_again(base, chain[-1])
                else:
                    new.append(chain)
        return self._begin_inlined(trace, stack, base, new, hit)

    @staticmethod
    def _ran_again(base: StepRun, node: PlanStep) -> None:
        """Note that an inlined step of many equal ones began again, and that nobody counts on."""
        row = catalogue.step_named(node.name)
        if row is not None and row.repeats:
            for run in base.walk():
                run.more = run.more or run.node is node

    def _begin_inlined(
        self, trace: Trace, stack: List[StepRun], base: StepRun, ways: List[Way], hit: Hit
    ) -> bool:
        """Begin the steps at the ends of ``ways`` and what is around them, in order; tell whether to stop."""
        for index, way in enumerate(ways):
            for node in way:
                if id(node) in base.begun:
                    continue
                self._leave_inlined(stack, way)
                run, new_phase = self._begin(trace, stack, node, hit, True)
                if self._decide(trace, run, new_phase):
                    rest = ways[index:]
                    self._later_here(partial(self._begin_inlined, trace, stack, base, rest, hit))
                    return True
        return False

    def _begin(
        self, trace: Trace, stack: List[StepRun], node: Optional[PlanStep], hit: Hit, inlined: bool, name: str = ""
    ) -> Tuple[StepRun, bool]:
        parent = stack[-1] if stack else None
        name = node.name if node is not None else name
        base = innermost_function(stack)
        if inlined and base is not None and node is not None:
            base.begun.add(id(node))
        phase = trace.phase
        new_phase = False
        if hit.native_id == trace.thread:
            phase, new_phase = self._phase(trace, node, name)
        sp = base.sp if inlined and base is not None else hit.sp
        siblings: List[StepRun] = []  # another thread that collects, for instance, is no part of this finalization
        if parent is not None:
            siblings = parent.children
        elif hit.native_id == trace.thread:
            siblings = trace.root.children
        last = siblings[-1] if siblings else None
        trace.begun += 1 if hit.native_id == trace.thread else 0
        if last is not None and last.name == name and last.thread == hit.native_id and not new_phase:
            # The same step again under the same parent: one line with a count. Its children are
            # those of all its executions.
            last.count += 1
            last.state, last.sp = "running", sp
            last.begun.clear()
            stack.append(last)
            return last, False
        run = StepRun(name, node, phase, sp, inlined, hit.native_id, parent)
        siblings.append(run)
        stack.append(run)
        return run, new_phase

    @staticmethod
    def _phase(trace: Trace, node: Optional[PlanStep], name: str) -> Tuple[Phase, bool]:
        row = catalogue.step_named(name)
        begins = row.begins if row is not None else None
        if begins is None and node is not None and trace.phase.rank < node.phase.rank < Phase.AFTER_FINALIZE.rank:
            # The step that begins the phase did not come in this run. What the plan has after finalization only
            # was called by something that the plan does not show: while its root runs, no trace is there.
            begins = node.phase
        if begins is not None and begins.rank > trace.phase.rank and node is not None:
            trace.phase = begins
            return begins, True
        return trace.phase, False

    def _decide(self, trace: Trace, run: StepRun, new_phase: bool) -> bool:
        self._tell(trace, run, new_phase)
        wanted = self.goal.begins(trace, run, new_phase)
        if wanted or self.breaks.begins(trace, run, new_phase):
            self.stopped = Stop("step", trace, run, new_phase)
            return True
        self._pauses, self.pause = self.pause, False
        return self._pauses

    def _tell(self, trace: Trace, run: StepRun, new_phase: bool) -> None:
        if run.count == 1:
            for observer in self.observers:
                observer.began(trace, run, new_phase)

    # -- ends of steps ----------------------------------------------------------------------------
    def _return_hit(self, hit: Hit) -> bool:
        if self.stopped is not None:
            self._later_here(lambda: self._return_reached(hit))
            return False
        return self._return_reached(hit)

    def _return_reached(self, hit: Hit) -> bool:
        trace = self._trace_of(hit)
        if trace is None:
            return False
        self._count_again()
        ended = self._unwind(trace, trace.stacks.get(hit.native_id, []), hit.sp)
        if trace.root in ended:
            return self._returned(trace)
        return self._ends(trace, ended)

    def settle(self) -> bool:
        """Close what has returned unseen, where the finalizing thread stands now. False, for a breakpoint's callback."""
        for trace in self.open:
            thread = next((t for t in self.debugger.threads() if t.native_id == trace.thread), None)
            sp = self.debugger.register(thread.debugger_id, 0, "sp") if thread is not None else None
            stack = trace.stacks.get(trace.thread, [])
            if sp is not None:
                inner = stack[1:]  # not the function that finalizes itself: its return is watched
                self._unwind(trace, inner, sp)
                stack[1:] = inner
            self._leave_passed(trace)
        return False

    def _leave_passed(self, trace: Trace) -> None:
        """Close steps that are over and whose end nothing has told yet, by where the frames of the thread stand.

        At a stop of ours the next step tells. A signal, or a breakpoint of the user's, can come long after the last
        inlined step (or, without `ends`, called one), in what is no step.
        """
        stack = trace.stacks.get(trace.thread, [])
        plan, thread = self.plan(), next((t for t in self.debugger.threads() if t.native_id == trace.thread), None)
        if len(stack) < 2 or not (stack[-1].inlined or not self.ends) or plan is None or thread is None or self.runtime is None:
            return
        from .adopt import entered_with, is_body_of
        from .position import holding

        entered = entered_with(self.debugger, thread)
        while len(stack) > 1 and not stack[-1].inlined and stack[-1].sp in entered:
            if stack[-1].return_to in (None, entered[stack[-1].sp][1]):
                return
            self._close(stack.pop())
        base = innermost_function(stack)
        if base is None or base.node is None or base.sp not in entered:
            return
        pc = entered[base.sp][0] - self.runtime.bias
        if is_body_of(plan, base.node, pc):
            self._leave_inlined(stack, holding(base.node.children, pc))

    def _ends(self, trace: Trace, ended: List[StepRun]) -> bool:
        """Tell whether the goal was to get to the end of one of these steps."""
        for run in ended:
            if self.goal.ends(trace, run):
                self.stopped = Stop("end", trace, run)
                return True
        return False

    def _unwind(
        self, trace: Trace, stack: List[StepRun], sp: int, call_end: Optional[int] = None, called: str = ""
    ) -> List[StepRun]:
        """Close the steps whose frames are gone, now that the stack pointer is ``sp``; return them.

        ``called`` is the function just entered, which will return to ``call_end``. At its entry the
        stack pointer is where the return address lies. A step that was entered at the same place
        is over, unless it jumped to this function as its last act: then both return together.
        """
        ended: List[StepRun] = []
        while stack:
            top = stack[-1]
            if top.sp > sp or (top.sp == sp and (not called or top.inlined)):
                break
            if top.sp == sp and call_end == top.return_to and top.name != called and calls(top.node, called):
                break
            ended.append(self._close(stack.pop()))
        return ended

    def _leave_inlined(self, stack: List[StepRun], chain: List[PlanStep]) -> None:
        """Close inlined steps on top of the stack that are not on the way ``chain``."""
        keep = {id(node) for node in chain}
        while stack and stack[-1].inlined and id(stack[-1].node) not in keep:
            self._close(stack.pop())

    def _close(self, run: StepRun) -> StepRun:
        run.state = DONE
        self._armed.wake(run)
        for observer in self.observers:
            observer.closed(run)
        return run

    def _returned(self, trace: Trace) -> bool:
        trace.ended = "returned"
        self.open.remove(trace)
        for run in (r for stack in trace.stacks.values() for r in stack):
            run.state = UNKNOWN  # other threads' steps: nobody sees them end any more
        if trace.kind == "main":
            trace.phase = Phase.AFTER_FINALIZE
        if not self.open:
            self._armed.silence()
        for observer in self.observers:
            observer.ended(trace)
        if self.goal.returns(trace) or self.breaks.returns(trace):
            self.stopped = Stop("returned", trace)
            return True
        return False

    # -- other ends -------------------------------------------------------------------------------
    def _exited(self, event: ExitEvent) -> None:
        if event.pid and self.pid and event.pid != self.pid and self.open:
            return
        if event.detached:
            self._left(event.child)
            return
        self.exit = event
        ended, self.open[:] = list(self.open), []
        self.disarm()
        for trace in ended:
            trace.ended = "died" if event.signal else "exited"
            for observer in self.observers:
                observer.ended(trace)

    def _left(self, child: int) -> None:
        """The process goes on without the debugger, which follows the child that was forked, if any."""
        if child:
            # It has the same files at the same places, and gdb sets its breakpoints there.
            self.pid = self._looked_at = child
            return
        self.disarm()
        for trace in self.open:
            trace.ended = "left"
        self.open.clear()

    def disarm(self) -> None:
        """Delete all breakpoints: the process or program they were for is gone."""
        self._armed.delete()
        self._here.clear()
        self._ways.clear()
        self.runtime = None
        self.problem = None
        self._looked_at = 0
        self._is_new = False

    def forget(self) -> None:
        """Forget the traces of a process that is gone, before the program is run again."""
        self.traces.clear()
        self.open.clear()
        self.stopped = None
        self.exit = None
        self.refused = None

    def _follow_fork(self, hit: Hit) -> None:
        """Give a forked child, which the debugger now follows, its own copy of what is under way."""
        if any(trace.pid == hit.pid for trace in self.open):
            return
        inherited = [trace for trace in self.open if trace.pid != hit.pid]
        for trace in inherited:
            copy = Trace(
                trace.root, trace.kind, trace.cycle, trace.interpreter, hit.pid, hit.native_id, trace.phase,
                begun=trace.begun, adopted=True,
            )
            copy.stacks[hit.native_id] = list(trace.stacks.get(trace.thread, []))
            self.traces.append(copy)
            self.open.append(copy)
            self.open.remove(trace)
            trace.ended = "left"
        self.pid = hit.pid

    # -- coming late ------------------------------------------------------------------------------
    def _first_stop(self) -> None:
        """Look once whether the finalization of a process that gdb has attached to, perhaps, is under way."""
        if self._is_new and self.runtime is not None:
            self._is_new = False
            self._adopt()

    def _stopped_at(self) -> None:
        """The target has stopped, at a step or elsewhere; at a pause there is a step of ours, and frames would take symbols."""
        self._first_stop()
        pauses, self._pauses = self._pauses, False
        if self.stopped is None and not pauses:
            for trace in self.open:
                self._leave_passed(trace)

    def _adopt(self) -> None:
        """Take over a finalization that was under way when fingdb came."""
        assert self.runtime is not None
        from .adopt import adopt

        try:
            taken = adopt(self.debugger, self.runtime)
        except DebuggerError as error:
            self.problem = str(error)
            return
        for trace, returns in taken:
            self.traces.append(trace)
            self.open.append(trace)
            for address in returns:
                self.watch_return_to(address)
        if self.open:
            self._arm_steps()

    # -- for commands -----------------------------------------------------------------------------
    def watch_end_of(self, trace: Trace, run: StepRun) -> None:
        """Make sure that the end of an open step is noticed, also of a kind that is usually not watched."""
        base = innermost_function(trace.stacks[run.thread]) if run.inlined else run
        if base is None:
            return
        try:
            word = self.debugger.read(base.sp, self.debugger.pointer_size)
        except DebuggerError:
            return
        address = int.from_bytes(word, "big" if self.debugger.big_endian else "little")
        if self._armed.is_return(address) or self.runtime is not None and self.debugger.module_at(address):
            self.watch_return_to(address)

    def known_names(self) -> Set[str]:
        """Return the names of all steps of the plan, and of the catalogue."""
        names: Set[str] = {name for row in catalogue.steps() for name in row.names}
        plan = self.plan()
        if plan is not None:
            names.update(node.name for node in plan.walk())
        return names


def _is_loader(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name.startswith(("ld-", "ld64", "libc.so", "libc.musl"))
