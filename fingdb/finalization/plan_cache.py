"""Plans kept from run to run, by build-id, beside the other things known of a build.

A kept plan is checked before it is used: its form, its addresses against the file's segments,
and a digest of the code that it describes.
"""

from __future__ import annotations

import zlib
from typing import Any, Dict, List, Optional

from ..debugger.interface import Module
from ..elf import ElfError, ElfFile, open_elf
from ..layout.cache import Cache
from ..model.phase import Phase
from ..model.plan import Plan, PlanStep

SECTION = "plan"
#: Raise it when discovery, the catalogue's phases or the form of what is kept change.
FORMAT = 8


def load(module: Module) -> Optional[Plan]:
    """Return the plan kept for a module's build, None if there is none that holds good."""
    if module.build_id is None:
        return None
    kept = Cache(module.build_id).get(SECTION)
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        return None
    try:
        plan = _plan_from(module, kept)
        if kept.get("digest") != _digest(open_elf(module.path), plan):
            return None
        return plan
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ElfError):
        return None


def store(module: Module, plan: Plan) -> None:
    """Keep a plan; a cache that cannot be written is no error."""
    if module.build_id is None:
        return
    try:
        digest = _digest(open_elf(module.path), plan)
    except ElfError:
        return
    kept = {
        "format": FORMAT,
        "digest": digest,
        "roots": [_step_to(root) for root in plan.roots],
        "flow": {name: [list(run) for run in runs] for name, runs in plan.flow.items()},
    }
    Cache(module.build_id).put(SECTION, kept)


def _digest(elf: ElfFile, plan: Plan) -> str:
    """Return a checksum of the machine code of all functions in the plan."""
    checksum = length = 0
    for name in sorted(plan.flow):
        for start, end, _order in plan.flow[name]:
            code = elf.read(start, end - start)
            if len(code) != end - start:
                raise ValueError("the plan has code outside the file")
            checksum = zlib.crc32(code, checksum)  # hashlib takes longer to import than all of this
            length += len(code)
    return f"{checksum:08x}-{length}"


def _step_to(step: PlanStep) -> List[Any]:
    return [
        step.name, step.container, int(step.inlined), step.address, [list(s) for s in step.sites],
        step.phase.value, step.row, step.order, [_step_to(child) for child in step.children], step.also,
    ]


def _step_from(kept: List[Any]) -> PlanStep:
    name, container, inlined, address, sites, phase, row, order, children, also = kept
    if not (isinstance(name, str) and isinstance(container, str) and isinstance(address, int)):
        raise ValueError("not a step")
    return PlanStep(
        name, container, bool(inlined), address, [(int(s), int(e)) for s, e in sites], Phase(phase),
        row, int(order), children=[_step_from(child) for child in children], also=[int(a) for a in also],
    )


def _plan_from(module: Module, kept: Dict[str, Any]) -> Plan:
    flow = {name: [(int(s), int(e), int(o)) for s, e, o in runs] for name, runs in kept["flow"].items()}
    return Plan(module.path, module.build_id, [_step_from(root) for root in kept["roots"]], flow)
