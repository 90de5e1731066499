"""`pyfin gc`: generations, most frequent types, and what changed since the last stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ..model.report import GarbageCollector, Interpreter
from ..report.records import encode
from .base import Command, Session, split
from .summary import (
    interpreters_of,
    need_count,
    origin_document,
    print_json,
    print_origin,
    print_problems,
    summary_parser,
)

#: Types that are listed unless the user asks for more.
_TYPES = 10


@dataclass
class _Seen:
    """A collector as it was at one stop."""

    generation: int
    where: str
    gc: GarbageCollector


class GcCommand(Command):
    """Prints each interpreter's collector, with the difference to when it was last asked for."""

    def __init__(self) -> None:
        # (process, address of the interpreter) -> the last stop, and the one before it.
        self._seen: Dict[Tuple[int, int], Tuple[_Seen, Optional[_Seen]]] = {}

    def run(self, words: str) -> None:
        """Print the collectors. Raises DebuggerError."""
        arguments = summary_parser("gc")
        arguments.add_argument("--types", type=int, default=_TYPES)
        arguments.add_argument("--all", action="store_true")
        options = arguments.parse_args(split(words))
        need_count("gc", "--types", options.types)
        problems: List[str] = []
        found = interpreters_of(self.session, problems, gc=True, objects=True)
        earlier = [self._earlier(interpreter) for interpreter in found]
        if options.json:
            documents = [_document(i, seen) for i, seen in zip(found, earlier)]
            document = {"interpreters": documents, "problems": problems}
            print_json(self.session, {**document, **origin_document(self.session, "gc")})
            return
        from ..report.summaries import render_gc

        style, width = self.session.style(), self.session.width()
        blocks = []
        for interpreter, seen in zip(found, earlier):
            if interpreter.gc is None:
                blocks.append(
                    f"the garbage collector of interpreter {interpreter.id} could not be looked at"
                )
                continue
            previous, since = (seen.gc, seen.where) if seen is not None else (None, None)
            types = None if options.all else options.types
            blocks.append(render_gc(interpreter.gc, style, width, interpreter.id, previous, types, since))
        self.session.print("\n\n".join(blocks) or "no interpreter is alive")
        print_problems(self.session, problems)
        print_origin(self.session, "gc")

    def _earlier(self, interpreter: Interpreter) -> Optional[_Seen]:
        """Return the collector as it was asked for at an earlier stop, and remember how it is now."""
        if interpreter.gc is None:
            return None
        debugger = self.session.debugger
        pid = debugger.target().pid
        for key in [k for k in self._seen if k[0] != pid]:
            del self._seen[key]
        key = (pid, interpreter.address)
        now = _Seen(debugger.generation, _where(self.session), interpreter.gc)
        last, before = self._seen.get(key, (None, None))
        if last is not None and last.generation != now.generation:
            before = last
        self._seen[key] = (now, before)
        return before


def _where(session: Session) -> str:
    """Return which stop this is, in a few words."""
    if session.has_tracer:
        for trace in reversed(session.tracer.open):
            run = trace.running()
            return run.name if run is not None else trace.root.name
    return "the stop where this was last asked"


def _document(interpreter: Interpreter, earlier: Optional[_Seen]) -> object:
    document = encode(interpreter)
    del document["threads"]  # not read: an empty list would say that there are none
    document["previous"] = None if earlier is None else {"at": earlier.where, "gc": encode(earlier.gc)}
    return document


COMMAND = GcCommand()
