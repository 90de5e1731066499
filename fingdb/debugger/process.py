"""What the kernel tells of a process of this machine."""

from __future__ import annotations

import os
import signal as signals
from typing import List, Optional

from .interface import ExitEvent

#: States of threads that do not run any more: zombie, dead.
_OVER = ("Z", "X", "x")


def exists(pid: int) -> bool:
    """Tell whether there is such a process, if only a zombie."""
    return os.path.exists(f"/proc/{pid}")


def traced_by_us(pid: int) -> bool:
    """Tell whether this very process (the debugger) traces another one."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("TracerPid:"):
                    return int(line.split()[1]) == os.getpid()
    except (OSError, ValueError, IndexError):
        pass
    return False


def still_stopped(pid: int) -> bool:
    """Tell whether a process that the debugger has stopped is there to be read: some of its threads stand still.

    SIGKILL ends a stopped process too. Its memory goes before its threads become zombies, and they run for that.
    """
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return any(_stat(f"/proc/{pid}/task/{task}/stat")[:1] in (["t"], ["T"]) for task in tasks)


def end_of(pid: int) -> Optional[ExitEvent]:
    """Return how a process ended that nobody has waited for, None while it lives or if that is not told.

    All its threads must be over: a main thread that called pthread_exit is a zombie among the living.
    """
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    for task in tasks:
        fields = _stat(f"/proc/{pid}/task/{task}/stat")
        if fields and fields[0] not in _OVER:
            return None
    fields = _stat(f"/proc/{pid}/stat")
    if not fields or fields[0] not in _OVER:
        return None
    try:
        status = int(fields[49])  # exit_code, the 52nd of proc(5): the first two are not among these
    except (IndexError, ValueError):
        return None
    if os.WIFEXITED(status):
        return ExitEvent(pid, os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    try:
        return ExitEvent(pid, None, signals.Signals(number).name)
    except ValueError:
        return ExitEvent(pid, None, f"signal {number}")


def _stat(path: str) -> List[str]:
    """Return the fields of a stat file behind the name in parentheses, none when it is gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
