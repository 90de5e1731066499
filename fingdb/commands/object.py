"""`pyfin object ADDR`: one object, and what it refers to."""

from __future__ import annotations

from ..cpython.graph.describe import describe
from ..cpython.graph.referents import Referents
from ..report.records import encode
from .addresses import address
from .base import Command, split
from .summary import need_count, need_memory, print_json, summary_parser
from .why import need_types

#: References that are listed unless the user asks for more.
_LIMIT = 50


class ObjectCommand(Command):
    """Prints an object's type, count, generation and references."""

    def run(self, words: str) -> None:
        """Print the object. Raises DebuggerError."""
        arguments = summary_parser("object")
        arguments.add_argument("address")
        arguments.add_argument("--limit", type=int, default=_LIMIT)
        arguments.add_argument("--all", action="store_true")
        options = arguments.parse_args(split(words))
        need_count("object", "--limit", options.limit)
        where = address(options.address)
        need_memory(self.session)
        python = self.session.python()
        need_types(python)
        limit = 1 << 40 if options.all else options.limit
        record = describe(Referents(python), where, limit)
        if options.json:
            print_json(self.session, {**encode(record), "type_address": hex(record.type_address)})
            return
        from ..report.object_text import render_object

        self.session.print(render_object(record, self.session.style(), self.session.width()))


COMMAND = ObjectCommand()
