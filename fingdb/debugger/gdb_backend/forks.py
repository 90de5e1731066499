"""Children of the inferior: noticed as they are made, and left stopped for somebody else."""

from __future__ import annotations

import os
import re
import signal
from typing import Callable, Dict, List, Set

import gdb

from ..interface import DebuggerError
from ..process import traced_by_us


class Forks:
    """Tells of each process that the inferior forks, while gdb still holds it.

    The child is left to the kernel's job control: it stops as soon as gdb lets it go. Whoever is
    told must see to it that it goes on (SIGCONT, or a debugger of its own).
    """

    def __init__(self, born: Callable[[int, bool], None]) -> None:
        """Call ``born(pid, whole)``; ``whole`` is false for a child that shares its parent's memory until it executes.

        Raises DebuggerError where gdb cannot catch forks.
        """
        self._born = born
        self._told: Set[int] = set()
        self._kinds: Dict[int, str] = {}
        try:
            for kind in ("fork", "vfork"):
                said = gdb.execute(f"catch {kind}", to_string=True)
                number = re.search(r"Catchpoint (\d+)", said)
                if number is not None:
                    self._kinds[int(number.group(1))] = kind
        except gdb.error as error:
            raise DebuggerError(f"gdb cannot follow forks here: {error}") from None
        gdb.events.stop.connect(self._stopped)

    def _stopped(self, event: gdb.StopEvent) -> None:
        caught = [self._kinds.get(b.number) for b in getattr(event, "breakpoints", None) or []]
        for pid in _held_children(gdb.selected_inferior().pid):
            if pid in self._told:
                continue
            self._told.add(pid)
            try:
                os.kill(pid, signal.SIGSTOP)
            except OSError:
                continue
            self._born(pid, "fork" in caught)


def attach(pid: int) -> None:
    """Attach to a process that job control has stopped, and end that stop. Raises DebuggerError."""
    try:
        gdb.execute(f"attach {pid}", to_string=True)
        os.kill(pid, signal.SIGCONT)  # or it would be stopped again when gdb lets it go
    except (gdb.error, OSError) as error:
        raise DebuggerError(f"gdb cannot attach to process {pid}: {error}") from None


def _held_children(parent: int) -> List[int]:
    """Return the children of a process that gdb holds and does not follow."""
    followed = {inferior.pid for inferior in gdb.inferiors()}
    found: List[int] = []
    try:
        tasks = os.listdir(f"/proc/{parent}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
        except (OSError, ValueError):
            continue
        found += [pid for pid in children if pid not in followed and traced_by_us(pid)]
    return found
