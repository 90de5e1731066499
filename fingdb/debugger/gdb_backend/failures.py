"""What our own code raises where gdb calls it: neither gdb nor the user's program may suffer, and nobody may overlook it."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Callable, Set

import gdb

from ..interface import DebuggerError

#: What begins the sentence about a failure; the launcher looks for it in gdb's log.
MARK = "fingdb failed: "

_told: Set[str] = set()


def tell_failure(error: Exception) -> None:
    """Tell the user, once, that our own code failed. What the debugger could not do is no such failure."""
    if os.environ.get("FINGDB_DEBUG"):
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    if isinstance(error, (DebuggerError, gdb.error)):
        return
    sentence = f"{MARK}{type(error).__name__}: {error}; what it tells of this process may be incomplete"
    if sentence not in _told:
        _told.add(sentence)
        gdb.write(sentence + "\n", gdb.STDERR)


def listener_for_gdb(listener: Callable[..., Any]) -> Callable[..., None]:
    """Return a listener whose exceptions do not reach gdb, which would print them as a Python exception."""

    def listen(*words: object) -> None:
        try:
            listener(*words)
        except Exception as error:  # noqa: BLE001 - it is told
            tell_failure(error)

    return listen
