"""What the stepping commands share: going on until a goal, and the words they take."""

from __future__ import annotations

from typing import List, Sequence

from ..debugger.interface import DebuggerError, TargetKind
from ..finalization.goals import Goal
from ..model.phase import PHASES, Phase
from .base import Session, nearest
from .settings import value
from .stops import announce_stops, show_stop


def go(session: Session, goal: Goal) -> None:
    """Continue the target until ``goal`` says stop, something else stops it, or it ends.

    Raises DebuggerError when there is nothing to run.
    """
    target = session.debugger.target()
    if target.kind is TargetKind.CORE:
        raise DebuggerError("a core file cannot be run; \"pyfin status\" and \"pyfin plan\" tell where it stands")
    if target.kind is TargetKind.NONE:
        raise DebuggerError(f"there is no program; {session.debugger.hints.program}")
    tracer = session.tracer
    if value("stop-on-touch"):
        _ = session.checker  # from here on touches are noticed; without it, "pyfin touches" begins to look
    announce_stops(session)
    if target.kind is TargetKind.STATIC:
        tracer.forget()
    tracer.goal = goal
    try:
        if target.kind is TargetKind.LIVE and tracer.advance_here():
            show_stop(session)
            return
        session.debugger.resume()
    finally:
        tracer.goal = Goal()
    if tracer.problem and not tracer.stopped:
        raise DebuggerError(tracer.problem)
    if tracer.exit is None and tracer.runtime is None and session.debugger.target().kind is TargetKind.LIVE:
        return
    if tracer.exit is not None and not tracer.traces:
        raise DebuggerError(tracer.refused or "the program ended and no CPython in it came to its finalization")


def need_process(session: Session) -> None:
    """Raise DebuggerError unless a live process is stopped in the debugger."""
    kind = session.debugger.target().kind
    if kind is TargetKind.CORE:
        raise DebuggerError("this needs a live process, not a core file")
    if kind is not TargetKind.LIVE:
        raise DebuggerError('there is no process; "pyfin start" runs the program')


def step_or_phase(session: Session, word: str, also: Sequence[str] = ()) -> str:
    """Return ``word`` if it names a step or phase. Raises DebuggerError that suggests the nearest."""
    known = names(session)
    if word in known or word in also:
        return word
    raise DebuggerError(f'there is no finalization step or phase "{word}"{nearest(word, known)}')


def names(session: Session) -> List[str]:
    """Return all words that name a step or a phase."""
    phases = [phase.value for phase in PHASES if phase is not Phase.RUNNING]
    return phases + sorted(session.tracer.known_names())


def complete_names(session: Session, text: str, also: Sequence[str] = ()) -> List[str]:
    """Return the completions of the last word of ``text`` to a step or phase, or one of ``also``."""
    return matching(text, [*names(session), *also])


def matching(text: str, words: Sequence[str]) -> List[str]:
    """Return the completions of the last word of ``text`` to one of some words.

    gdb breaks words at "-": what it asks for is the part behind the last break.
    """
    word = text.rsplit(None, 1)[-1] if text and not text[-1].isspace() else ""
    start = word.rfind("-") + 1
    return [name[start:] for name in words if name.startswith(word)]
