"""The interpreters that the tests run on."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import List, Tuple

from fingdb.cli.interpreters import Interpreter, find_interpreters

__all__ = ["EXPECTED", "Interpreter", "available"]

#: Versions that fingdb promises to know. One that is not on the machine is a visible skip.
EXPECTED: Tuple[Tuple[int, int], ...] = ((3, 8), (3, 9), (3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15))

#: More interpreters to test on: paths, separated by colons.
VARIABLE = "FINGDB_TEST_PYTHONS"


@lru_cache(maxsize=None)
def available() -> List[Interpreter]:
    """Return every CPython from 3.8 on of this machine, each build once, by version."""
    return find_interpreters(more=tuple(p for p in os.environ.get(VARIABLE, "").split(":") if p))
