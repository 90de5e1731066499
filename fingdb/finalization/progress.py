"""The state of every step of the plan in a process whose finalization may have begun."""

from __future__ import annotations

from typing import Callable, Dict, Sequence

from ..model.plan import Plan, PlanStep
from .trace import DONE, PENDING, RUNNING, UNKNOWN, Trace


def states(plan: Plan, traces: Sequence[Trace]) -> Callable[[PlanStep], str]:
    """Return a function from a plan's step to ``done``, ``running``, ``pending`` or ``unknown``.

    ``traces`` are the finalizations of one process; what counts is the latest of each root. A step
    that the process passed without running it (a condition did not hold) is ``done`` as well: it
    will not come any more.
    """
    known: Dict[int, str] = {}
    for root in plan.roots:
        own = [t for t in traces if t.root.node is root]
        if not own:
            for step in root.walk():
                known[id(step)] = PENDING
            continue
        trace = own[-1]
        if trace.ended == "returned":
            for step in root.walk():
                known[id(step)] = DONE
            continue
        _mark(root, {id(r.node): r.state for r in trace.root.walk() if r.node is not None}, known)
        known[id(root)] = RUNNING
    return lambda step: known.get(id(step), UNKNOWN)


def _mark(step: PlanStep, ran: Dict[int, str], known: Dict[int, str]) -> None:
    """Mark the steps below ``step``: all before the last one that began are behind."""
    last = max((i for i, child in enumerate(step.children) if id(child) in ran), default=-1)
    for index, child in enumerate(step.children):
        state = ran.get(id(child), DONE if index < last else PENDING)
        known[id(child)] = state
        if state == RUNNING:
            _mark(child, ran, known)
        else:
            for inner in list(child.walk())[1:]:
                known[id(inner)] = state
