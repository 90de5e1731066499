"""The last thing that a process does: ``_exit`` of the C library."""

from __future__ import annotations

from typing import Callable, Optional

from ..debugger.interface import Breakpoint, Debugger, DebuggerError, Hit
from .libc import address_in_libc

#: What ends a process without running anything else; exit() comes to it when all handlers have run.
EXIT = "_exit"


class ExitWatch:
    """Waits for a process to leave. Its exit code is known there, and no finding can come any more."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._breakpoint: Optional[Breakpoint] = None

    def arm(self, pid: int, leaving: Callable[[], bool]) -> None:
        """Call ``leaving()`` when process ``pid`` is about to end; it answers True to stop there."""
        self.disarm()
        address = address_in_libc(self._debugger, EXIT)
        if address is None:
            return

        def reached(hit: Hit) -> bool:
            if hit.pid != pid:
                return False  # a child of fork()
            code = self._debugger.first_argument(hit)
            if code is not None:
                self._debugger.expect_exit(pid, code)
            return leaving()

        try:
            self._breakpoint = self._debugger.breakpoint(address, reached)
        except DebuggerError:
            pass  # then the end comes without notice

    def disarm(self) -> None:
        """Wait no longer."""
        if self._breakpoint is not None:
            self._breakpoint.delete()
            self._breakpoint = None
