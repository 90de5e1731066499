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

    A step with several ways into it is behind when all of them are. Of a step that the function at ``address`` does
    not lead to, or leads to by the very call that runs, nothing is said.
    """
    container = container_of(plan, steps, address)
    here = position(plan, container, address) if container is not None else None
    if here is None:
        return [], list(steps)
    before: List[PlanStep] = []
    after: List[PlanStep] = []
    for step in steps:
        if step.container == container:
            entries = [position(plan, step.container, entry) or 0 for entry in step.also]
            place = max([step.order, *entries])
        elif _inside_call(step, container, address):
            continue  # what was called tells
        else:
            calls = [position(plan, name, start) or 0 for name, start, _end in step.through if name == container]
            if not calls:
                continue
            place = max(calls)
        (before if place < here else after).append(step)
    return before, after


def container_of(plan: Plan, steps: List[PlanStep], address: int) -> Optional[str]:
    """Return the function that holds ``address`` (the file's own), of those with calls of the steps or calls that lead to
    them; None if none does."""
    for name in dict.fromkeys(name for step in steps for name in step.containers()):
        if position(plan, name, address) is not None:
            return name
    return None


def led_to(plan: Plan, steps: List[PlanStep], address: int) -> List[PlanStep]:
    """Return the steps that the call at ``address``, of a function without a name, leads to."""
    container = container_of(plan, steps, address)
    return [step for step in steps if _inside_call(step, container, address)]


def _inside_call(step: PlanStep, container: Optional[str], address: int) -> bool:
    return any(name == container and start <= address < end for name, start, end in step.through)
