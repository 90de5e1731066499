"""The order of steps of which the compiler made copies.

A function that takes one way for the main interpreter and another for the rest may have the code of
a step twice. No order of its instructions then fits both ways; an order of its steps usually does.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Dict, List, Optional, Sequence, Set, Tuple

from ..debugger.interface import Instruction


def in_order_of_ways(
    ordered: Sequence[Instruction],
    ways: Dict[int, List[int]],
    places: Sequence[Sequence[Tuple[int, int]]],
    bias: int,
    first: Sequence[int],
) -> List[int]:
    """Return the indices of steps, each behind those that precede it on some way through the function.

    ``ordered`` are the function's instructions and ``ways`` where the flow comes to each from
    (`flow.ways_to`); ``places`` has the [start, end) pairs of each step, without ``bias``. ``first`` tells
    which goes first of two steps that no way, or a loop, puts in both orders.
    """
    step_at: Dict[int, int] = {}
    addresses = sorted(instruction.address for instruction in ordered)
    for index, pairs in enumerate(places):
        for start, end in pairs:
            for place in range(bisect_left(addresses, start + bias), bisect_left(addresses, end + bias)):
                step_at[addresses[place]] = index
    behind: List[Set[int]] = [set() for _ in places]
    for instruction in ordered:
        here = step_at.get(instruction.address)
        if here is not None:
            behind[here] |= _before(instruction.address, here, step_at, ways)
    return _sorted(behind, first)


def alternatives(places: Sequence[Sequence[int]], ways: Dict[int, List[int]]) -> List[List[int]]:
    """Return groups of indices of places of which one run of a function passes one at most.

    Each of ``places`` is a list of addresses of instructions. Two of them exclude each other when no way leads from
    either to the other. Groups of one are left out; a place is in one group at most.
    """
    starts = [set(addresses) for addresses in places]
    leading = [_leading_to(addresses, ways) for addresses in places]
    groups: List[List[int]] = []
    for index in range(len(places)):
        for group in groups:
            if not any(leading[index] & starts[other] or leading[other] & starts[index] for other in group):
                group.append(index)
                break
        else:
            groups.append([index])
    return [group for group in groups if len(group) > 1]


def _leading_to(addresses: Sequence[int], ways: Dict[int, List[int]]) -> Set[int]:
    """Return the instructions from which the flow can come to one of the addresses."""
    reached: Set[int] = set()
    waiting = [source for address in addresses for source in ways.get(address, ())]
    while waiting:
        address = waiting.pop()
        if address not in reached:
            reached.add(address)
            waiting.extend(ways.get(address, ()))
    return reached


def _before(address: int, here: int, step_at: Dict[int, int], ways: Dict[int, List[int]]) -> Set[int]:
    """Return the steps from which the flow comes to an instruction without another step between."""
    found: Set[int] = set()
    seen = {address}
    waiting = [source for source in ways.get(address, ()) if step_at.get(source) != here]
    while waiting:
        source = waiting.pop()
        if source in seen:
            continue
        seen.add(source)
        step: Optional[int] = step_at.get(source)
        if step is None:
            waiting.extend(ways.get(source, ()))
        elif step != here:
            found.add(step)
    return found


def _sorted(behind: List[Set[int]], first: Sequence[int]) -> List[int]:
    left = set(range(len(behind)))
    result: List[int] = []
    while left:
        ready = [index for index in left if not behind[index] & left]
        if not ready:  # a loop: its first step by the order of the code
            ready = list(left)
        chosen = min(ready, key=lambda index: (first[index], index))
        left.discard(chosen)
        result.append(chosen)
    return result
