"""The plan of a build as a nested list."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from ..model.plan import SOURCES, Plan, PlanStep
from .escape import printable
from .lines import paragraph
from .records import encode
from .step_list import StepLine, step_lines
from .style import Style

#: What tells a step's state ("done", "running", "pending", "unknown"), and what it ends, in words.
StateOf = Callable[[PlanStep], str]
EndsOf = Callable[[PlanStep], Optional[str]]


_FEW = (
    "note: the steps between them cannot be seen, and one may belong to a later phase than it is listed in; `fingdb doctor` "
    "tells what brings the rest"
)
_SOURCES = {SOURCES[0]: "those of exported functions only", SOURCES[1]: "without the inlined ones"}


def _no_state(_step: PlanStep) -> str:
    return ""


def _no_end(_step: PlanStep) -> Optional[str]:
    return None


def _collect(step: PlanStep, depth: int, state_of: StateOf, ends_of: EndsOf, into: List[StepLine]) -> None:
    labels = []
    if step.inlined:
        labels.append("inlined")
    if step.row is None:
        labels.append("uncatalogued")
    state, ends = state_of(step), ends_of(step)
    into.append(StepLine(step.name, str(step.phase), state, depth, labels=labels, ends=ends))
    for child in step.children:
        _collect(child, depth + 1, state_of, ends_of, into)


def render_plan(
    plan: Plan,
    style: Style,
    width: int,
    state_of: StateOf = _no_state,
    ends_of: EndsOf = _no_end,
) -> str:
    """Return the plan as text without a newline at its end: one tree per root.

    ``state_of`` gives the mark of each step ("" for a program that does not run), ``ends_of`` what
    is gone when the step has returned.
    """
    blocks = []
    for root in plan.roots:
        lines: List[StepLine] = []
        _collect(root, 0, state_of, ends_of, lines)
        blocks.append("\n".join(step_lines(lines, style, width)))
    total = sum(1 for _ in plan.walk())
    unknown = sum(1 for step in plan.walk() if step.row is None)
    summary = f"{total} steps in {printable(plan.module)}" if total else "no finalization step was found"
    if total and plan.source != SOURCES[-1]:
        summary += f", {_SOURCES[plan.source]}: the build has no debug information"
    if unknown:
        summary += f", {unknown} of them not in the catalogue"
    said = paragraph(summary, style, width, 0)
    if total and plan.source == SOURCES[0]:
        said += paragraph(_FEW, style, width, 0)
    blocks.append(style.dim("\n".join(said)))
    return style.output("\n\n".join(blocks))


def plan_to_dict(
    plan: Plan, state_of: StateOf = _no_state, ends_of: EndsOf = _no_end
) -> Dict[str, Any]:
    """Return the plan as plain data: ``module``, ``build_id`` and the trees of ``roots``."""

    def step_data(step: PlanStep) -> Dict[str, Any]:
        return {
            "name": step.name,
            "phase": str(step.phase),
            "state": state_of(step) or "unknown",
            "inlined": step.inlined,
            "container": step.container,
            "catalogued": step.row is not None,
            "ends": ends_of(step),
            "address": encode(step.address, "address"),
            "file": step.file,
            "line": step.line,
            "children": [step_data(child) for child in step.children],
        }

    head = {"module": plan.module, "build_id": plan.build_id, "source": plan.source}
    return {**head, "roots": [step_data(r) for r in plan.roots]}
