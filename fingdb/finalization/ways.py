"""The ways through a plan: from a function that runs to the steps in its own code, and which of them a call was."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..model.plan import PlanStep
from . import catalogue
from .trace import StepRun

#: Steps from a function's own code on, each inlined into the one before, to the last, which may be called.
Way = List[PlanStep]


def within(steps: Sequence[PlanStep]) -> List[Way]:
    """Return the ways from a function to each step in its own code, through the inlined steps around it."""
    ways: List[Way] = []
    for step in steps:
        ways.append([step])
        if step.inlined:
            ways.extend([step, *way] for way in within(step.children))
    return ways


def calls(node: Optional[PlanStep], name: str) -> bool:
    """Tell whether the code of a step calls (or jumps to) another one."""
    return node is not None and any(way[-1].name == name and not way[-1].inlined for way in within(node.children))


def way_of_call(
    ways: Sequence[Way], base: StepRun, candidates: Sequence[PlanStep], call_end: Optional[int], bias: int, few_names: bool
) -> Optional[Way]:
    """Return which of the ``ways`` from the function ``base`` leads to the step that was called, None if it is none.

    ``candidates`` are the steps that begin where the call led to; ``call_end`` is where it returns to, in a target whose
    addresses are the plan's plus ``bias``. That tells which of several calls it was; a tail call has the caller's, then
    it is the first that is not behind. ``few_names``: the plan does not know all functions.
    """
    wanted = {id(node) for node in candidates}
    found = [index for index, way in enumerate(ways) if id(way[-1]) in wanted]
    called = [
        index for index in found
        if call_end is not None and any(end + bias == call_end for _, end in ways[index][-1].sites)
    ]
    if len(called) == 1:
        return ways[called[0]]
    if not called and few_names and not _is_tail_call(base, call_end, bias):
        return None  # a function without a name between them, which is no part of finalization
    found = called or found  # a function without a name may have several callers
    if len(found) > 1:
        begun = {id(run.node) for run in _own_steps(base)}
        behind = max((index for index, way in enumerate(ways) if id(way[-1]) in begun), default=-1)
        found = [index for index in found if index >= behind] or found
    return ways[found[0]] if found else None


def _is_tail_call(base: StepRun, call_end: Optional[int], bias: int) -> bool:
    """Tell whether a function jumped to the step: then it returns to where that function was called."""
    if base.node is None or call_end is None or call_end == base.return_to:
        return True
    through = (call for child in base.node.children for call in child.through)
    return any(end + bias == call_end for _name, _start, end in through)


def _own_steps(base: StepRun) -> List[StepRun]:
    """Return the steps that began in a function's own code: its children, through the inlined ones."""
    found: List[StepRun] = []
    for run in base.children:
        found.append(run)
        if run.inlined:
            found.extend(_own_steps(run))
    return found


def repeats(step: PlanStep) -> bool:
    """Tell whether a step is one that runs many times in a row."""
    row = catalogue.step_named(step.name)
    return _is_quiet(step) or row is not None and row.repeats and not step.inlined


def has_steps(step: PlanStep) -> bool:
    """Tell whether a walk stops in a step."""
    return not all(_is_quiet(child) for child in step.children)


def _is_quiet(step: PlanStep) -> bool:
    """Tell whether nothing in a step is stopped at."""
    row = catalogue.step_named(step.name)
    return row is not None and row.quiet and all(_is_quiet(child) for child in step.children)
