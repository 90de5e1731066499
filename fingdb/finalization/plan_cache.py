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
from ..model.plan import SOURCES, Plan, PlanStep

SECTION = "plan"
#: Raise it when discovery, the catalogue's phases or the form of what is kept change.
FORMAT = 12


def load(module: Module) -> Optional[Plan]:
    """Return the plan kept for a module's build, None if there is none that holds good.

    One that was made when the build had more to tell (a debug file that is gone now) serves on; one made of less
    than there is now does not.
    """
    if module.build_id is None:
        return None
    kept = Cache(module.build_id, module.path).get(SECTION)
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        return None
    try:
        plan = _plan_from(module, kept)
        if SOURCES.index(plan.source) < SOURCES.index(source_of(module)):
            return None
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
        "source": plan.source,
        "roots": [_step_to(root) for root in plan.roots],
        "flow": {name: [list(run) for run in runs] for name, runs in plan.flow.items()},
    }
    Cache(module.build_id, module.path).put(SECTION, kept)


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
        [list(call) for call in step.through],
    ]


def _step_from(kept: List[Any]) -> PlanStep:
    name, container, inlined, address, sites, phase, row, order, children, also, through = kept
    if not (isinstance(name, str) and isinstance(container, str) and isinstance(address, int)):
        raise ValueError("not a step")
    return PlanStep(
        name, container, bool(inlined), address, [(int(s), int(e)) for s, e in sites], Phase(phase),
        row, int(order), children=[_step_from(child) for child in children], also=[int(a) for a in also],
        through=[(str(name), int(start), int(end)) for name, start, end in through],
    )


def _plan_from(module: Module, kept: Dict[str, Any]) -> Plan:
    flow = {name: [(int(s), int(e), int(o)) for s, e, o in runs] for name, runs in kept["flow"].items()}
    return Plan(module.path, module.build_id, [_step_from(root) for root in kept["roots"]], flow, str(kept["source"]))


def source_of(module: Module) -> str:
    """Return the best of `SOURCES` that a module's files have."""
    best = 0
    for path in module.symbol_files:
        try:
            elf = open_elf(path)
        except ElfError:
            continue
        best = max(best, 2 if elf.has_debug_info() else 1 if elf.section(".symtab") is not None else 0)
    return SOURCES[best]
