"""Which steps of a function can have run before a place in it that never returns.

Compilers put what reports a fatal error at a function's end, wherever it is called from: its place in
the order of execution tells nothing. What counts is which steps have a way to it.
"""

from __future__ import annotations

from typing import FrozenSet, List, Set

from ..debugger.interface import Debugger, DebuggerError, Instruction
from ..model.plan import Plan, PlanStep
from .flow import NO_RETURN, ways_to
from .functions import Functions, base_name


def leading_to(debugger: Debugger, plan: Plan, functions: Functions, bias: int, container: str, address: int) -> Set[int]:
    """Return the addresses (the file's own) of the container's instructions from which ``address`` can be reached.

    Empty when the code cannot be read.
    """
    instructions: List[Instruction] = []
    for start, end in _ranges(plan, container):
        try:
            instructions.extend(debugger.disassemble(start + bias, end + bias))
        except DebuggerError:
            return set()
    ends = _never_returning(functions, bias, instructions)
    ways = ways_to(instructions)
    holding = [i.address for i in instructions if i.address <= address + bias < i.address + i.length]
    reached: Set[int] = set(holding)
    waiting = list(holding)
    while waiting:
        for source in ways.get(waiting.pop(), ()):
            if source not in reached and source not in ends:
                reached.add(source)
                waiting.append(source)
    return {found - bias for found in reached}


def can_lead(step: PlanStep, container: str, reached: Set[int]) -> bool:
    """Tell whether a step's code in a container, or a call there that leads to the step, is on a way to the place that
    ``reached`` leads to."""
    sites = step.sites if step.container == container else [(s, e) for name, s, e in step.through if name == container]
    return any(start <= address < end for start, end in sites for address in reached)


def _ranges(plan: Plan, container: str) -> List["tuple[int, int]"]:
    merged: List["tuple[int, int]"] = []
    for start, end, _order in sorted(plan.flow.get(container, ())):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _never_returning(functions: Functions, bias: int, instructions: List[Instruction]) -> FrozenSet[int]:
    found = set()
    for instruction in instructions:
        if instruction.flow != "call":
            continue
        symbol = functions.starting_at(instruction.target - bias) if instruction.target else None
        names = {instruction.stub or "", base_name(symbol.name) if symbol is not None else ""}
        if names & NO_RETURN:
            found.add(instruction.address)
    return frozenset(found)
