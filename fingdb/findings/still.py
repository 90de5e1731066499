"""A debugger whose target stands still: what it said of stacks is asked once."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ..debugger.interface import Debugger, NativeThread
from ..model.report import NativeFrame

#: Frames of one thread that are unwound at most: a chain of deallocations can have half a million.
DEEPEST = 1200


class Still:
    """Answers like the debugger it was made of, and remembers threads, frames and files.

    Only for as long as the target does not move.
    """

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._threads: Optional[List[NativeThread]] = None
        self._frames: Dict[int, List[NativeFrame]] = {}
        self._asked: Dict[int, int] = {}
        self._registers: Dict[Tuple[int, int, str], Optional[int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._debugger, name)

    def threads(self) -> List[NativeThread]:
        """Return the threads of the target."""
        if self._threads is None:
            self._threads = self._debugger.threads()
        return self._threads

    def frames(self, debugger_id: int, limit: int = 64) -> List[NativeFrame]:
        """Return at most ``limit`` frames of a thread, and no more than `DEEPEST` were unwound."""
        limit = min(limit, DEEPEST)
        if self._asked.get(debugger_id, 0) < limit:
            known = self._frames.get(debugger_id)
            if known is None or len(known) >= self._asked[debugger_id]:
                self._frames[debugger_id] = self._debugger.frames(debugger_id, limit)
            self._asked[debugger_id] = limit
        found = self._frames[debugger_id]
        return found if limit >= DEEPEST else found[:limit]

    def replace(self, debugger_id: int, frames: List[NativeFrame]) -> None:
        """Let `frames` answer with these, all of them there are."""
        self._frames[debugger_id] = frames
        self._asked[debugger_id] = DEEPEST

    def register(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return a register of a frame."""
        key = (debugger_id, level, name)
        if key not in self._registers:
            self._registers[key] = self._debugger.register(debugger_id, level, name)
        return self._registers[key]
