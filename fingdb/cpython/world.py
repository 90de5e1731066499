"""Who may run Python code: the holder of the GIL, or (free-threaded builds) the threads that are attached."""

from __future__ import annotations

from typing import List, Optional

from ..model.report import StoppedWorld
from . import runtime
from .target import PythonTarget, Unreadable
from .thread_list import thread_addresses

#: `state` of a thread state: _Py_THREAD_ATTACHED in Include/internal/pycore_pystate.h.
_ATTACHED = 1


def gil_enabled(target: PythonTarget, interpreter: int) -> Optional[bool]:
    """Tell whether an interpreter of a free-threaded build has its GIL enabled (PYTHON_GIL=1, or an extension module
    that did not say that it needs none). None for builds that always have one, or when it cannot be read. Never raises.
    """
    try:
        gil = runtime.gil_of(target, interpreter)
        enabled = target.value("gil.enabled", gil) if gil else None
    except Unreadable:
        return None
    return None if enabled is None else bool(enabled)


def may_run(target: PythonTarget, interpreter: int) -> List[int]:
    """Return the thread states that may run Python code now: one at most where there is a GIL. Never raises."""
    if gil_enabled(target, interpreter) is not False:
        holder = runtime.gil_holder(target, interpreter)
        return [] if holder is None else [holder]
    found = []
    for thread in thread_addresses(target, interpreter):
        try:
            if target.value("thread.state", thread) == _ATTACHED:
                found.append(thread)
        except Unreadable:
            continue
    return found


def stopped_world(target: PythonTarget, interpreter: int) -> Optional[StoppedWorld]:
    """Return the stop of the other threads that is asked for or reached, None without one. Never raises.

    Mirrors stop_the_world() in Python/pystate.c: one of all interpreters goes before one of this interpreter.
    """
    for room, address in (("runtime", target.runtime), ("interp", interpreter)):
        try:
            if not target.value(f"{room}.stop.requested", address):
                continue
            return StoppedWorld(
                bool(target.value(f"{room}.stop.stopped", address)),
                target.value(f"{room}.stop.requester", address) or 0,
                max(target.value(f"{room}.stop.countdown", address) or 0, 0),
                room == "runtime",
            )
        except Unreadable:
            continue
    return None
