"""Looks for survivors in a finalization that is followed, once its last collection is over."""

from __future__ import annotations

from typing import Callable, List, Set

from ..cpython.graph.owners import Heap
from ..cpython.target import PythonTarget
from ..debugger.interface import Debugger, DebuggerError
from ..finalization.trace import StepRun, Trace, collected_last, matching_names
from ..finalization.tracer import Tracer
from ..model.report import Finding, ObjectRef
from ..model.survivors import SurvivorGroup
from .roots import Roots
from .survivor_words import account_words, title_of
from .survivors import survivors

KIND = "survivor"
#: The first of these to come is where survivors are looked for: nothing is collected any more.
_STEPS = (*matching_names("_PyGC_Fini"), *matching_names("PyInterpreterState_Delete"))


class LeakWatch:
    """An observer of the tracer: pauses the program before the collector is finalized, and looks at that stop."""

    def __init__(self, debugger: Debugger, tracer: Tracer, python: Callable[[], PythonTarget]) -> None:
        self._debugger = debugger
        self._tracer = tracer
        self._python = python
        self._seen: Set[int] = set()
        self._waiting: List[Trace] = []
        self.findings: List[Finding] = []
        self.notes: List[str] = []

    def began(self, trace: Trace, run: StepRun, _new_phase: bool) -> None:
        """A step is about to run."""
        if run.name in _STEPS and id(trace) not in self._seen:
            self._seen.add(id(trace))
            self._waiting.append(trace)
            self._tracer.pause = True

    def closed(self, run: StepRun) -> None:
        """A step has returned."""

    def ended(self, trace: Trace) -> None:
        """A finalization returned, or its process ended."""

    def at_a_stop(self) -> None:
        """Look for survivors if the step has come before which they are looked for."""
        waiting, self._waiting = self._waiting, []
        for trace in waiting:
            try:
                python = self._python()
                found = survivors(Heap(python), Roots(self._debugger, python), bool(collected_last(trace)))
            except DebuggerError as problem:
                self.notes.append(f"survivors could not be looked for: {problem}")
                continue
            self.notes += found.problems
            self.findings += [self._finding(group, trace) for group in found.groups if group.severity != "note"]

    def _finding(self, group: SurvivorGroup, trace: Trace) -> Finding:
        culprit = group.suspects[0].culprit if group.suspects else None
        run = trace.running()
        words = f" ({account_words(group.account)})" if group.kind == "lost" else ""
        return Finding(
            KIND, group.severity, title_of(group) + words,
            culprit.function if culprit is not None else group.head.type, trace.phase.value, trace.thread,
            subsystem="the objects of the interpreter", after_step="the last collection",
            culprit=culprit, object=ObjectRef(group.head.address, group.head.type), count=group.count,
            advice=group.advice, references=group.references, steps_since=None if run is None else 0,
        )  # fmt: skip
