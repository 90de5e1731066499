"""Helps a debugger that waits for ever for the end of a process."""

from __future__ import annotations

import threading
from typing import Callable

from .process import bury_threads, end_of

#: Seconds between two looks.
_OFTEN = 1.0


class Undertaker(threading.Thread):
    """A thread of ours that waits for what the debugger has missed, when a process is over and stays a zombie.

    A thread that was made as its process died is unknown to gdb, which then waits for the process without ever being
    told that it has ended: for that somebody must wait for all its threads. ``pid`` tells the process, 0 for none.
    """

    def __init__(self, pid: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._enough = threading.Event()

    def run(self) -> None:
        """Look from time to time; what was over at the last look already is buried."""
        over = 0
        while not self._enough.wait(_OFTEN):
            pid = self._pid()
            ended = pid if pid and end_of(pid) is not None else 0
            if ended and ended == over:
                bury_threads(ended)
            over = ended

    def dismiss(self) -> None:
        """Let the thread end at once."""
        self._enough.set()
