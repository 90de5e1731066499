"""`pyfin plan`: the finalization steps of a binary, in order."""

from __future__ import annotations

import json
import os
from typing import Callable, List, Optional, Tuple

from ..debugger.interface import DebuggerError, TargetKind
from ..finalization import catalogue
from ..finalization.adopt import adopt
from ..finalization.progress import states
from ..finalization.runtime_module import RuntimeModule, defines_runtime, find_runtime, runtime_library
from ..finalization.trace import DONE, UNKNOWN, Trace
from ..model.plan import Plan, PlanStep
from ..report.plan_text import plan_to_dict, render_plan
from .arguments import parser
from .base import Command, Session, split

StateOf = Callable[[PlanStep], str]


class PlanCommand(Command):
    """Prints the plan of the current program, or of a file."""

    def run(self, words: str) -> None:
        arguments = parser("plan")
        arguments.add_argument("file", nargs="?")
        arguments.add_argument("--json", action="store_true")
        options = arguments.parse_args(split(words))
        state_of: StateOf = _no_state
        if options.file:
            plan = plan_of_file(self.session, options.file)
        else:
            plan, state_of = plan_here(self.session)
        if options.json:
            self.session.print(json.dumps(plan_to_dict(plan, state_of, what_ends), indent=1))
        else:
            self.session.print(render_plan(plan, self.session.style(), self.session.width(), state_of, what_ends))


def plan_here(session: Session) -> Tuple[Plan, StateOf]:
    """Return the plan of the current program and what tells each step's state. Raises DebuggerError."""
    target = session.debugger.target()
    if target.kind is TargetKind.NONE:
        raise DebuggerError('there is no program; give a file: "pyfin plan /path/to/python3"')
    if target.kind is TargetKind.STATIC:
        if target.executable is None:
            raise DebuggerError("the program has no executable file")
        return plan_of_file(session, target.executable), _no_state
    if target.kind is TargetKind.LIVE:
        plan = session.tracer.plan()
        if plan is None:
            raise DebuggerError(session.tracer.problem or "there is no CPython in this process yet")
        return plan, _marks(session, plan, [t for t in session.tracer.traces if t.pid == target.pid])
    runtime = find_runtime(session.debugger)
    if runtime is None:
        raise DebuggerError("there is no CPython in this core file, or its files are not on this machine")
    plan = runtime.plan()
    return plan, _marks(session, plan, [trace for trace, _returns in adopt(session.debugger, runtime)])


def _marks(session: Session, plan: Plan, traces: List[Trace]) -> StateOf:
    """Return what tells each step's state, from the finalizations seen or, without any, from the runtime's flags."""
    if not traces:
        from .status import read_status

        if read_status(session).state == "finalized":
            kinds = catalogue.roots()
            over = {id(step) for root in plan.roots if kinds.get(root.name) == "main" for step in root.walk()}
            return lambda step: DONE if id(step) in over else UNKNOWN
    return states(plan, traces)


def plan_of_file(session: Session, path: str) -> Plan:
    """Return the plan of an executable or library without running it. Raises DebuggerError."""
    path = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(path):
        raise DebuggerError(f"{path} is not a file")
    library = runtime_library(path)
    if library is None or not defines_runtime(library):
        raise DebuggerError(f"{path} is not a CPython: neither it nor a libpython that it needs has Py_FinalizeEx")
    for module in session.debugger.modules():
        if module.path == library:
            return RuntimeModule(session.debugger, module).plan()
    with session.debugger.examine(library) as debugger:
        for module in debugger.modules():
            if os.path.realpath(module.path) == os.path.realpath(library):
                return RuntimeModule(debugger, module).plan()
    raise DebuggerError(f"the debugger cannot read {library}")


def what_ends(step: PlanStep) -> Optional[str]:
    """Return what is gone when a step has returned, as the catalogue says."""
    row = catalogue.step_named(step.name)
    return row.gone if row is not None else None


def _no_state(_step: PlanStep) -> str:
    return ""


COMMAND = PlanCommand()
