"""Free-threaded builds in words: that there is no GIL, and who stops the other threads."""

from __future__ import annotations

from typing import List, Sequence

from ..model.report import Interpreter
from ..model.words import plural
from .lines import thread_name


def gil_words(interpreters: Sequence[Interpreter]) -> str:
    """Return who runs without a GIL, "" where every interpreter has one."""
    free = [i for i in interpreters if i.gil_enabled is False]
    if not free or len(free) < len(interpreters):
        return ""
    attached = [thread_name(t) for i in free for t in i.threads if t.state == "attached"]
    more = f" and {len(attached) - 3} more" if len(attached) > 3 else ""
    return f"disabled; attached: {', '.join(attached[:3])}{more}" if attached else "disabled; no thread is attached"


def world_lines(interpreter: Interpreter, interpreters: Sequence[Interpreter]) -> List[str]:
    """Return what there is to say of an interpreter's GIL and of a stop of its threads, one sentence each.

    ``interpreters`` are all there are: who stops the threads of one may belong to another.
    """
    found = []
    if interpreter.gil_enabled is not None:
        found.append(
            "the GIL is enabled (PYTHON_GIL=1, -X gil=1, or an extension module that needs it)"
            if interpreter.gil_enabled else "no GIL: threads that are attached run at the same time"
        )
    return found + stop_lines(interpreter, interpreters)


def stop_lines(interpreter: Interpreter, interpreters: Sequence[Interpreter]) -> List[str]:
    """Return who stops the other threads of an interpreter, in one sentence or none."""
    stop = interpreter.stopped_world
    if stop is None:
        return []
    names = {t.address: thread_name(t) for i in interpreters for t in i.threads}
    who = names.get(stop.requester, f"the thread state {stop.requester:#x}") if stop.requester else "a thread without state"
    others = "all other threads of all interpreters" if stop.everywhere else "all other threads of the interpreter"
    if stop.stopped:
        return [f"{who} has stopped {others} (stop-the-world)"]
    still = f"{plural(stop.waits_for, 'thread')} still to stop" if stop.waits_for else "all have stopped by now"
    return [f"{who} stops {others} (stop-the-world), {still}"]
