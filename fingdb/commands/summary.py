"""What the summary commands share: their options, and their records as JSON."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Tuple

from ..cpython.interpreter import read_interpreters
from ..debugger.interface import DebuggerError, TargetKind
from ..model.report import Interpreter
from ..report.progress import Progress
from ..report.records import dumps
from .arguments import ArgumentParser, parser
from .base import Session

if TYPE_CHECKING:
    from ..findings.sources import Origin


def summary_parser(name: str) -> ArgumentParser:
    """Return the parser of a summary command, which knows ``--json``."""
    made = parser(name)
    made.add_argument("--json", action="store_true")
    return made


def need_count(command: str, option: str, number: int) -> None:
    """Raise DebuggerError where an option that says how many got a negative number."""
    if number < 0:
        raise DebuggerError(f"pyfin {command}: {option} wants a number that is not negative")


def interpreters_of(
    session: Session,
    problems: List[str],
    threads: bool = False,
    stacks: bool = False,
    gc: bool = False,
    objects: bool = False,
) -> List[Interpreter]:
    """Return the interpreters of the target, with as much of each as is asked for.

    Raises DebuggerError when there is no process, no core, or no Python in it.
    """
    need_memory(session)
    python = session.python()
    if not (gc and objects):
        return read_interpreters(python, threads, stacks, gc, objects, problems)
    with walk_progress(session):
        return read_interpreters(python, threads, stacks, gc, objects, problems)


def interpreters_in(session: Session, problems: List[str]) -> List[Tuple[int, int]]:
    """Return (id, address) of each interpreter that can be read, the main one first. Raises DebuggerError without Python."""
    from ..cpython.runtime import interpreter_addresses
    from ..cpython.target import Unreadable

    python = session.python()
    found = []
    for address in interpreter_addresses(python, problems):
        try:
            found.append((python.number("interp.id", address), address))
        except Unreadable as error:
            problems.append(f"the interpreter at {address:#x} cannot be read: {error}")
    return found


def heaps_in(session: Session, problems: List[str]) -> List[Tuple[int, int]]:
    """Return (id, address) of each interpreter with lists of its own: up to 3.8 one collector serves all interpreters."""
    found = interpreters_in(session, problems)
    return found[:1] if session.python().layout.has("runtime.gc") else found


@contextmanager
def walk_progress(session: Session) -> Iterator[None]:
    """Tell on a terminal how far a walk over objects is, if it takes more than a second. Raises DebuggerError."""
    python = session.python()
    with Progress(_to_terminal, "objects:", terminal=_is_terminal()) as progress:
        before, python.walked = python.walked, progress.update
        try:
            yield
        finally:
            python.walked = before


def progress_line(label: str, total: Optional[int] = None) -> Progress:
    """Return a progress line on the user's terminal, one that says nothing where there is none."""
    return Progress(_to_terminal, label, total, terminal=_is_terminal())


def _is_terminal() -> bool:
    return os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"


def _to_terminal(text: str) -> None:
    os.write(2, text.encode("ascii", "replace"))  # past gdb's pager


def need_memory(session: Session) -> None:
    """Raise DebuggerError unless the debugger has a process or a core file."""
    kind = session.debugger.target().kind
    if kind is TargetKind.NONE:
        raise DebuggerError(f"there is no program; {session.debugger.hints.program}")
    if kind is TargetKind.STATIC:
        raise DebuggerError('the program does not run; "pyfin start" or "run" starts it')


def print_json(session: Session, data: object) -> None:
    """Print plain data as JSON."""
    session.print(dumps(data))


def origin_of(session: Session, subject: str) -> Origin:
    """Return what an answer was read with, and what it lacks, on a build without debug information. Raises DebuggerError."""
    from ..findings.sources import origin_of_answer

    return origin_of_answer(session.python(), subject)


def print_origin(session: Session, subject: str) -> None:
    """Print that in a sentence; nothing for a build with its debug information. Raises DebuggerError."""
    from ..report.lines import paragraph

    sentence = origin_of(session, subject).sentence
    if sentence:
        style, width = session.style(), session.width()
        session.print(style.output("\n".join(paragraph(sentence, style, width, 0, "note"))))


def origin_document(session: Session, subject: str) -> Dict[str, object]:
    """Return the same as plain data, for a JSON document: ``source`` ("" for a whole build) and ``missing``."""
    origin = origin_of(session, subject)
    return {"source": origin.source, "missing": origin.missing}


def print_problems(session: Session, problems: List[str]) -> None:
    """Print what could not be read, a sentence each."""
    from ..report.lines import paragraph

    style, width = session.style(), session.width()
    for problem in problems:
        session.print(style.output("\n".join(paragraph(problem, style, width, 0, "warning"))))
