"""How a thread of CPython's ends: by itself when its function has returned, or because it asked for the GIL too late."""

from __future__ import annotations

from typing import Sequence

from ..finalization.functions import base_name
from ..model.report import NativeFrame
from .culprit import PLUMBING, RUNTIME, origin_of
from .hung import HUNG

#: Where a thread ends that asked for the GIL too late: up to 3.13, and from its late releases on.
THREAD_ENDS = ("PyThread_exit_thread", *HUNG)
#: A thread that ends by itself is in its outermost functions: `t_bootstrap` or `thread_run`, and `pythread_wrapper`.
#: One that asked for the GIL too late is in `take_gil` as well, though it had just begun.
_OUTERMOST = 2


def ends_by_itself(frames: Sequence[NativeFrame]) -> bool:
    """Tell whether a thread that reached one of `THREAD_ENDS` does so at its natural end, which is nobody's fault.

    ``frames`` is its stack, innermost first. Up to 3.10 a thread's function calls ``PyThread_exit_thread`` when it
    has returned, without the GIL (Modules/_threadmodule.c: t_bootstrap, thread_run). Names are not needed.
    """
    functions = [frame for frame in frames if not frame.inlined and origin_of(frame) != PLUMBING]
    if functions and base_name(functions[0].function or "") in THREAD_ENDS:
        del functions[0]
    asks = any("take_gil" in (frame.function or "") for frame in frames)
    return not asks and len(functions) <= _OUTERMOST and all(origin_of(frame) == RUNTIME for frame in functions)
