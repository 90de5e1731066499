"""What the kernel tells of a process of this machine."""

from __future__ import annotations

import os
import signal as signals
from typing import List, Optional

from .interface import ExitEvent

#: States of threads that do not run any more: zombie, dead.
_OVER = ("Z", "X", "x")
#: Flag of waitpid(2) for threads that one traces; Python's os has no name for it.
_WALL = 0x40000000


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


def catches(pid: int, name: str) -> Optional[bool]:
    """Tell whether a process has a handler for a signal ("SIGSEGV"), None if that cannot be told."""
    try:
        number = signals.Signals[name]
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt:"))
    except (OSError, KeyError, ValueError, IndexError, StopIteration):
        return None
    return bool(caught >> (number - 1) & 1)


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


def bury_threads(pid: int) -> None:
    """Wait for the threads of a process that are over, but for the first.

    The kernel shows the end of a process only when all its other threads were waited for. A debugger may have missed
    one that was made as the process died, and then waits for that end for ever.
    """
    try:
        tasks = [int(task) for task in os.listdir(f"/proc/{pid}/task")]
    except (OSError, ValueError):
        return
    for task in tasks:
        if task != pid:
            try:
                os.waitpid(task, os.WNOHANG | _WALL)
            except OSError:
                pass  # somebody else has


def _stat(path: str) -> List[str]:
    """Return the fields of a stat file behind the name in parentheses, none when it is gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
