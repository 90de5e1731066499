"""What `pyfin status` shows: where the process stands, on one screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional

from .report import Interpreter, PythonBuild, RuntimeState, Target


@dataclass
class PhaseProgress:
    """A phase with its state (``done``, ``running``, ``pending``, ``unknown``) and its steps."""

    phase: str
    state: str
    done: int = 0
    total: int = 0


@dataclass
class Status:
    """Everything the status screen says. A None or an empty list says that it is not known.

    ``state`` is one of ``none`` (no program), ``static`` (a program that does not run),
    ``no-python``, ``before`` (before ``Py_Initialize`` is done), ``running``, ``finalizing``,
    ``finalized`` and ``exited``.
    """

    state: str
    target: Optional[Target] = None
    python: Optional[PythonBuild] = None
    phase: Optional[str] = None
    phases: List[PhaseProgress] = field(default_factory=list)
    #: The running step, the function that called it, and the step that comes next.
    step: Optional[str] = None
    parent: Optional[str] = None
    following: Optional[str] = None
    steps_done: Optional[int] = None
    steps_total: Optional[int] = None
    cycle: int = 1
    runtime: Optional[RuntimeState] = None
    interpreters: List[Interpreter] = field(default_factory=list)
    #: What the user may type next, and sentences on what could not be known.
    hint: Optional[str] = None
    notes: List[str] = field(default_factory=list)
