"""`pyfin delete`: remove stops of `pyfin break`."""

from __future__ import annotations

from typing import Sequence

from ..debugger.interface import DebuggerError
from ..finalization.trace import matching_names
from .arguments import parser
from .base import Command, nearest, split
from .walking import matching


class DeleteCommand(Command):
    """Removes the named stops, or all."""

    def run(self, words: str) -> None:
        arguments = parser("delete")
        arguments.add_argument("targets", metavar="STEP|PHASE|all", nargs="*")
        options = arguments.parse_args(split(words))
        stops = self.session.tracer.breaks.names
        for target in options.targets or sorted(stops):
            if target == "all" and "all" not in stops:
                stops.clear()
            else:
                same = stops & matching_names(target)
                if not same:
                    raise DebuggerError(f'there is no stop at "{target}"{nearest(target, stops)}')
                stops -= same

    def complete(self, text: str, word: str) -> Sequence[str]:
        stops = self.session.tracer.breaks.names
        return matching(text, sorted({*stops, "all"} if stops else stops))


COMMAND = DeleteCommand()
