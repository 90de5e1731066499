"""Helps a debugger that waits for ever for the end of a process."""

from __future__ import annotations

import threading
from typing import Callable

from .process import bury_threads, end_of, exists

#: Seconds between two looks.
_OFTEN = 1.0
#: Seconds after which a process that nobody can wait for any more is one that the debugger has lost.
PATIENCE = 20.0


class Undertaker(threading.Thread):
    """A thread of ours that waits for what the debugger has missed, when a process is over and stays a zombie.

    A thread that was made as its process died is unknown to gdb, which then waits for the process without ever being
    told that it has ended: for that somebody must wait for all its threads. ``pid`` tells the process, 0 for none.

    gdb 13 may also have waited for a process that was killed as its breakpoints were set, and wait for it again: nothing
    brings it back from there, not even Control-C. Then ``lost`` is called, in this thread.
    """

    def __init__(self, pid: Callable[[], int], lost: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._lost = lost
        self._enough = threading.Event()

    def run(self) -> None:
        """Look from time to time; what was over at the last look already is buried."""
        over = missing = 0
        while not self._enough.wait(_OFTEN):
            pid = self._pid()
            ended = pid if pid and end_of(pid) is not None else 0
            if ended and ended == over:
                bury_threads(ended)
            over = ended
            missing = missing + 1 if pid and not exists(pid) else 0
            if missing * _OFTEN >= PATIENCE:
                self._lost()
                return

    def dismiss(self) -> None:
        """Let the thread end at once."""
        self._enough.set()
