"""`pyfin why ADDR`: what keeps an object alive."""

from __future__ import annotations

import os
from typing import List, Tuple

from ..cpython.graph.owners import Heap
from ..cpython.target import PythonTarget
from ..debugger.interface import DebuggerError
from ..findings.keeping import PATHS, explain
from ..findings.roots import Roots
from ..model.objects import Why
from ..report.records import encode
from .addresses import address
from .base import Command, Session, split
from .summary import need_memory, print_json, progress_line, summary_parser

#: Referrers that are listed unless the user asks for more.
LIMIT = 20


class WhyCommand(Command):
    """Prints paths from roots to an object, and the account of its references."""

    def run(self, words: str) -> None:
        """Print it. Raises DebuggerError."""
        arguments = summary_parser("why")
        arguments.add_argument("address")
        arguments.add_argument("--paths", type=int, default=PATHS)
        arguments.add_argument("--limit", type=int, default=LIMIT)
        options = arguments.parse_args(split(words))
        if options.limit < 0 or options.paths < 1:
            raise DebuggerError("pyfin why: --paths wants a number above 0, --limit one that is not negative")
        why = answer(self.session, address(options.address), options.paths, options.limit)
        if options.json:
            print_json(self.session, encode(why))
            return
        from ..report.why_text import render_why

        self.session.print(render_why(why, self.session.style(), self.session.width()))


#: The heap that was read last, and what it was read of.
_LAST: List[Tuple[PythonTarget, int, Heap]] = []


def heap_of(session: Session) -> Heap:
    """Return the objects of the target, read again when it has changed. Raises DebuggerError."""
    need_memory(session)
    python = session.python()
    need_types(python)
    generation = python.memory.generation
    if not _LAST or _LAST[0][0] is not python or _LAST[0][1] != generation or _LAST[0][2].partial:
        with progress_line("objects:") as walked:
            before, python.walked = python.walked, walked.update
            try:
                _LAST[:] = [(python, generation, Heap(python))]
            finally:
                python.walked = before
    return _LAST[0][2]


def need_types(python: PythonTarget) -> None:
    """Raise DebuggerError unless the debug information tells what CPython's structures are made of."""
    if python.layout.source != "dwarf" or python.debugger.struct_size("PyInterpreterState") is None:
        raise DebuggerError(
            f"{os.path.normpath(python.module.path)} has no debug information, so references between objects cannot be "
            f"read; {python.remedy}"
        )


def answer(session: Session, where: int, paths: int, limit: int) -> Why:
    """Return why the object at ``where`` lives. Raises DebuggerError."""
    heap = heap_of(session)
    python = heap.target
    roots = Roots(session.debugger, python)
    total = sum(end - start for start, end in roots.mappings.written()) >> 20
    with progress_line("MiB of memory searched:", total) as progress:
        return explain(heap, roots, where, paths, limit, lambda done: progress.update(done >> 20))


COMMAND = WhyCommand()
