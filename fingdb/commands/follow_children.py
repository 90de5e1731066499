"""``fingdb check --follow-children`` inside the debugger: each new process is led to a debugger of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable, Dict, List

from ..debugger.interface import Debugger, DebuggerError
from .batch import start_thread

#: What leads a process; run by the Python that runs fingdb's launcher.
SHEPHERD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli", "shepherd.py")


class Children:
    """The processes that the program makes."""

    def __init__(self, debugger: Debugger, follow: Dict[str, Any]) -> None:
        """``follow`` has the ``directory`` of the job and the ``python`` that leads processes. Raises DebuggerError."""
        self._directory = str(follow["directory"])
        self._python = str(follow["python"])
        #: Sentences about what could not be followed.
        self.notes: List[str] = []
        debugger.on_child(self._born)

    def _born(self, pid: int, whole: bool) -> None:
        import subprocess  # takes milliseconds that most runs need not spend

        kind = "fork" if whole else "other"
        with open(os.path.join(self._directory, f"born-{pid}"), "w", encoding="utf-8"):
            pass
        words = [self._python, "-I", "-B", SHEPHERD, str(pid), kind, self._directory]
        try:
            with open(os.path.join(self._directory, f"shepherd-{pid}"), "wb") as log:
                subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            self.notes.append(f"process {pid} was not followed: {error}")
            try:
                os.kill(pid, signal.SIGCONT)
            except OSError:
                pass


def when_told(directory: str, until: float, stop: Callable[[], None]) -> None:
    """Call ``stop``, from a thread, when it is ``until`` (monotonic clock) or the launcher wants an end."""

    def wait() -> None:
        while time.monotonic() < until and os.path.isdir(directory) and not os.path.exists(os.path.join(directory, "stop")):
            time.sleep(0.1)
        stop()

    start_thread(threading.Thread(target=wait, daemon=True))


def attach(debugger: Debugger, pid: int) -> None:
    """Attach to the process that this debugger is for. Raises DebuggerError."""
    debugger.attach(pid)
    if not os.path.exists(f"/proc/{pid}"):
        raise DebuggerError(f"process {pid} ended before it could be followed")
