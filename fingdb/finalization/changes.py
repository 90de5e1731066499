"""What changed in the runtime between two moments of its finalization, in short texts."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Tuple

from ..cpython.quick import QuickState, quick_state
from ..cpython.runtime import flags, interpreter_addresses
from ..cpython.target import PythonTarget
from ..debugger.interface import DebuggerError
from ..model.phase import Phase
from ..model.words import plural
from .trace import StepRun, Trace

#: How many types are named when a phase ends.
TYPES_SHOWN = 6
#: Phases at whose beginning a walk without stops counts all objects: those between which many are freed.
COUNTED = (Phase.MODULE_TEARDOWN, Phase.INTERPRETER_CLEAR, Phase.TYPE_TEARDOWN)
#: Steps deeper in the tree are not measured in a walk without stops.
_DEEPEST = 2


class Changes:
    """Remembers the runtime's numbers and tells what became of them."""

    def __init__(self, python: Callable[[], PythonTarget]) -> None:
        self._python = python
        self._before: Optional[QuickState] = None
        self._types: Optional[Dict[str, int]] = None
        self._process: Optional[Tuple[int, Optional[str]]] = None

    def forget(self) -> None:
        """Start anew: another process is looked at."""
        self._before = None
        self._types = None

    def since_last(self, with_types: bool = False) -> List[str]:
        """Return what changed since the last call, one text each; empty at the first call for a process.

        With ``with_types`` all objects are counted by type as well, and the types whose number
        changed most since they were last counted are told.
        """
        try:
            python = self._python()
            now = quick_state(python)
        except DebuggerError:
            return []
        target = python.debugger.target()
        process = (target.pid, target.executable)
        if self._process != process:
            self.forget()
            self._process = process
        before, self._before = self._before, now
        told = [] if before is None else differences(before, now)
        if with_types:
            told.extend(self.types_since_last())
        return told

    def types_since_last(self) -> List[str]:
        """Count all objects by type; return what changed since they were last counted, one text or none."""
        from ..cpython.gc import read_gc

        try:
            python = self._python()
            interpreters = interpreter_addresses(python)
            if not interpreters:
                return []
            collector = read_gc(python, interpreters[0])
            if collector.problems:
                return []  # what could not be walked to its end must not look like a change
            now = {counted.type: counted.count for counted in collector.types}
        except DebuggerError:
            return []
        before, self._types = self._types, now
        return [] if before is None else type_differences(before, now)

    def initialized(self) -> Optional[bool]:
        """Tell whether the runtime is initialized, None if that cannot be read."""
        try:
            return flags(self._python())[0]
        except DebuggerError:
            return None

    def interpreter_of(self, thread_state: int) -> int:
        """Return the id of the interpreter that a ``PyThreadState`` belongs to, -1 if it cannot be read."""
        try:
            python = self._python()
            interpreter = python.value("thread.interp", thread_state)
            found = python.value("interp.id", interpreter) if interpreter else None
        except DebuggerError:
            return -1
        return -1 if found is None else found


class Recorder:
    """Writes what each step changed into the trace, for a walk without stops.

    The numbers are read when a step begins; what changed since the step before began is that
    step's doing. Only steps called by the function that finalizes and their direct parts are
    measured: a read costs more than the smallest steps.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._previous: Optional[StepRun] = None
        self._counted: Optional[StepRun] = None

    def began(self, trace: Trace, run: StepRun, new_phase: bool) -> None:
        """Take the numbers before ``run``."""
        if run.depth > _DEEPEST or run.thread != trace.thread:
            return
        told = self._changes.since_last()
        if self._previous is not None:
            self._previous.changes.extend(told)
        self._previous = run
        if new_phase and run.phase in COUNTED:
            # Objects are counted once per phase: what changed is the doing of all steps in between,
            # and is told at the first of them.
            counted = self._changes.types_since_last()
            if self._counted is not None:
                until = f"until {run.phase.value} began: "
                self._counted.changes.extend(until + change for change in counted)
            self._counted = run

    def closed(self, run: StepRun) -> None:
        """Nothing to do: the next step's beginning is the moment to measure."""

    def ended(self, trace: Trace) -> None:
        """Take the numbers after the last step."""
        if self._previous is not None:
            self._previous.changes.extend(self._changes.since_last())
        self._previous = self._counted = None


def differences(before: QuickState, now: QuickState) -> List[str]:
    """Return what differs, one short text each ("sys.modules 31 -> 2")."""
    told: List[str] = []
    if before.interpreter == now.interpreter:
        _add(told, "sys.modules", before.modules, now.modules)
        if before.gc_counts != now.gc_counts and now.gc_counts:
            told.append(f"GC counts {_tuple(before.gc_counts)} -> {_tuple(now.gc_counts)}")
        _add(told, "thread states", before.threads, now.threads)
        _add(told, "GC enabled", before.gc_enabled, now.gc_enabled)
        _add(told, "GC collecting", before.gc_collecting, now.gc_collecting)
        _add(told, "interpreter finalizing", before.interpreter_finalizing, now.interpreter_finalizing)
    _add(told, "interpreters", before.interpreters, now.interpreters)
    _add(told, "initialized", before.initialized, now.initialized)
    _add(told, "core initialized", before.core_initialized, now.core_initialized)
    if (before.finalizing is None) == (now.finalizing is None):
        _add(told, "finalizing flag", bool(before.finalizing), bool(now.finalizing))
    return told


def type_differences(before: Dict[str, int], now: Dict[str, int]) -> List[str]:
    """Return the total and the types whose number changed most, one text ("objects 6021 -> 4410: …")."""
    changed = {name: now.get(name, 0) - before.get(name, 0) for name in {*before, *now}}
    most = sorted((name for name in changed if changed[name]), key=lambda n: (-abs(changed[n]), n))
    if not most:
        return []
    named = ", ".join(f"{name} {changed[name]:+d}" for name in most[:TYPES_SHOWN])
    rest = f", {plural(len(most) - TYPES_SHOWN, 'more type')}" if len(most) > TYPES_SHOWN else ""
    return [f"objects {sum(before.values())} -> {sum(now.values())}: {named}{rest}"]


def _add(told: List[str], what: str, before: object, now: object) -> None:
    if before != now and before is not None:
        told.append(f"{what} {_word(before)} -> {_word(now)}")


def _word(value: object) -> str:
    if value is None:
        return "gone"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tuple(counts: "tuple[int, ...]") -> str:
    return "(" + ", ".join(str(c) for c in counts) + ")"
