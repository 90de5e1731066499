"""The outer end of a stack that cannot be unwound to it: too deep, or broken in between.

A call of a finalization step leaves its return address on the stack, and the plan knows these
addresses. They are looked for in the stack's memory, from the outside in: the function that finalizes
first, then, just below its frame, the call that each of its steps is in.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ..debugger.interface import Debugger, MemoryFault, NativeThread
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..model.plan import Plan, PlanStep
from ..model.report import NativeFrame
from .case import Case
from .still import DEEPEST

#: So much of a stack's outer end is searched: main, and the functions that finalize, are there.
_OUTER = 1 << 20
#: A frame of a function that finalizes is not larger (3.8 has its module names in an array on the stack).
_FRAME = 1 << 14
#: Depth to which calls of steps are followed.
_NESTING = 8


def complete_stack(
    case: Case, plan: Plan, native: NativeThread, frames: List[NativeFrame]
) -> Optional[List[NativeFrame]]:
    """Return the frames with those of a finalization further out added, None if nothing is to be added."""
    assert case.runtime is not None
    task = case.task(native)
    if len(frames) < DEEPEST and case.is_complete(task):
        return None
    kinds = catalogue.roots()
    if any(f.function and kinds.get(base_name(f.function)) in ("main", "subinterpreter") for f in frames):
        return None
    region = case.mappings.at(frames[-1].sp) if frames else None
    if region is None:
        return None
    start = max(frames[-1].sp & ~7, region.end - _OUTER)
    words = _words(case.debugger, start, region.end)
    if not words:
        return None
    found = _search(case.debugger, plan, case.runtime.bias, start, words)
    if not found:
        return None
    bias = case.runtime.bias
    outer: List[NativeFrame] = []
    for pc, at in reversed(found):
        symbol = case.runtime.functions.covering(pc - bias)
        name = symbol.name if symbol is not None else None
        outer.append(NativeFrame(len(frames) + len(outer), pc, at + 8, name, case.runtime.module.path))
    top = NativeFrame(len(frames) + len(outer), 0, found[0][1] + 16, None, None)
    return [*frames, *outer, top]


def _words(debugger: Debugger, start: int, end: int) -> List[int]:
    while end - start >= 4096:
        try:
            return list(memoryview(debugger.read(start, (end - start) & ~7)).cast("Q"))
        except MemoryFault:
            start += (end - start) // 2 & ~7
    return []


def _search(
    debugger: Debugger, plan: Plan, bias: int, start: int, words: List[int]
) -> List[Tuple[int, int]]:
    """Return (return address, where it lies) of the calls found, the outermost first."""
    kinds = catalogue.roots()
    best: List[Tuple[int, int]] = []
    for root in plan.roots:
        if kinds.get(root.name) not in ("main", "subinterpreter"):
            continue
        calls = _calls(root, bias)
        for index in range(len(words) - 1, -1, -1):
            step = calls.get(words[index])
            if step is None:
                continue
            found = [(words[index], start + 8 * index)]
            _inward(debugger, plan, step, bias, start, words, index, found)
            if len(found) > len(best):
                best = found
            if len(found) > 1:
                break
    return best


def _inward(
    debugger: Debugger, plan: Plan, step: PlanStep, bias: int, start: int, words: List[int], index: int,
    found: List[Tuple[int, int]],
) -> None:
    for _ in range(_NESTING):
        calls = _calls(step, bias)
        body = _body(plan, step, bias)
        last = max(-1, index - _FRAME // 8)
        inner: Optional[PlanStep] = None
        for below in range(index - 1, last, -1):
            inner = calls.get(words[below])
            if inner is not None or (_inside(body, words[below]) and _is_behind_call(debugger, words[below])):
                found.append((words[below], start + 8 * below))
                index = below
                break
        if inner is None:
            return  # nothing further in, or a call of something that is no step
        step = inner


def _body(plan: Plan, step: PlanStep, bias: int) -> List[Tuple[int, int]]:
    """Return the address ranges of a step's own code."""
    containers = {name for child in step.children for name in child.containers()}
    return [(s + bias, e + bias) for c in containers for s, e, _order in plan.flow.get(c, ())]


def _inside(ranges: List[Tuple[int, int]], address: int) -> bool:
    return any(start < address <= end for start, end in ranges)


def _is_behind_call(debugger: Debugger, address: int) -> bool:
    """Tell whether the instruction before ``address`` is a call (x86-64: E8, or FF /2 of some length)."""
    try:
        code = debugger.read(address - 7, 7)
    except MemoryFault:
        return False
    return code[2] == 0xE8 or any(code[at] == 0xFF and code[at + 1] & 0x38 == 0x10 for at in range(6))


def _calls(step: PlanStep, bias: int) -> Dict[int, PlanStep]:
    """Return the return addresses of the calls in a step's own code, inlined steps included."""
    calls: Dict[int, PlanStep] = {}
    for child in step.children:
        if child.inlined:
            calls.update(_calls(child, bias))
        else:
            for _start, end in child.sites:
                calls.setdefault(end + bias, child)
    return calls
