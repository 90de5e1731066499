"""`pyfin mark NAME`: remember the heap as it is now."""

from __future__ import annotations

from ..debugger.interface import DebuggerError
from ..model.words import plural
from ..report.escape import printable
from .arguments import parser
from .base import Command, split
from .marks import marks_of
from .summary import need_memory, walk_progress


class MarkCommand(Command):
    """Keeps a census for `pyfin heap --since`."""

    def run(self, words: str) -> None:
        """Make a mark, or list them. Raises DebuggerError."""
        arguments = parser("mark")
        arguments.add_argument("name", nargs="?")
        options = arguments.parse_args(split(words))
        need_memory(self.session)
        marks = marks_of(self.session)
        if options.name is None:
            names = marks.names()
            self.session.print("\n".join(printable(name) for name in names) or "there is no mark")
            return
        if options.name.startswith("-") or not options.name:
            raise DebuggerError("pyfin mark: a name is wanted")
        with walk_progress(self.session):
            mark = marks.make(options.name, f"the mark {options.name}")
        note = " (only part of the heap could be read)" if mark.census.partial else ""
        self.session.print(f'marked "{printable(options.name)}": {plural(mark.census.count, "object")}{note}')


COMMAND = MarkCommand()
