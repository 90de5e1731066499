"""The job of `fingdb check`: the whole walk with all nets out, and the verdict on a death."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from ..debugger.interface import DebuggerError, StopEvent
from ..findings.checker import Checker
from ..model.report import Finding, Report, Verdict
from .base import Session
from .batch import Walk, finish_run


class CheckedWalk(Walk):
    """A walk that looks for touches, and asks why when a fatal signal arrives."""

    def __init__(self, session: Session, timeout: Optional[float]) -> None:
        super().__init__(session, timeout)
        self.checker = Checker(session.debugger, session.tracer, session.python)
        self.checker.may_pause = True
        session.tracer.observers.append(self.checker)
        self.diagnosis: Optional[Report] = None

    def _stopped(self, event: StopEvent) -> None:
        super()._stopped(event)
        self.checker.at_a_stop()
        if event.reason == "signal" and self._signals < 5:
            self._diagnose()

    def _diagnose(self) -> None:
        from ..findings.diagnose import diagnose

        try:
            self.diagnosis = diagnose(self.session.debugger, self.session.python)
        except DebuggerError:
            self.diagnosis = None

    def report(self) -> Report:
        """Return the report with the findings, and the verdict when the program died or did not end."""
        report = super().report()
        report.extra["brief"] = "check"
        report.findings = self.checker.findings()
        report.notes.extend(self.checker.notes)
        if self.timed_out and self.diagnosis is None:
            self._diagnose()
        died = self.session.tracer.exit is not None and self.session.tracer.exit.signal
        if (died or self.timed_out) and self.diagnosis is not None:
            report.verdict = self.diagnosis.verdict
            known = {_site(f) for f in report.findings}
            if died:  # of a program that only takes its time there is nothing to warn of
                report.findings.extend(f for f in self.diagnosis.findings if _site(f) not in known)
        elif died:
            report.verdict = Verdict("unknown", f"the process was killed by {died}", "possible")
        return report


def _site(finding: Finding) -> Tuple[str, str, str]:
    """Return what tells findings of the nets and of the verdict apart: whose code it is, or else what was called."""
    culprit = finding.culprit
    if culprit is not None:
        return "touch" if finding.kind.startswith(("touch-", "late-")) else finding.kind, culprit.function, culprit.library
    return finding.kind, finding.function, ""


def check_job(session: Session, job: Dict[str, Any]) -> Dict[str, Any]:
    """The whole walk of ``fingdb check``."""
    timeout = job.get("timeout")
    walk = CheckedWalk(session, float(timeout) if timeout else None)
    walk.go()
    return finish_run(session, walk)
