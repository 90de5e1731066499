"""`pyfin interpreters`: the interpreters of the runtime."""

from __future__ import annotations

from typing import List

from ..report.records import encode
from .base import Command, split
from .summary import interpreters_of, origin_document, print_json, print_origin, print_problems, summary_parser


class InterpretersCommand(Command):
    """Prints a table of the interpreters, the main one first."""

    def run(self, words: str) -> None:
        """Print the interpreters. Raises DebuggerError."""
        options = summary_parser("interpreters").parse_args(split(words))
        problems: List[str] = []
        found = interpreters_of(
            self.session, problems, threads=True, stacks=options.json, gc=True, objects=True
        )
        if options.json:
            document = {"interpreters": encode(found), "problems": problems}
            print_json(self.session, {**document, **origin_document(self.session, "interpreters")})
            return
        from ..report.summaries import render_interpreters

        self.session.print(render_interpreters(found, self.session.style(), self.session.width()))
        print_origin(self.session, "interpreters")
        print_problems(self.session, problems)


COMMAND = InterpretersCommand()
