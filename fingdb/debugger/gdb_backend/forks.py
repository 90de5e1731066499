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
    """Tells of each process that the inferior forks, while gdb still holds it, and attaches to such a one."""

    def __init__(self) -> None:
        super().__init__()
        self._child_listeners: List[Callable[[int, bool], None]] = []
        self._children: Set[int] = set()
        #: Number of a catchpoint -> "fork" or "vfork".
        self._catchpoints: Dict[int, str] = {}

    def on_child(self, listener: Callable[[int, bool], None]) -> None:
        """Tell ``listener`` each process that the inferior forks. Raises DebuggerError where gdb cannot catch forks."""
        if not self._catchpoints:
            self._catch()
        self._child_listeners.append(listener)

    def _catch(self) -> None:
        try:
            for kind in ("fork", "vfork"):
                said = gdb.execute(f"catch {kind}", to_string=True)
                number = re.search(r"Catchpoint (\d+)", said)
                if number is not None:
                    self._catchpoints[int(number.group(1))] = kind
        except gdb.error as error:
            raise DebuggerError(f"gdb cannot follow forks here: {error}") from None
        gdb.events.stop.connect(self._forked)

    def _forked(self, event: gdb.StopEvent) -> None:
        caught = [self._catchpoints.get(b.number) for b in getattr(event, "breakpoints", None) or []]
        for pid in _held_children(gdb.selected_inferior().pid):
            if pid in self._children:
                continue
            self._children.add(pid)
            try:
                os.kill(pid, signal.SIGSTOP)
            except OSError:
                continue
            for listener in self._child_listeners:
                listener(pid, "fork" in caught)

    def attach(self, pid: int) -> None:
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
