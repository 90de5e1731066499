"""Sourced by gdb: the plan of a file with the catalogue's word on leaves taken, beside the plan with each function read."""

import json
import os

from fingdb.debugger.gdb_backend import GdbDebugger
from fingdb.finalization.discovery import PlanReader
from fingdb.finalization.runtime_module import find_runtime


def text(step):
    return [step.name, step.container, step.inlined, step.address, step.sites, step.order, step.also,
            [text(child) for child in step.children]]


with GdbDebugger().examine(os.environ["RUNTIME"]) as debugger:
    runtime = find_runtime(debugger)
    plans = []
    for thorough in (False, True):
        plan = PlanReader(debugger, runtime.functions, runtime.bias, thorough).read(runtime.module.path, None)
        plans.append([[text(root) for root in plan.roots], sorted(plan.flow.items())])
print("RESULT " + json.dumps(plans))
