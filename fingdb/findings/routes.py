"""By which way a thread came to run code when the process ends: exit handlers and destructors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from ..finalization.functions import base_name
from .case import Case, Task

#: Functions of libc and ld.so that run what was registered, in the order in which they decide; in words
#: what they run. The first one found further in is the nearest to the handler.
_ROUTES: Dict[str, str] = {
    "__call_tls_dtors": "the destructor of a thread_local object",
    "__GI___call_tls_dtors": "the destructor of a thread_local object",
    "_dl_fini": "a destructor of its library",
    "_dl_call_fini": "a destructor of its library",
    "__do_global_dtors_aux": "a destructor of its library",
    "__cxa_finalize": "an exit handler or static destructor of its library",
    "__run_exit_handlers": "an exit handler or static destructor",
    "__funcs_on_exit": "an exit handler",
    "__libc_exit_fini": "a destructor of its library",
    "exit": "an exit handler or static destructor",
    "__GI_exit": "an exit handler or static destructor",
}
_EXIT = ("__run_exit_handlers", "exit", "__GI_exit", "_dl_fini", "__cxa_finalize", "__funcs_on_exit")


@dataclass(frozen=True)
class Route:
    """What called the handler; ``index`` is the place of its frame in the stack."""

    words: str
    function: str
    index: int


def exit_route(case: Case, task: Task) -> Optional[Route]:
    """Return how the process's end called what a thread runs, None if it did not.

    Destructors of thread_local objects at the end of a single thread are none of the process's end.
    """
    nearest: Optional[Tuple[int, str]] = None
    leaving = False
    for index, frame in enumerate(task.frames):
        name = base_name(frame.function).split("@", 1)[0] if frame.function else ""
        if name in _ROUTES and nearest is None:
            nearest = (index, name)
        leaving = leaving or name in _EXIT
    if nearest is None or not leaving:
        return None
    index, name = nearest
    return Route(_ROUTES[name], name, index)
