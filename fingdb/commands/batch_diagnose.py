"""The jobs of ``fingdb core`` and ``fingdb attach`` inside the debugger: a diagnosis as a document."""

from __future__ import annotations

from typing import Any, Dict, List

from ..debugger.interface import DebuggerError, TargetKind
from ..debugger.process import still_stopped
from ..model.report import Report
from .base import Session

_LESS_CERTAIN = {"certain": "likely", "likely": "possible"}


def core_job(session: Session, job: Dict[str, Any]) -> Dict[str, Any]:
    """Return the report on the core that the debugger has.

    The job says what the launcher read out of the core by itself: ``core`` (its path, as the user wrote it),
    ``pid``, ``signal``, ``notes`` for the report, ``doubts``: those of the notes that make any verdict less
    certain, and ``damaged``: memory is missing, so that no verdict is more than possible. Raises DebuggerError.
    """
    if session.debugger.target().kind is not TargetKind.CORE:
        raise DebuggerError("gdb cannot read this core file")
    report = diagnosis(session, _sentences(job, "notes"))
    report.target.kind = "core"
    report.target.core = str(job["core"]) if job.get("core") else report.target.core
    report.target.pid = int(job.get("pid") or report.target.pid)
    report.target.signal = str(job["signal"]) if job.get("signal") else None
    if report.verdict is not None:
        if job.get("damaged"):
            report.verdict.confidence = "possible"
        elif _sentences(job, "doubts"):
            # What it rests on may be another build's.
            report.verdict.confidence = _LESS_CERTAIN.get(report.verdict.confidence, report.verdict.confidence)
    return _document(report)


def attach_job(session: Session, job: Dict[str, Any]) -> Dict[str, Any]:
    """Return the report on the process that the debugger was attached to. Raises DebuggerError."""
    if session.debugger.target().kind is not TargetKind.LIVE:
        raise DebuggerError(f"gdb could not attach to process {job.get('pid', '')}".rstrip())
    report = diagnosis(session, _sentences(job, "notes"))
    require_alive(session)
    report.target.kind = "attach"
    report.target.signal = None  # the one that gdb stopped it with
    return _document(report)


def require_alive(session: Session) -> None:
    """Raise DebuggerError when the process has been killed meanwhile: what was read of it is half the truth."""
    target = session.debugger.target()
    if target.kind is TargetKind.LIVE and not still_stopped(target.pid):
        raise DebuggerError(f"process {target.pid} has ended meanwhile")


def diagnosis(session: Session, notes: List[str]) -> Report:
    """Return the report on the debugger's core or process. Raises DebuggerError when there is neither, or no Python."""
    from ..findings.diagnose import diagnose

    if session.debugger.target().kind not in (TargetKind.CORE, TargetKind.LIVE):
        raise DebuggerError(f"there is no process and no core: {session.debugger.hints.memory}")
    return diagnose(session.debugger, session.python, notes)


def _document(report: Report) -> Dict[str, Any]:
    from ..report.json_report import to_dict

    return to_dict(report)


def _sentences(job: Dict[str, Any], key: str) -> List[str]:
    return [str(sentence) for sentence in job.get(key) or ()]
