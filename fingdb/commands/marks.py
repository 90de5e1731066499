"""Censuses of the heap that were kept: by name with `pyfin mark`, and at the stops of a walk through finalization."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List

from ..debugger.interface import DebuggerError
from ..finalization.catalogue import step_named
from .settings import value

if TYPE_CHECKING:
    from ..cpython.heap.census import Census
    from ..cpython.heap.records import GcObjects
    from ..finalization.goals import Stop
    from .base import Session

#: A walk that takes longer (seconds) is not made at each stop, but only where a phase begins.
_QUICK = 0.3
#: So many objects are remembered one by one at stops; of more only the latest census is kept.
_MANY = 2_000_000


@dataclass(frozen=True)
class Mark:
    """A heap at one moment; ``interpreter`` is the address of whose it is, ``where`` says when it was."""

    name: str
    where: str
    pid: int
    interpreter: int
    census: "Census"
    objects: "GcObjects"


class Marks:
    """The marks of a session. Those of a process that is gone are forgotten."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._marks: Dict[str, Mark] = {}
        self._slow = False

    def make(self, name: str, where: str) -> Mark:
        """Take a census now and keep it under ``name``. Raises DebuggerError."""
        from ..cpython.heap.census import census_of
        from ..cpython.heap.objects import gc_objects
        from ..cpython.runtime import interpreter_addresses

        python = self._session.python()
        alive = interpreter_addresses(python)
        if not alive:
            raise DebuggerError("no interpreter is alive: there is nothing to mark")
        objects = gc_objects(python, alive[0])
        if objects.partial and not len(objects) and not objects.interrupted:
            raise DebuggerError(f"there is nothing to mark: {'; '.join(objects.problems) or 'no object can be read'}")
        mark = Mark(name, where, self._pid(), alive[0], census_of(python, objects, False), objects)
        self._forget_others()
        self._marks[name] = mark
        return mark

    def at_stop(self, stop: "Stop") -> None:
        """Keep a census of a stop under the name of the step that begins there, and of the phase. Never raises."""
        if stop.run is None or stop.kind == "end" or not value("types-at-phases"):
            return
        if self._slow and not stop.new_phase:
            return
        began = time.monotonic()
        name = stop.run.name
        try:
            mark = self.make(name, f"{name} began")
        except DebuggerError:
            return
        if stop.new_phase:
            self._marks[str(stop.run.phase)] = mark
        self._slow = time.monotonic() - began > _QUICK
        if len(mark.objects) > _MANY:
            for other in [n for n, m in self._marks.items() if m.where.endswith(" began") and m is not mark]:
                del self._marks[other]

    def find(self, name: str) -> Mark:
        """Return the mark of that name. Raises DebuggerError, which says what there is."""
        self._forget_others()
        row = step_named(name)
        known = (name, *(row.names if row is not None else ()))
        found = next((self._marks[each] for each in known if each in self._marks), None)
        if found is not None:
            return found
        if not self._marks:
            raise DebuggerError(
                f'there is no mark "{name}": "pyfin mark NAME" makes one, and so does each stop of a walk through '
                'finalization ("pyfin next"), under the name of the step'
            )
        raise DebuggerError(
            f'no census was made at "{name}"; there are: {", ".join(self.names())}'
        )

    def names(self) -> List[str]:
        """Return the names of all marks, oldest first."""
        return list(self._marks)

    def _pid(self) -> int:
        return self._session.debugger.target().pid

    def _forget_others(self) -> None:
        pid = self._pid()
        self._marks = {name: mark for name, mark in self._marks.items() if mark.pid == pid}


def marks_of(session: "Session") -> Marks:
    """Return the marks of a session, made at first use."""
    if session.marks is None:
        session.marks = Marks(session)
    return session.marks
