"""`pyfin diagnose`: why the process crashed, or why it does not end."""

from __future__ import annotations

from ..model.report import Report
from .base import Command, Session, current_session, split
from .batch_diagnose import diagnosis
from .summary import print_json, summary_parser


class DiagnoseCommand(Command):
    """Prints the report on the core or the process of this debugger."""

    def run(self, words: str) -> None:
        """Print the report. Raises DebuggerError."""
        options = summary_parser("diagnose").parse_args(split(words))
        report = diagnosis(self.session, [])
        if options.json:
            from ..report.json_report import to_dict

            print_json(self.session, to_dict(report))
            return
        from ..report.text_report import render

        self.session.print(render(report, self.session.debugger.styling(), self.session.width()))


def diagnose_here() -> Report:
    """Return the report on what the debugger that runs this Python has. Raises DebuggerError."""
    session: Session = current_session()
    return diagnosis(session, [])


COMMAND = DiagnoseCommand()
