"""Which native frame runs which Python functions, where not every evaluation loop has its name."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from ..cpython.frame import Loop
from ..finalization.functions import base_name
from ..model.report import NativeFrame, PythonFrame
from .culprit import EVAL


def placed(loops: Sequence[Loop], frames: Sequence[NativeFrame]) -> Optional[Dict[int, List[PythonFrame]]]:
    """Return level of a native frame -> the Python frames that it runs, innermost first.

    None where the names of functions tell that as well, or where it cannot be told. From 3.12 on an evaluation loop marks
    its beginning by a frame among its own variables, so on the C stack: between the stack pointer of its native frame
    and that of its caller.
    """
    running = [loop for loop in loops if loop.frames]  # without what a thread state has at its outer end (3.15)
    real = [frame for frame in frames if not frame.inlined]
    named = sum(1 for frame in real if frame.function and base_name(frame.function) in EVAL)
    if len(real) < 2 or named == len(running) or any(real[0].sp > loop.shim for loop in running):
        return None
    found: Dict[int, List[PythonFrame]] = {}
    for loop in running:
        for inner, outer in zip(real, real[1:]):
            if inner.sp <= loop.shim < outer.sp:
                found[inner.level] = loop.frames
                break
    return found or None
