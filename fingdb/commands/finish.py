"""`pyfin finish`: to the end of the running step."""

from __future__ import annotations

from ..debugger.interface import DebuggerError
from ..finalization.goals import Finish
from .arguments import parser
from .base import Command, split
from .walking import go, need_process


class FinishCommand(Command):
    """Stops when the running step has ended, before the next begins."""

    def run(self, words: str) -> None:
        parser("finish").parse_args(split(words))
        need_process(self.session)
        tracer = self.session.tracer
        trace = tracer.open[-1] if tracer.open else None
        run = trace.running() if trace is not None else None
        if trace is None or run is None:
            raise DebuggerError('no finalization step is running; "pyfin start" goes to the first')
        tracer.watch_end_of(trace, run)
        go(self.session, Finish(run))


COMMAND = FinishCommand()
