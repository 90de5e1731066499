"""GdbDebugger: the interface of `debugger.interface` on gdb's Python API, put together from the
files beside this one, one subject each."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Iterator, Tuple

import gdb

from ..interface import Debugger, DebuggerError, Hints
from .code import Code
from .console import Console
from .control import Control
from .forks import Forks
from .postponed import quoted
from .signals import Signals
from .types import Types
from .watchpoints import Watchpoints


class GdbDebugger(Signals, Types, Code, Watchpoints, Control, Forks, Console):
    """The running gdb with its selected inferior."""

    name = "gdb"
    hints = Hints(
        program='start gdb with --args python3 PROGRAM, or use "file" (gdb takes no script, such as the python3 of pyenv: '
        '"fingdb gdb -- python3 PROGRAM" finds what that starts)',
        memory='"core-file CORE" or "attach PID" gets one',
        watchpoint='"delete" frees one ("info watchpoints")',
    )

    def __init__(self) -> None:
        numbers = re.findall(r"\d+", gdb.VERSION)
        self.version: Tuple[int, ...] = tuple(int(n) for n in numbers[:2])
        super().__init__()

    @contextmanager
    def examine(self, path: str) -> Iterator[Debugger]:
        """Load ``path`` into an inferior of its own, select it, and go back at the end."""
        before = gdb.selected_inferior().num
        thread = gdb.selected_thread()
        known = {inferior.num for inferior in gdb.inferiors()}
        try:
            gdb.execute(f"add-inferior -no-connection -exec {quoted(path)}", to_string=True)
            new = next(i.num for i in gdb.inferiors() if i.num not in known)
        except (gdb.error, StopIteration) as error:
            raise DebuggerError(f"gdb cannot read {path}: {error}") from None
        try:
            _select_inferior(new)
            self.target_changed()
            yield self
        finally:
            _select_inferior(before)
            if thread is not None and thread.is_valid():
                thread.switch()
            gdb.execute(f"remove-inferiors {new}", to_string=True)
            self.target_changed()


def _select_inferior(number: int) -> None:
    """Select an inferior without gdb's "[Switching to inferior …]", where gdb (13 and later) can keep quiet."""
    try:
        gdb.execute(f"with suppress-cli-notifications on -- inferior {number}", to_string=True)
    except gdb.error:
        gdb.execute(f"inferior {number}", to_string=True)
