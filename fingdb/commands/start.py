"""`pyfin start`: to the beginning of finalization."""

from __future__ import annotations

from ..debugger.interface import DebuggerError
from ..finalization.goals import Start
from .arguments import parser
from .base import Command, split
from .walking import go


class StartCommand(Command):
    """Runs or continues to the entry of ``Py_FinalizeEx``."""

    def run(self, words: str) -> None:
        parser("start").parse_args(split(words))
        for trace in self.session.tracer.open:
            if trace.kind == "main":
                raise DebuggerError('finalization has begun already; "pyfin next" goes on')
        go(self.session, Start())


COMMAND = StartCommand()
