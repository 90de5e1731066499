"""The job of `fingdb check`: the whole walk with all nets out, and the verdict on a death."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ..debugger.interface import DebuggerError, StopEvent
from ..findings.checker import Checker
from ..findings.leak_watch import LeakWatch
from ..model.report import Finding, Report, Verdict
from .base import Session
from .batch import Walk, finish_run
from .follow_children import Children, attach, when_told


class CheckedWalk(Walk):
    """A walk that looks for touches, and asks why when a fatal signal arrives."""

    exact_ends = True
    records_changes = False  # what is of interest here is what came too late

    def __init__(self, session: Session, timeout: Optional[float]) -> None:
        super().__init__(session, timeout)
        self.checker = Checker(session.debugger, session.tracer, session.python)
        self.checker.may_pause = True
        self.checker.remember_stacks()
        session.tracer.observers.append(self.checker)
        self.diagnosis: Optional[Report] = None
        self.leaks: Optional[LeakWatch] = None
        self.attach_to = 0
        self.children: Optional[Children] = None

    def look_for_leaks(self) -> None:
        """Report what survives the last collection as well."""
        self.leaks = LeakWatch(self.session.debugger, self.session.tracer, self.session.python)
        self.session.tracer.observers.append(self.leaks)

    def first(self) -> None:
        """Get the process: start the program, or attach to a process that somebody else has started."""
        if self.attach_to:
            attach(self.session.debugger, self.attach_to)
        else:
            super().first()

    def _notes(self) -> List[str]:
        """Return the notes; a process that was attached to is not killed when its time is over, but let go."""
        if self.attach_to and self.timed_out:
            return ["the process still ran when its time was over: it was let go"]
        return super()._notes()

    def _stopped(self, event: StopEvent) -> None:
        super()._stopped(event)
        self.checker.at_a_stop()
        if self.leaks is not None:
            self.leaks.at_a_stop()
        if event.reason == "signal" and self._signals < 5:
            self._diagnose()

    def _diagnose(self) -> None:
        from ..findings.diagnose import diagnose

        try:
            self.diagnosis = diagnose(self.session.debugger, self.session.python, own_trap=self.timed_out)
        except DebuggerError:
            self.diagnosis = None

    def report(self) -> Report:
        """Return the report with the findings, and the verdict when the program died or did not end."""
        report = super().report()
        report.extra["brief"] = "check"
        report.findings = self.checker.findings()
        self.checker.keep_stacks()
        report.notes.extend(self.checker.notes)
        covered = self.checker.coverage()
        if covered is not None:
            report.notes.append(covered.sentence)
            report.extra["nets"] = {
                "watched": covered.watched, "not_watched": [*covered.unwatched, *covered.unsought],
            }
        if self.leaks is not None:
            report.findings.extend(self.leaks.findings)
            report.notes.extend(self.leaks.notes)
        if self.children is not None:
            report.notes.extend(self.children.notes)
        if self.timed_out and self.diagnosis is None:
            self._diagnose()
        died = self.session.tracer.exit is not None and self.session.tracer.exit.signal
        if (died or self.timed_out) and self.diagnosis is not None:
            report.verdict = self.diagnosis.verdict
            known = list(report.findings)
            for finding in self.diagnosis.findings:
                for other in known:
                    if other.severity == "note" and _same(other, finding):
                        other.severity = finding.severity  # it was not as harmless as it looked
            report.findings.extend(self._dated(f) for f in self.diagnosis.findings if not _is_known(f, known))
        elif died:
            report.verdict = self._killed(str(died))
        return report

    def _killed(self, signal: str) -> Verdict:
        """Return the verdict on a death by a signal that no code of the process can fail by, sent by somebody."""
        mains = [trace for trace in self.session.tracer.traces if trace.kind == "main"]
        if not mains:
            summary = f"No shutdown bug: the process was killed by {signal}, and finalization had not begun."
            return Verdict("not-finalization", summary, "certain")
        if signal == "SIGINT" and mains[-1].ended == "returned":
            summary = (
                "No shutdown bug: the process was killed by SIGINT after finalization, as Python does itself for a "
                "KeyboardInterrupt that nobody catches."
            )
            return Verdict("not-finalization", summary, "likely")
        return Verdict("unknown", f"the process was killed by {signal}", "possible")

    def _dated(self, finding: Finding) -> Finding:
        """Return a finding of the diagnosis with the step that freed the module, where the nets saw that."""
        if finding.kind == "stale-module-state" and finding.culprit is not None:
            end = self.checker.module_end(finding.culprit.library)
            if end is not None and end.after is not None:
                finding.after_step = end.after
        return finding


def _site(finding: Finding) -> Tuple[str, str, str]:
    """Return what tells findings of the nets and of the verdict apart: whose code it is, or else what was called."""
    culprit = finding.culprit
    if culprit is not None:
        return "touch" if finding.kind.startswith(("touch-", "late-")) else finding.kind, culprit.function, culprit.library
    return finding.kind, finding.function, ""


def _same(one: Finding, other: Finding) -> bool:
    """Tell whether two findings, one of the nets and one of the verdict, are about one touch: whose kind the nets know best."""
    if _site(one) == _site(other):
        return True
    if one.culprit is None or other.culprit is None or one.function != other.function:
        return False
    return (one.culprit.function, one.culprit.library) == (other.culprit.function, other.culprit.library)


def _is_known(finding: Finding, known: List[Finding]) -> bool:
    """Tell whether the nets have found what the verdict says.

    A touch that nobody can be blamed for is the one that was seen in that thread.
    """
    if any(_same(finding, other) for other in known):
        return True
    touches = ("touch-", "late-")
    if not finding.kind.startswith(touches):
        return False
    seen = [other for other in known if other.kind.startswith(touches) and other.thread == finding.thread]
    return bool(seen) if finding.culprit is None else any(_in_one_call(finding, other) for other in seen)


def _in_one_call(finding: Finding, other: Finding) -> bool:
    """Tell whether the crash came inside a call that was seen: its culprit is further out on the stack of that call.

    Functions that have jumped meanwhile have no frames any more.
    """
    culprit = finding.culprit
    frames = {(frame.pc, frame.sp) for frame in other.native_stack}
    return culprit is not None and any(
        frame.function == culprit.function and frame.library == culprit.library and (frame.pc, frame.sp) in frames
        for frame in finding.native_stack
    )


def check_job(session: Session, job: Dict[str, Any]) -> Dict[str, Any]:
    """The whole walk of ``fingdb check``."""
    timeout = job.get("timeout")
    walk = CheckedWalk(session, float(timeout) if timeout else None)
    walk.result = str(job["result"])
    if job.get("leaks"):
        walk.look_for_leaks()
    walk.attach_to = int(job.get("pid") or 0)
    walk.lets_go = bool(walk.attach_to)
    if job.get("follow"):
        walk.children = Children(session.debugger, job["follow"])
    if walk.attach_to:
        when_told(str(job["follow"]["directory"]), float(job["until"]), walk.interrupt)
    walk.go()
    document = finish_run(session, walk)
    if walk.attach_to and walk.timed_out:
        document["exit"] = {"code": None, "signal": None}
    return document
