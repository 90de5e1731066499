"""What every command has: the session with its debugger, output, and errors in one sentence."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional, Sequence

from ..debugger.interface import Debugger, DebuggerError, Interrupted

if TYPE_CHECKING:
    from ..cpython.target import PythonTarget
    from ..finalization.tracer import Tracer
    from ..findings.checker import Checker
    from ..report.style import Style
    from .marks import Marks
    from .stops import Announcer


class Session:
    """One debugger with what fingdb knows of its target."""

    def __init__(self, debugger: Debugger) -> None:
        self.debugger = debugger
        self._python: "Optional[PythonTarget]" = None
        self._python_generation: Optional[object] = None
        self._tracer: "Optional[Tracer]" = None
        self._checker: "Optional[Checker]" = None
        #: Made at first use, by the files that they are in.
        self.marks: "Optional[Marks]" = None
        self.announcer: "Optional[Announcer]" = None

    def python(self) -> "PythonTarget":
        """Return the CPython runtime of the target. Raises DebuggerError with the reason if there is none."""
        from ..cpython.target import PythonTarget

        info = self.debugger.target()
        key = (info.pid, info.executable, info.core, tuple(self.debugger.modules()))
        if self._python is None or self._python_generation != key:
            self._python = PythonTarget(self.debugger)
            self._python_generation = key
        return self._python

    @property
    def tracer(self) -> "Tracer":
        """The tracer of this session."""
        if self._tracer is None:
            from ..finalization.tracer import Tracer

            self._tracer = Tracer(self.debugger)
        return self._tracer

    @property
    def checker(self) -> "Checker":
        """What looks for touches in this session; it sees finalizations that begin after its first use."""
        if self._checker is None:
            from ..findings.checker import Checker
            from .touches import tell_finding

            checker = self._checker = Checker(self.debugger, self.tracer, self.python)
            checker.on_finding = lambda finding: tell_finding(self, finding)
            self.tracer.observers.append(checker)
            self.debugger.on_stop(lambda _event: checker.at_a_stop())
            # gdb would set its breakpoints again in the next process, at addresses that may not be there.
            self.debugger.on_exit(lambda event: None if event.child else checker.stop())
        return self._checker

    @property
    def has_tracer(self) -> bool:
        """Whether a tracer was made, that is whether a Python runtime was ever seen."""
        return self._tracer is not None

    def print(self, text: str) -> None:
        """Write text and a line end for the user."""
        self.debugger.write(text if text.endswith("\n") else text + "\n")

    def style(self) -> "Style":
        """Return the styles that suit the user's terminal now."""
        from ..report.style import Style

        return Style(self.debugger.styling())

    def width(self) -> int:
        """Return the width for tables in columns; 80 when gdb's width is unlimited."""
        return self.debugger.width() or 80


class Command:
    """A `pyfin` command. ``session`` is set before ``run``."""

    session: Session

    def run(self, words: str) -> None:
        """Do the work; ``words`` is what the user typed after the name."""
        raise NotImplementedError

    def complete(self, text: str, word: str) -> Sequence[str]:
        """Return completions of the last word."""
        return []


class HelpShown(Exception):
    """``-h`` was given and answered."""


def split(words: str) -> List[str]:
    """Return words split as a shell does. Raises DebuggerError on an open quote."""
    import shlex

    try:
        return shlex.split(words)
    except ValueError as error:
        raise DebuggerError(f"cannot read the arguments: {error}") from None


_SESSION: Optional[Session] = None


def current_session() -> Session:
    """Return the session of this debugger, made at first use."""
    global _SESSION
    if _SESSION is None:
        from ..debugger.gdb_backend import GdbDebugger

        find_dependencies()
        _SESSION = Session(GdbDebugger())
    return _SESSION


def guarded(work: Callable[[], None]) -> None:
    """Run a command's work; what goes wrong reaches the user as one sentence."""
    try:
        work()
    except HelpShown:
        pass
    except Interrupted:
        raise KeyboardInterrupt from None
    except (DebuggerError, KeyboardInterrupt):
        raise
    except ImportError as error:
        raise DebuggerError(f"{error}; {how_to_install()}") from None
    except Exception as error:  # noqa: BLE001 - never a traceback for the user
        if os.environ.get("FINGDB_DEBUG"):
            raise
        raise DebuggerError(
            f"fingdb failed: {type(error).__name__}: {error} (FINGDB_DEBUG=1 in gdb's environment shows the traceback)"
        ) from None


def how_to_install() -> str:
    """Return what to type to get the libraries that gdb's Python lacks."""
    return "install pygments and tabulate for gdb's Python (apt-get install python3-pygments python3-tabulate)"


def find_dependencies() -> None:
    """Let gdb's Python find pygments, tabulate and numpy in the project's virtual environment if it lacks one."""
    from importlib.util import find_spec

    if find_spec("pygments") and find_spec("tabulate") and find_spec("numpy"):
        return
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    for name in (".venv", "venv"):
        lib = os.path.join(root, name, "lib")
        for python in sorted(os.listdir(lib)) if os.path.isdir(lib) else ():
            packages = os.path.join(lib, python, "site-packages")
            if os.path.isdir(packages) and packages not in sys.path:
                sys.path.append(packages)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ', did you mean "X"?' for the known word most like ``word``, "" if none is alike."""
    import difflib

    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    if not close:
        folded = {k.lower().strip("_"): k for k in known}
        close = [folded[k] for k in difflib.get_close_matches(word.lower().strip("_"), list(folded), 1, 0.5)]
    return f'; did you mean "{close[0]}"?' if close else ""
