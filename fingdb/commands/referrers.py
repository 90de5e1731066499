"""`pyfin referrers ADDR`: who refers to an object."""

from __future__ import annotations

from ..report.records import encode
from .addresses import address
from .base import Command, split
from .summary import need_count, print_json, summary_parser
from .why import LIMIT, answer


class ReferrersCommand(Command):
    """Prints the objects and the places in C memory that refer to an object."""

    def run(self, words: str) -> None:
        """Print them. Raises DebuggerError."""
        arguments = summary_parser("referrers")
        arguments.add_argument("address")
        arguments.add_argument("--limit", type=int, default=LIMIT)
        arguments.add_argument("--all", action="store_true")
        options = arguments.parse_args(split(words))
        need_count("referrers", "--limit", options.limit)
        why = answer(self.session, address(options.address), 0, 1 << 40 if options.all else options.limit)
        if options.json:
            document = encode(why)
            for key in ("paths", "cycle"):
                del document[key]
            print_json(self.session, document)
            return
        from ..report.why_text import render_referrers

        self.session.print(render_referrers(why, self.session.style(), self.session.width()))


COMMAND = ReferrersCommand()
