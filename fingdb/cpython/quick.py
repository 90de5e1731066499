"""`quick_state`: what costs no walk over objects, for use at every stop."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

from . import dicts, generations, runtime
from .target import PythonTarget, Unreadable
from .thread_list import thread_addresses


class QuickState(NamedTuple):
    """A few numbers of the runtime; None where the build or its state does not tell one.

    ``gc_counts``, ``modules``, ``threads``, ``gc_enabled`` and ``gc_collecting`` are of the main
    interpreter (the oldest one that is there); ``threads`` counts thread states. ``finalizing`` is
    the thread state that finalizes, 0 for none: a number to compare, never to follow.
    """

    initialized: Optional[bool] = None
    core_initialized: Optional[bool] = None
    finalizing: Optional[int] = None
    interpreters: int = 0
    interpreter: int = 0
    interpreter_finalizing: Optional[bool] = None
    threads: Optional[int] = None
    gc_counts: Tuple[int, ...] = ()
    gc_enabled: Optional[bool] = None
    gc_collecting: Optional[bool] = None
    modules: Optional[int] = None
    problems: Sequence[str] = ()


def quick_state(target: PythonTarget) -> QuickState:
    """Return the numbers of the runtime and its main interpreter. Never raises."""
    problems: List[str] = []
    initialized, core, finalizing = runtime.flags(target, problems)
    everyone = runtime.interpreter_addresses(target, problems)
    if not everyone:
        return QuickState(initialized, core, finalizing, 0, problems=problems)
    interpreter = everyone[0]
    counts: Tuple[int, ...] = ()
    enabled = collecting = None
    try:
        state = generations.state_of(target, interpreter)
        if state is not None:
            enabled, collecting = generations.flags(target, state)
            counts = tuple(g.count for g in generations.generations(target, state, interpreter))
    except Unreadable as error:
        problems.append(f"the state of the collector cannot be read: {error}")
    return QuickState(
        initialized, core, finalizing, len(everyone), interpreter,
        interpreter_finalizing(target, interpreter),
        len(thread_addresses(target, interpreter, problems)),
        counts, enabled, collecting, module_count(target, interpreter), problems,
    )


def interpreter_finalizing(target: PythonTarget, interpreter: int) -> Optional[bool]:
    """Tell whether an interpreter is being finalized, None if it cannot be told. Never raises."""
    try:
        flag = target.value("interp.finalizing", interpreter)
        thread = target.value("interp.finalizing_thread", interpreter)
    except Unreadable:
        return None
    if flag is None and thread is None:
        return None
    return bool(flag) or bool(thread)


def module_count(target: PythonTarget, interpreter: int) -> Optional[int]:
    """Return ``len(sys.modules)``, None when there is no such dict (any more). Never raises."""
    try:
        modules = target.value("interp.modules", interpreter)
        return dicts.length(target, modules) if modules else None
    except Unreadable:
        return None
