"""The shape of the catalogue's rows. The rows themselves are in the files beside this one."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

from ...model.phase import Phase


class Step(NamedTuple):
    """What is known of one finalization step over the versions of CPython.

    A function matches the row when its name, up to the first dot (compilers add ``.part.0``,
    ``.constprop.0``, ``.isra.0``), is one of ``names``.
    """

    #: Identifier of the row: the newest of the names.
    key: str
    #: Every name the step has had, newest first; the key is among them.
    names: Tuple[str, ...]
    #: The phase that has begun at the latest with this step (a stripped build does not show what comes before it);
    #: None when it belongs to whatever phase is running.
    begins: Optional[Phase] = None
    #: Key of the subsystem that is gone when the step has returned (see `subsystems`).
    ends: Optional[str] = None
    #: What is gone afterwards, for a reader: one clause, no full stop.
    gone: Optional[str] = None
    #: First and last version (major, minor) with the step, both included; None is open.
    since: Optional[Tuple[int, int]] = None
    until: Optional[Tuple[int, int]] = None
    #: True for a step that runs once per module, type or the like: shown as one line with a count.
    repeats: bool = False
    #: True for a helper that each execution of its caller runs, hundreds of times in all: it is in the
    #: plan, but a walk does not stop in it.
    quiet: bool = False
    #: True for a function whose source calls no other step in any version: none can be inlined into it.
    leaf: bool = False
    #: The function is a place where finalization of something starts ("main", "subinterpreter", "after").
    root: Optional[str] = None
    #: Issue or document, as a URL.
    reference: Optional[str] = None
    #: Functions that call it through a pointer, which their code does not tell.
    called_through: Tuple[str, ...] = ()
    #: Functions that a root may be inlined into: look for it there when it has no code of its own.
    hosts: Tuple[str, ...] = ()
    #: Key of the row of older versions that this one goes on with: the same step, with another effect.
    continues: Optional[str] = None


class Subsystem(NamedTuple):
    """A part of the runtime that finalization ends.

    ``touches`` are functions that need the subsystem to be alive, ``owns`` says in words and
    names which objects hang on it.
    """

    key: str
    title: str
    #: Keys of the steps after which it is gone, any of them.
    ended_by: Tuple[str, ...]
    #: Functions whose call after the end is a touch, over all versions.
    touched_by: Tuple[str, ...] = ()
    #: Where its objects hang, over all versions: field paths from the interpreter ("interp.sysdict")
    #: or the runtime ("runtime.gc.garbage"), static variables as "longobject.c:small_ints".
    owns: Tuple[str, ...] = ()
    #: One sentence on what happens to code that uses it too late.
    consequence: Optional[str] = None
    reference: Optional[str] = None
    #: The end concerns only threads other than the finalizing one.
    other_threads_only: bool = False


def bpo(number: int) -> str:
    """Return the URL of an issue of the old tracker."""
    return f"https://bugs.python.org/issue{number}"


def gh(number: int) -> str:
    """Return the URL of an issue of the python/cpython repository."""
    return f"https://github.com/python/cpython/issues/{number}"
