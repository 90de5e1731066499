"""Whether numpy is there. Engines that need it are imported only then."""

from __future__ import annotations

import os


def numpy_found() -> bool:
    """Tell whether gdb's Python can import numpy; ``FINGDB_NUMPY=0`` in gdb's environment does without it."""
    if os.environ.get("FINGDB_NUMPY", "") == "0":
        return False
    try:
        import numpy  # noqa: F401
    except Exception:  # noqa: BLE001 - a numpy for another Python fails in many ways
        return False
    return True
