"""`pyfin next`: to the next finalization step."""

from __future__ import annotations

from ..debugger.interface import DebuggerError
from ..finalization.goals import Next
from .arguments import parser
from .base import Command, split
from .walking import go, need_process


class NextCommand(Command):
    """Stops before the next step, or the N-th."""

    def run(self, words: str) -> None:
        arguments = parser("next")
        arguments.add_argument("count", nargs="?", type=int, default=1)
        arguments.add_argument("--all", action="store_true")
        options = arguments.parse_args(split(words))
        if options.count < 1:
            raise DebuggerError("pyfin next: the number of steps must be 1 or more")
        need_process(self.session)
        go(self.session, Next(options.count, options.all))


COMMAND = NextCommand()
