"""The phases of CPython's finalization, in order."""

from __future__ import annotations

from enum import Enum
from typing import List


class Phase(str, Enum):
    """Where the runtime stands between its normal life and the end of the process.

    The values are the identifiers of the JSON report; members are in the order in which
    a process goes through them, whatever the version of CPython.
    """

    RUNNING = "running"
    THREAD_SHUTDOWN = "thread-shutdown"
    ATEXIT = "atexit"
    DAEMON_THREADS = "daemon-threads"
    MODULE_TEARDOWN = "module-teardown"
    INTERPRETER_CLEAR = "interpreter-clear"
    TYPE_TEARDOWN = "type-teardown"
    INTERPRETER_DELETE = "interpreter-delete"
    EXIT_FUNCTIONS = "exit-functions"
    AFTER_FINALIZE = "after-finalize"

    def __str__(self) -> str:
        return self.value

    @property
    def rank(self) -> int:
        """Position in the order of phases, 0 for ``running``."""
        return PHASES.index(self)


PHASES: List[Phase] = list(Phase)
