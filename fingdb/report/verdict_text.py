"""The verdict as text: what happened in one sentence, whose code it is, what shows it, what to change."""

from __future__ import annotations

from typing import List, Optional

from ..model.report import Finding, NativeFrame, PythonFrame, Report, Verdict
from ..model.words import plural
from .escape import printable
from .lines import DOT, facts, native_frame, paragraph, place, python_stack
from .style import Style

#: Frames of each stack that are shown around the culprit.
_FRAMES = 12
_ROLE = {"not-finalization": "good", "unknown": "warning"}


def restated(finding: Finding, verdict: Optional[Verdict]) -> bool:
    """Tell whether a finding is the one that the verdict rests on, and so is told with it."""
    return verdict is not None and finding.title == verdict.summary


def render_verdict(report: Report, style: Style, width: int) -> List[str]:
    """Return the lines of the report's verdict, none when it has none."""
    verdict = report.verdict
    if verdict is None:
        return []
    finding = next((f for f in report.findings if restated(f, verdict)), None)
    native, python = (finding or verdict).native_stack, (finding or verdict).python_stack
    lines = _stacks(native, python, verdict, style, width)
    if lines:
        lines.append("")
    role = _ROLE.get(verdict.kind, "error")
    confidence = style.dim(f"({printable(verdict.confidence)})")
    lines.append(f"{style.heading('Verdict')}  {style.paint(role, printable(verdict.kind))} {confidence}")
    lines += paragraph(verdict.summary, style, width, 2)
    rows = [
        ("whose", _whose(verdict), "function"),
        ("when", [_when(report, verdict)], ""),
        ("because", [printable(" ".join(text.split())) for text in verdict.evidence], ""),
        ("change", [printable(verdict.advice)] if verdict.advice else [], "good"),
    ]
    lines += facts(rows, style, width)
    # Paths and addresses are for copying: they are not broken.
    culprit = verdict.culprit
    if culprit is not None and culprit.library and culprit.library != culprit.file:
        lines.append(f"  {style.dim('library')}  {style.file(printable(culprit.library))}")
    for url in finding.references if finding is not None else ():
        lines.append(f"  {style.dim('see')}      {printable(url)}")
    return lines


def _whose(verdict: Verdict) -> List[str]:
    culprit = verdict.culprit
    if culprit is None:
        return ["no code of the program is on the stack"] if verdict.kind not in ("unknown",) else []
    at = place(culprit.file, culprit.line)
    return [printable(culprit.function) + (f" at {at}" if at else "")]


def _when(report: Report, verdict: Verdict) -> str:
    parts = [f"phase {printable(report.phase)}"]
    if verdict.after_step:
        parts.append(f"last step done {printable(verdict.after_step)}")
    running = [step.name for step in report.steps if step.state == "running"]
    if running:
        parts.append(f"running {printable(running[-1])}")
    if verdict.thread:
        parts.append(f"thread LWP {verdict.thread}")
    return DOT.join(parts)


def _is_culprit(frame: NativeFrame, verdict: Verdict) -> bool:
    culprit = verdict.culprit
    return culprit is not None and frame.function == culprit.function and frame.library == culprit.library


def _stacks(
    native: List[NativeFrame], python: List[PythonFrame], verdict: Verdict, style: Style, width: int
) -> List[str]:
    """Return the stacks of the thread that the verdict is about; the culprit's frame is marked."""
    lines: List[str] = []
    if native:
        lines.append(style.heading(f"C stack of thread LWP {verdict.thread}"))
    own_at = [index for index, frame in enumerate(native) if _is_culprit(frame, verdict)]
    shown = max(_FRAMES, own_at[0] + 4) if own_at else _FRAMES
    for index, frame in enumerate(native[:shown]):
        own = own_at[:1] == [index]
        mark = style.paint("error", "»") if own else " "
        lines.append(f" {mark}{style.dim(f'#{frame.level:<3}')} {native_frame(frame, style)}")
    if len(native) > shown:
        lines.append("  " + style.dim(f"… {plural(len(native) - shown, 'more frame')}"))
    if python:
        lines.append(style.heading(f"Python stack of thread LWP {verdict.thread}"))
        lines += python_stack(python, style, width, 2, _FRAMES)
    return lines


__all__ = ["render_verdict", "restated"]
