"""``_PyRuntime``: the state of the whole runtime, and who holds the GIL."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..layout.getters import SOURCE as EXPORTED
from ..model.report import RuntimeState
from .target import PythonTarget, Unreadable

#: More interpreters than this are not believed.
MOST_INTERPRETERS = 10_000


def interpreter_addresses(target: PythonTarget, problems: Optional[List[str]] = None) -> List[int]:
    """Return the addresses of the interpreters, the main one (the oldest) first. Never raises.

    Empty before Py_Initialize and after Py_FinalizeEx. What is wrong with the list is appended to
    ``problems``. Mirrors PyInterpreterState_Head and _Next (Python/pystate.c).
    """
    found: List[int] = []
    seen = set()
    problem = None
    try:
        at = target.number("runtime.interpreters.head", target.runtime)
        while at:
            if at in seen or len(found) >= MOST_INTERPRETERS:
                problem = f"the list of interpreters runs in a circle at {at:#x}"
                break
            seen.add(at)
            following = target.number("interp.next", at)
            found.append(at)
            at = following
    except Unreadable as error:
        problem = f"the list of interpreters is broken: {error}"
    if problem and problems is not None:
        problems.append(problem)
    found.reverse()  # the list has the newest first
    return found


def gil_of(target: PythonTarget, interpreter: int) -> Optional[int]:
    """Return the address of the GIL that an interpreter uses, None if there is none (yet).

    Up to 3.11 there is one in the runtime; from 3.12 each interpreter points to its own or a
    shared one. Raises Unreadable.
    """
    field = target.layout.field("runtime.gil")
    if field is not None:
        return target.runtime + field.offset
    return target.value("interp.gil", interpreter) or None


def gil_holder(target: PythonTarget, interpreter: int) -> Optional[int]:
    """Return the thread state that holds the interpreter's GIL, None if nobody does. Never raises.

    The last holder is remembered after it let go: only the locked flag makes it the holder
    (-1: the GIL was not created yet). Up to 3.11 a thread may change to another thread state, of
    another interpreter even, without letting go of the GIL: there the runtime's current thread
    state is the holder. Mirrors take_gil and drop_gil in Python/ceval_gil.c.
    """
    try:
        if target.layout.source == EXPORTED:
            return target.value("runtime.current_thread", target.runtime) or None  # up to 3.11; its own flag is not told
        gil = gil_of(target, interpreter)
        if gil is None or target.value("gil.locked", gil) != 1:
            return None
        if target.value("gil.enabled", gil) == 0:
            return None  # a free-threaded build runs without it
        current = target.value("runtime.current_thread", target.runtime)
        if current:
            return current
        return target.value("gil.last_holder", gil) or None
    except Unreadable:
        return None


def read_runtime(target: PythonTarget) -> RuntimeState:
    """Return the state of the runtime. Never raises."""
    problems: List[str] = []
    interpreters = interpreter_addresses(target, problems)
    holder = gil_holder(target, interpreters[0]) if interpreters else None
    initialized, core, finalizing = flags(target, problems)
    return RuntimeState(target.runtime, initialized, core, finalizing, len(interpreters), holder, problems)


def flags(
    target: PythonTarget, problems: Optional[List[str]] = None
) -> Tuple[Optional[bool], Optional[bool], Optional[int]]:
    """Return (initialized, core initialized, finalizing thread state or 0). Never raises.

    The thread state is a number to compare, never to follow: after Py_FinalizeEx it dangles.
    """
    try:
        initialized = target.value("runtime.initialized", target.runtime)
        core = target.value("runtime.core_initialized", target.runtime)
        finalizing = target.value("runtime.finalizing", target.runtime)
    except Unreadable as error:
        if problems is not None:
            problems.append(f"the runtime cannot be read: {error}")
        return None, None, None
    return (
        None if initialized is None else bool(initialized),
        None if core is None else bool(core),
        finalizing,
    )
