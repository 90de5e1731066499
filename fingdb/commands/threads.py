"""`pyfin threads`: thread states with their native threads, the GIL's holder, and Python stacks."""

from __future__ import annotations

from typing import List

from ..debugger.interface import DebuggerError, Interrupted
from ..model.report import Interpreter, Thread
from ..report.records import encode
from .base import Command, Session, split
from .summary import interpreters_of, origin_document, print_json, print_origin, print_problems, summary_parser

#: Python frames that are printed of each thread; JSON has all of them.
_FRAMES = 50


class ThreadsCommand(Command):
    """Prints a table of the threads, then each one's innermost C frame and Python stack."""

    def run(self, words: str) -> None:
        """Print the threads. Raises DebuggerError."""
        options = summary_parser("threads").parse_args(split(words))
        problems: List[str] = []
        found = interpreters_of(self.session, problems, threads=True, stacks=True)
        others = threads_without_state(self.session, found)
        add_native_frames(self.session, [t for i in found for t in i.threads] + others)
        if options.json:
            documents = encode(found)
            for document in documents:
                del document["gc"]  # not read
            natives = [
                {key: encode(getattr(t, key)) for key in ("native_id", "debugger_id", "name", "innermost")}
                for t in others
            ]
            data = {
                "interpreters": documents, "native_threads": natives, "problems": problems,
                **origin_document(self.session, "threads"),
            }
            print_json(self.session, data)
            return
        from ..report.summaries import render_threads

        style, width = self.session.style(), self.session.width()
        known = self.session.python().layout.source != "exported-functions"
        none = "no Python frame" if known else "Python frames cannot be read without debug information"
        name = self.session.debugger.name
        self.session.print(render_threads(found, name, style, width, _FRAMES, others, none))
        print_problems(self.session, problems)
        print_origin(self.session, "threads")


def threads_without_state(session: Session, interpreters: List[Interpreter]) -> List[Thread]:
    """Return the native threads that no thread state belongs to, with address 0.

    Threads that never met Python, and those whose thread state finalization deleted.
    """
    known = {thread.debugger_id for i in interpreters for thread in i.threads}
    return [
        Thread(0, 0, native.native_id, native.name, None, False, False, native.debugger_id, native.selected)
        for native in session.debugger.threads()
        if native.debugger_id not in known
    ]


def add_native_frames(session: Session, threads: List[Thread]) -> None:
    """Give each thread that the debugger knows its innermost C frame. Raises Interrupted."""
    for thread in threads:
        session.debugger.check_interrupt()
        if thread.debugger_id is None or thread.innermost is not None:
            continue
        try:
            frames = session.debugger.frames(thread.debugger_id, 1)
        except Interrupted:
            raise
        except DebuggerError as error:
            thread.problems.append(str(error))
            continue
        thread.innermost = frames[0] if frames else None


COMMAND = ThreadsCommand()
