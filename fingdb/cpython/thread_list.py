"""The list of an interpreter's thread states."""

from __future__ import annotations

from typing import List, Optional

from .target import PythonTarget, Unreadable

#: More threads than this are not believed.
MOST_THREADS = 100_000


def thread_addresses(target: PythonTarget, interpreter: int, problems: Optional[List[str]] = None) -> List[int]:
    """Return the addresses of an interpreter's thread states, the newest first. Never raises.

    Mirrors PyInterpreterState_ThreadHead and PyThreadState_Next (Python/pystate.c).
    """
    found: List[int] = []
    seen = set()
    problem = None
    try:
        at = target.number("interp.threads.head", interpreter)
        while at:
            if at in seen or len(found) >= MOST_THREADS:
                problem = f"the list of thread states runs in a circle at {at:#x}"
                break
            seen.add(at)
            following = target.number("thread.next", at)
            found.append(at)
            at = following
    except Unreadable as error:
        problem = f"the list of thread states is broken: {error}"
    if problem and problems is not None:
        problems.append(problem)
    return found
