"""The whole heap at once: all objects of the collector, and all blocks of pymalloc in use."""

from __future__ import annotations

from .objects import gc_objects
from .pymalloc import used_blocks
from .records import PERMANENT, Blocks, GcObjects

__all__ = ["PERMANENT", "Blocks", "GcObjects", "gc_objects", "used_blocks"]
