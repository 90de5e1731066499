"""`pyfin break`: stop at steps and phases whenever they begin."""

from __future__ import annotations

from typing import Sequence

from .arguments import parser
from .base import Command, split
from .stops import announce_stops
from .walking import complete_names, step_or_phase


class BreakCommand(Command):
    """Adds a stop, or lists them."""

    def run(self, words: str) -> None:
        arguments = parser("break")
        arguments.add_argument("targets", metavar="STEP|PHASE|all", nargs="*")
        options = arguments.parse_args(split(words))
        breaks = self.session.tracer.breaks
        announce_stops(self.session)
        for target in options.targets:
            breaks.names.add(step_or_phase(self.session, target, also=("all",)))
            self.session.print(f"Will stop at {'every step' if target == 'all' else target}.")
        if not options.targets:
            listed = ", ".join(sorted(breaks.names))
            self.session.print(f"Stops at: {listed}." if listed else 'No stops; "pyfin break STEP" makes one.')

    def complete(self, text: str, word: str) -> Sequence[str]:
        return complete_names(self.session, text, also=("all",))


COMMAND = BreakCommand()
