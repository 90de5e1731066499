"""A stack that was used up, and the functions that called each other until then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from ..model.report import NativeFrame
from .case import Case, Task
from .still import DEEPEST

#: A stack ends so far below its last page at most: a frame with a large array steps over the guard.
_BEYOND = 1 << 20
#: The stack pointer is so near to the stack's end when it overflows.
_NEAR = 1 << 16
#: Frames that are compared to find the functions that recur.
_WINDOW = 160
_LONGEST_ROUND = 40


@dataclass
class Overflow:
    """A stack overflow: size of the stack in bytes (0 if unknown), and one round of the recursion, innermost first."""

    size: int
    round: List[NativeFrame]
    sure: bool


def stack_overflow(case: Case, task: Task) -> Optional[Overflow]:
    """Return the overflow that a thread died of, None if it did not die of one."""
    signal = case.signal
    if signal is None or signal.name not in ("SIGSEGV", "SIGBUS") or not task.frames:
        return None
    sp = task.frames[0].sp
    stack = case.mappings.at(sp) if sp else None
    if stack is None or stack.accessible is False:
        stack = case.mappings.next_above(sp) if sp else None
        if stack is None or stack.start - sp > _BEYOND:
            return None
    fault = signal.address
    if sp - stack.start > _NEAR:
        return None
    if fault is not None:
        holding = case.mappings.at(fault)
        below = stack.start - _BEYOND <= fault < stack.start
        guard = holding is not None and holding.accessible is False and holding.end == stack.start
        if not (below or guard) or (holding is not None and not guard):
            return None
    round_ = recursion(task.frames)
    if not round_ and case.is_complete(task):
        return None  # nothing recurs from end to end: one function has asked for more than there is, or for nonsense
    if fault is None and not (round_ and len(task.frames) >= DEEPEST):
        return None
    return Overflow(stack.end - stack.start, round_, fault is not None)


def recursion(frames: Sequence[NativeFrame]) -> List[NativeFrame]:
    """Return one round of a recursion at the inner end of a stack, empty if there is none.

    The innermost frames may be of what the last round called: the round is searched a little further out.
    """
    keys: List[Tuple[Optional[str], int]] = [(f.function, 0 if f.function else f.pc) for f in frames[: 2 * _WINDOW]]
    for skip in (0, 8, 24):
        window = keys[skip : skip + _WINDOW]
        for period in range(1, min(_LONGEST_ROUND, len(window) // 3) + 1):
            same = sum(1 for i in range(len(window) - period) if window[i] == window[i + period])
            if same >= 0.9 * (len(window) - period):
                # From the middle: the innermost frames may be of another round, cut short.
                middle = skip + len(window) // 2
                return list(frames[middle : middle + period])
    return []
