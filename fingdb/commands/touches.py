"""`pyfin touches`: what was touched after its end, so far."""

from __future__ import annotations

import json

from ..model.report import Finding
from .arguments import parser
from .base import Command, Session, split
from .settings import value


class TouchesCommand(Command):
    """Lists the findings of this session."""

    def run(self, words: str) -> None:
        arguments = parser("touches")
        arguments.add_argument("--json", action="store_true")
        options = arguments.parse_args(split(words))
        found = self.session.checker.findings()
        if options.json:
            from ..report.records import encode

            self.session.print(json.dumps([encode(finding) for finding in found], indent=1))
            return
        if not found:
            begun = bool(self.session.tracer.traces)
            self.session.print(
                "Nothing was touched after its end." if begun
                else "Finalization has not begun; from now on touches are noticed."
            )  # fmt: skip
            return
        from ..report.text_report import render_findings

        self.session.print(render_findings(found, self.session.style(), self.session.width()))


def tell_finding(session: Session, finding: Finding) -> bool:
    """Tell whether the debugger should stop at a new finding, and if so say which it is."""
    if not value("stop-on-touch", False) or finding.severity == "note":
        return False
    session.print(f"{finding.severity}: {finding.title}")
    return True


COMMAND = TouchesCommand()
