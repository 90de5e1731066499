"""What happened in a finalization so far: the steps that ran, in order, nested by caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ..model.phase import Phase
from ..model.plan import PlanStep

DONE, RUNNING, PENDING, UNKNOWN = "done", "running", "pending", "unknown"


@dataclass
class StepRun:
    """One execution of a step by a thread."""

    name: str
    node: Optional[PlanStep]
    phase: Phase
    #: Stack pointer at the entry of the function that holds the step's code.
    sp: int
    inlined: bool
    thread: int
    parent: Optional["StepRun"]
    state: str = RUNNING
    #: Entry of the function, None for an inlined step or if unknown.
    entry: Optional[int] = None
    #: Where the function returns to, None for an inlined step or if unknown.
    return_to: Optional[int] = None
    #: Times it ran in a row under the same parent.
    count: int = 1
    #: True when it may have run more often than that: nobody counted on (see ``Tracer.counts``).
    more: bool = False
    changes: List[str] = field(default_factory=list)
    children: List["StepRun"] = field(default_factory=list)
    #: Inlined steps (by the id of their node) that began in this execution.
    begun: "set[int]" = field(default_factory=set)

    @property
    def depth(self) -> int:
        """Number of steps around this one."""
        return 0 if self.parent is None else self.parent.depth + 1

    def walk(self) -> Iterator["StepRun"]:
        """Yield this step and those below it, in the order in which they began."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class Trace:
    """One finalization: of the main interpreter or of a subinterpreter, in one life of the runtime."""

    root: StepRun
    kind: str
    cycle: int
    interpreter: int
    pid: int
    thread: int
    phase: Phase = Phase.THREAD_SHUTDOWN
    #: None while it runs; "returned", "exited", "died", "replaced" (by exec) or "left" (for a forked child) afterwards.
    ended: Optional[str] = None
    #: Open steps of each thread, outermost first.
    stacks: Dict[int, List[StepRun]] = field(default_factory=dict)
    #: Steps that began, one for one (repeats included).
    begun: int = 0
    #: True when fingdb came when it was already under way.
    adopted: bool = False
    #: Address of the thread state that ends a subinterpreter, where that is known and the interpreter not yet.
    thread_state: int = 0
    #: See `place`; made when first asked for.
    places: Optional[Dict[int, int]] = None

    def running(self) -> Optional[StepRun]:
        """Return the innermost open step of the finalizing thread, None when none is open."""
        stack = self.stacks.get(self.thread)
        return stack[-1] if stack else None


def innermost_function(stack: Sequence[StepRun]) -> Optional[StepRun]:
    """Return the innermost open step that is a function of its own, None if none is."""
    return next((run for run in reversed(stack) if not run.inlined), None)


def matching_names(name: str) -> "frozenset[str]":
    """Return every name over the versions of the step called ``name``, itself included."""
    from . import catalogue

    row = catalogue.step_named(name)
    return frozenset(row.names) | {name} if row is not None else frozenset({name})


#: Steps that collect everything, under all their names.
_COLLECTIONS = ("_PyGC_CollectNoFail", "PyGC_Collect")


def collected_last(trace: Trace) -> Optional[bool]:
    """Tell whether the step that was the last to end collected everything, or was a part of that; None before any ended.

    Of a subinterpreter that is not said: its collection leaves the objects of others alone.
    """
    last = None
    for run in trace.root.walk():
        if run.state == DONE and not run.children:
            last = run
    if last is None:
        return None
    around: Optional[StepRun] = last
    while around is not None and not (around.name in _COLLECTIONS and around.state == DONE):
        around = around.parent
    return around is not None and trace.kind == "main"


def place(trace: Trace, run: StepRun) -> Tuple[int, int]:
    """Return (k, n): the place of a step among the steps of its plan, counted from 1; (0, n) if it has none."""
    if trace.root.node is None:
        return 0, 0
    if trace.places is None:
        steps = list(trace.root.node.walk())[1:]
        trace.places = {id(node): index for index, node in enumerate(steps, 1)}
    return trace.places.get(id(run.node), 0), len(trace.places)
