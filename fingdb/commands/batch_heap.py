"""The job of ``fingdb heap`` inside the debugger: what `pyfin heap` prints, as a document."""

from __future__ import annotations

import json
import shlex
from typing import Any, Dict, List

from ..debugger.interface import Debugger, DebuggerError, TargetKind
from ..report.records import dumps
from ..report.style import Style
from .base import Session, how_to_install
from .batch_diagnose import require_alive
from .heap import HeapCommand
from .summary import print_problems


class _Collected(Session):
    """A session whose output is kept, laid out for the launcher's terminal rather than for gdb's."""

    def __init__(self, debugger: Debugger, styling: bool, width: int) -> None:
        super().__init__(debugger)
        self._styling, self._width = styling, width
        self.lines: List[str] = []

    def print(self, text: str) -> None:
        self.lines.append(text if text.endswith("\n") else text + "\n")

    def style(self) -> Style:
        return Style(self._styling)

    def width(self) -> int:
        return self._width


def heap_job(session: Session, job: Dict[str, Any]) -> Dict[str, Any]:
    """Return ``{"text": …}``: what `pyfin heap` says of the core or process that the debugger has.

    The job has the command's ``words``, whether they ask for ``json``, ``styling`` and ``width`` of the terminal, and
    ``notes`` about the target: paragraphs below the table, a key of that name in JSON. Raises DebuggerError.
    """
    if session.debugger.target().kind not in (TargetKind.CORE, TargetKind.LIVE):
        pid = job.get("pid", "")
        raise DebuggerError("gdb cannot read this core file" if "core" in job else f"gdb could not attach to process {pid}")
    command = HeapCommand()
    command.session = collected = _Collected(session.debugger, bool(job.get("styling")), int(job.get("width") or 80))
    notes = [str(note) for note in job.get("notes") or ()]
    try:
        command.run(shlex.join(map(str, job["words"])))
        require_alive(session)
        if job.get("json"):
            return {"text": dumps({**json.loads("".join(collected.lines)), "notes": notes}) + "\n"}
        print_problems(collected, notes)
    except ImportError as error:
        raise DebuggerError(f"{error}; {how_to_install()}") from None
    return {"text": "".join(collected.lines)}
