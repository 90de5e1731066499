"""The block of CPython's allocator that holds an address: pymalloc's, or mimalloc's (free-threaded builds)."""

from __future__ import annotations

from typing import Optional

from ..cpython.heap.mimalloc import Mimalloc
from ..cpython.target import PythonTarget
from . import pymalloc
from .pymalloc import Block


def block_at(python: PythonTarget, address: int) -> Optional[Block]:
    """Return the block that holds ``address``, None when it is in none. Never raises."""
    allocator = Mimalloc(python)
    if allocator.known:
        found = allocator.block_at(address)
        if found is not None:
            return Block(found.start, found.size, found.state, found.problem, "mimalloc")
    if python.build.free_threaded:
        return None  # it has no pymalloc; what looks like a pool of it is none
    return pymalloc.block_at(python.memory, address)
