"""`pyfin touches`: what was touched after its end, so far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Optional

from ..debugger.interface import DebuggerError, TargetKind
from ..model.report import Finding
from .arguments import parser
from .base import Command, Session, split
from .settings import value
from .summary import print_problems

if TYPE_CHECKING:
    from ..findings.coverage import Coverage


class TouchesCommand(Command):
    """Lists the findings of this session."""

    def run(self, words: str) -> None:
        """Print the findings. Raises DebuggerError for a core, in which none can be noticed."""
        arguments = parser("touches")
        arguments.add_argument("--json", action="store_true")
        options = arguments.parse_args(split(words))
        if self.session.debugger.target().kind is TargetKind.CORE:
            raise DebuggerError('in a core nothing is touched any more: "pyfin diagnose" says what happened')
        found = self.session.checker.findings()
        if options.json:
            from ..report.records import encode

            self.session.print(json.dumps([encode(finding) for finding in found], indent=1))
            return
        if not found:
            if not self.session.tracer.traces:
                self.session.print("Finalization has not begun; from now on touches are noticed.")
                return
            covered = self.session.checker.coverage()
            limits = ", as far as that can be watched" if covered is not None and covered.unwatched else ""
            self.session.print(f"Nothing was touched after its end{limits}.")
            self._print_coverage(covered)
            return
        from ..report.text_report import render_findings

        self.session.print(render_findings(found, self.session.style(), self.session.width()))
        self._print_coverage(self.session.checker.coverage())

    def _print_coverage(self, covered: "Optional[Coverage]") -> None:
        """Say what is watched and what not, on a build that shows only a part of its steps."""
        if covered is not None:
            print_problems(self.session, [covered.sentence])


def tell_finding(session: Session, finding: Finding) -> bool:
    """Tell whether the debugger should stop at a new finding, and if so say which it is."""
    if not value("stop-on-touch") or finding.severity == "note":
        return False
    session.print(f"{finding.severity}: {finding.title}")
    return True


COMMAND = TouchesCommand()
