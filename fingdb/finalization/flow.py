"""The order in which a function's instructions run.

Compilers lay out code for speed: a rarely taken branch sits at the end or in another section,
a loop may start in its middle. Address order is therefore not the order of execution. The
instructions are cut into basic blocks, and the blocks put into a weak topological order
(Bourdoncle 1993): what precedes comes first, loops stay together, ties go by address.
"""

from __future__ import annotations

import heapq
from typing import AbstractSet, Dict, Iterable, List, Sequence, Set

from ..debugger.interface import Instruction

#: Calls that never come back: the instruction after them belongs to something else.
NO_RETURN = frozenset(
    {
        "abort",
        "exit",
        "_exit",
        "pthread_exit",
        "__stack_chk_fail",
        "__assert_fail",
        "Py_FatalError",
        "_Py_FatalErrorFunc",
        "_Py_FatalErrorFormat",
        "_Py_FatalRefcountErrorFunc",
        "_PyObject_AssertFailed",
        "Py_ExitStatusException",
        "fatal_error_exit",
    }
)


def in_execution_order(
    instructions: Sequence[Instruction], no_return: AbstractSet[int] = frozenset()
) -> List[Instruction]:
    """Return the instructions of one function (all its parts) in the order in which they run.

    ``no_return`` holds addresses of functions that do not come back. The first instruction is
    the function's entry. Instructions that nothing reaches (jump tables) keep their place by address.
    """
    blocks = _basic_blocks(_without_padding(instructions, no_return))
    edges = _edges(blocks, no_return)
    ordered: List[Instruction] = []
    for leader in _order(sorted(blocks), edges, instructions[0].address if instructions else 0):
        ordered.extend(blocks[leader])
    return ordered


def ways_to(instructions: Sequence[Instruction]) -> Dict[int, List[int]]:
    """Return address -> addresses of the instructions that the flow of control comes from, in one function."""
    ways: Dict[int, List[int]] = {}
    for instruction in instructions:
        if instruction.flow in ("jump", "branch") and instruction.target is not None:
            ways.setdefault(instruction.target, []).append(instruction.address)
        if instruction.flow not in ("jump", "return"):
            ways.setdefault(instruction.address + instruction.length, []).append(instruction.address)
    return ways


def _without_padding(instructions: Sequence[Instruction], no_return: AbstractSet[int]) -> List[Instruction]:
    """Return the instructions without the filling that nothing reaches.

    The line table gives it to whatever block is beside it, where it would look like that block's beginning.
    """
    kept: List[Instruction] = []
    dead = False
    for instruction in instructions:
        if instruction.flow == "padding" and dead:
            continue
        kept.append(instruction)
        dead = instruction.flow in ("jump", "return") or _never_returns(instruction, no_return)
    return kept


def _never_returns(instruction: Instruction, no_return: AbstractSet[int]) -> bool:
    return instruction.flow == "call" and (instruction.target in no_return or instruction.stub in NO_RETURN)


def _basic_blocks(instructions: Sequence[Instruction]) -> Dict[int, List[Instruction]]:
    known = {i.address for i in instructions}
    leaders: Set[int] = set()
    previous_end = None
    fresh = True
    for instruction in instructions:
        if fresh or instruction.address != previous_end:
            leaders.add(instruction.address)
        fresh = instruction.flow in ("jump", "branch", "return")
        if instruction.flow in ("jump", "branch") and instruction.target in known:
            leaders.add(instruction.target)
        previous_end = instruction.address + instruction.length
    blocks: Dict[int, List[Instruction]] = {}
    current: List[Instruction] = []
    for instruction in instructions:
        if instruction.address in leaders:
            current = blocks.setdefault(instruction.address, [])
        current.append(instruction)
    return blocks


def _edges(blocks: Dict[int, List[Instruction]], no_return: AbstractSet[int]) -> Dict[int, List[int]]:
    edges: Dict[int, List[int]] = {}
    for leader, body in blocks.items():
        last = body[-1]
        targets = []
        if last.flow in ("jump", "branch") and last.target in blocks:
            targets.append(last.target)
        ends = last.flow in ("jump", "return") or _never_returns(last, no_return)
        following = last.address + last.length
        if not ends and following in blocks:
            targets.append(following)
        edges[leader] = [t for t in targets if t is not None]
    return edges


def _order(leaders: Sequence[int], edges: Dict[int, List[int]], entry: int) -> Iterable[int]:
    """Yield block leaders: components in topological order, each loop from its head on."""
    members = set(leaders)
    components = _components(leaders, edges, members)
    number = {leader: index for index, component in enumerate(components) for leader in component}
    # Components come out of Tarjan's algorithm in reverse topological order; order them again
    # with the smallest address first among those that are ready, which keeps straight code straight.
    waiting = [0] * len(components)
    for leader in leaders:
        for target in edges[leader]:
            if target in members and number[target] != number[leader]:
                waiting[number[target]] += 1
    first = [min(component) for component in components]
    ready = [(first[i] if entry not in components[i] else -1, i) for i, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    while ready:
        _, index = heapq.heappop(ready)
        component = components[index]
        if len(component) == 1:
            yield component[0]
        else:
            yield from _loop(component, edges, members, entry)
        for leader in component:
            for target in edges[leader]:
                if target in members and number[target] != index:
                    waiting[number[target]] -= 1
                    if not waiting[number[target]]:
                        heapq.heappush(ready, (first[number[target]], number[target]))


def _loop(component: List[int], edges: Dict[int, List[int]], outside: Set[int], entry: int) -> Iterable[int]:
    """Yield the blocks of a loop, its head (where it is entered from outside) first."""
    inside = set(component)
    entered = [t for leader in outside - inside for t in edges[leader] if t in inside]
    head = entry if entry in inside else min(entered) if entered else min(component)
    yield head
    rest = sorted(inside - {head})
    cut = {leader: [t for t in edges[leader] if t in inside and t != head] for leader in rest}
    start = min((t for t in edges[head] if t in cut), default=rest[0] if rest else 0)
    yield from _order(rest, cut, start)


def _components(leaders: Sequence[int], edges: Dict[int, List[int]], members: Set[int]) -> List[List[int]]:
    """Return the strongly connected components (Tarjan 1972, without recursion)."""
    index: Dict[int, int] = {}
    low: Dict[int, int] = {}
    stack: List[int] = []
    on_stack: Set[int] = set()
    found: List[List[int]] = []
    for root in leaders:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in members:
                    continue
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    found.append(component)
    return found
