"""`pyfin until`: to a step or phase."""

from __future__ import annotations

from typing import Sequence

from ..finalization.goals import Until
from .arguments import parser
from .base import Command, split
from .walking import complete_names, go, step_or_phase


class UntilCommand(Command):
    """Stops before the named step, or before the first step of the named phase."""

    def run(self, words: str) -> None:
        arguments = parser("until")
        arguments.add_argument("target", metavar="STEP|PHASE")
        options = arguments.parse_args(split(words))
        target = step_or_phase(self.session, options.target)
        go(self.session, Until(target))

    def complete(self, text: str, word: str) -> Sequence[str]:
        return complete_names(self.session, text)


COMMAND = UntilCommand()
