"""Which engine reads a heap: numpy, where it is there and worth its import, or plain Python."""

from __future__ import annotations

import os
import sys

from ...debugger.interface import TargetKind
from ...debugger.mappings import Mappings
from ..target import PythonTarget

#: To import numpy takes as long as to read a heap of this size (bytes of memory that can be written) in plain Python.
_WORTH = 64 << 20


def numpy_wanted(target: PythonTarget) -> bool:
    """Tell whether to read the heap with numpy. Never raises.

    ``FINGDB_NUMPY`` in gdb's environment says 0 for never, 1 for always (where gdb's Python can import it).
    """
    asked = os.environ.get("FINGDB_NUMPY", "")
    if asked == "0" or not (asked == "1" or "numpy" in sys.modules or _size(target) >= _WORTH):
        return False
    try:
        import numpy  # noqa: F401
    except Exception:  # noqa: BLE001 - a numpy for another Python fails in many ways
        return False
    return True


def _size(target: PythonTarget) -> int:
    """Return how many bytes of memory a heap may lie in."""
    core = target.debugger.core_memory()
    if core is not None:
        return core.length
    info = target.debugger.target()
    if info.kind is not TargetKind.LIVE:
        return 0
    return sum(m.end - m.start for m in Mappings.of(info).ranges if m.writable and m.accessible)
