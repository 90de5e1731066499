"""`pyfin leaks`: what survives that nothing of CPython's own keeps."""

from __future__ import annotations

from typing import Optional, Tuple

from ..cpython.runtime import interpreter_addresses
from ..debugger.interface import DebuggerError
from ..finalization.trace import collected_last
from ..findings.left_behind import left_behind
from ..findings.roots import Roots
from ..findings.survivors import survivors
from ..model.survivors import LeftBehind, Survivors
from ..report.records import encode
from .base import Command, Session, split
from .summary import need_memory, print_json, progress_line, summary_parser
from .why import heap_of


class LeaksCommand(Command):
    """Prints the survivors in groups, each with what holds it; or all that is allocated."""

    def __init__(self) -> None:
        #: What was allocated when that was last asked, and of which process.
        self._before: Optional[Tuple[int, LeftBehind]] = None

    def run(self, words: str) -> None:
        """Print them. Raises DebuggerError."""
        arguments = summary_parser("leaks")
        arguments.add_argument("--all", action="store_true")
        arguments.add_argument("--blocks", action="store_true")
        options = arguments.parse_args(split(words))
        if options.blocks:
            self._blocks(options.json, options.all)
            return
        found = leaks(self.session)
        if options.json:
            print_json(self.session, encode(found))
            return
        from ..report.leaks_text import render_leaks

        self.session.print(render_leaks(found, self.session.style(), self.session.width(), options.all))


    def _blocks(self, as_json: bool, everything: bool) -> None:
        need_memory(self.session)
        python = self.session.python()
        with progress_line("blocks:") as progress:
            walked, python.walked = python.walked, progress.update
            try:
                found = left_behind(python)
            finally:
                python.walked = walked
        pid = self.session.debugger.target().pid
        before = self._before[1] if self._before is not None and self._before[0] == pid else None
        self._before = (pid, found)
        if as_json:
            print_json(self.session, {**encode(found), "before": None if before is None else encode(before)})
            return
        from ..report.left_text import render_left

        self.session.print(render_left(found, before, self.session.style(), self.session.width(), everything))


def leaks(session: Session) -> Survivors:
    """Return what survives now. Raises DebuggerError."""
    heap = heap_of(session)
    if not heap.addresses.numbers and not interpreter_addresses(heap.target):
        raise DebuggerError(
            'no interpreter is alive: what survives is in no list ("pyfin leaks --blocks" counts what is still allocated)'
        )
    roots = Roots(session.debugger, heap.target)
    with progress_line("objects followed:", len(heap.addresses.numbers)) as progress:
        return survivors(heap, roots, has_collected(session), progress.update)


def has_collected(session: Session) -> bool:
    """Tell whether the step that was the last to end was a collection: nothing can have become garbage since."""
    if not session.has_tracer:
        return False
    told = [collected_last(trace) for trace in session.tracer.open]
    return bool(next((found for found in reversed(told) if found is not None), False))


COMMAND = LeaksCommand()
