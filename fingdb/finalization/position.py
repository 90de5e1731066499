"""Which steps of a function are behind a program counter, which one holds it, and which are ahead."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..model.plan import Plan, PlanStep


def position(plan: Plan, container: str, address: int) -> Optional[int]:
    """Return the place of ``address`` in the order of execution of a function, None if it is not in it."""
    for start, end, order in plan.flow.get(container, ()):
        if start <= address < end:
            return order + (address - start)
    return None


def holding(steps: List[PlanStep], address: int) -> List[PlanStep]:
    """Return the chain of steps whose sites hold ``address``, outermost first (inlined steps nest)."""
    for step in steps:
        if any(start <= address < end for start, end in step.sites):
            return [step, *holding(step.children, address)] if step.inlined else [step]
    for step in steps:
        # A call made inside an inlined step belongs to that step even where the line table is silent.
        if step.inlined:
            inner = holding(step.children, address)
            if inner:
                return [step, *inner]
    return []


def behind(plan: Plan, steps: List[PlanStep], address: int) -> Tuple[List[PlanStep], List[PlanStep]]:
    """Return (steps before ``address``, steps after it) of one function's own steps.

    A step with several ways into it is behind when all of them are.
    """
    if not steps:
        return [], []
    here = position(plan, steps[0].container, address)
    if here is None:
        return [], list(steps)
    before: List[PlanStep] = []
    after: List[PlanStep] = []
    for step in steps:
        entries = [position(plan, step.container, entry) or 0 for entry in step.also]
        (before if max([step.order, *entries]) < here else after).append(step)
    return before, after
