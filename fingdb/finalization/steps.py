"""Traces as the list of steps that reports show."""

from __future__ import annotations

from typing import List, Optional

from ..model.plan import PlanStep
from ..model.report import StepState
from . import catalogue
from .trace import PENDING, RUNNING, StepRun, Trace


def step_states(trace: Trace) -> List[StepState]:
    """Return the steps of one finalization in the order in which they began.

    When it did not come to its end, the steps of the plan that were still to come follow as ``pending``.
    """
    listed = [_state(trace, run) for run in trace.root.walk()]
    if trace.ended != "returned" and trace.root.node is not None:
        listed.extend(_pending(trace))
    return listed


def _state(trace: Trace, run: StepRun) -> StepState:
    phase = run.phase.value
    return StepState(
        run.name, phase, run.state, run.parent.name if run.parent else None, trace.interpreter, run.inlined,
        run.count, run.depth, trace.cycle, trace.pid, run.thread, what_ends(run.name), changes=list(run.changes), more=run.more,
    )


def what_ends(name: str) -> Optional[str]:
    """Return the title of the subsystem that a step ends, None if it ends none."""
    row = catalogue.step_named(name)
    subsystem = catalogue.subsystem(row.ends) if row is not None and row.ends else None
    return subsystem.title if subsystem is not None else None


def _pending(trace: Trace) -> List[StepState]:
    """Return what the open steps of the finalizing thread would still have run, the innermost step's first."""
    waiting: List[StepState] = []
    open_runs = [run for run in trace.root.walk() if run.state == RUNNING and run.thread == trace.thread]
    for run in reversed(open_runs):
        if run.node is None:
            continue
        began = [index for index, node in enumerate(run.node.children) if any(c.node is node for c in run.children)]
        for node in run.node.children[(began[-1] + 1) if began else 0 :]:
            waiting.extend(_planned(trace, node, run.name, run.depth + 1))
    return waiting


def _planned(trace: Trace, node: PlanStep, parent: str, depth: int) -> List[StepState]:
    listed = [
        StepState(
            node.name, node.phase.value, PENDING, parent, trace.interpreter, node.inlined, 1, depth,
            trace.cycle, trace.pid, trace.thread, what_ends(node.name),
        )
    ]
    for child in node.children:
        listed.extend(_planned(trace, child, node.name, depth + 1))
    return listed
