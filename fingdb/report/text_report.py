"""The whole report as text: what `fingdb run`, `check`, `core` and `attach` print."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import List, Optional, Tuple

from ..model.report import Finding, GarbageCollector, Interpreter, PythonBuild, Report, StepState, Target
from ..model.words import plural
from .escape import printable
from .lines import DOT, native_frame, paragraph, place, python_stack, thread_facts, thread_name
from .step_list import StepLine, step_lines
from .style import Style
from .verdict_text import render_verdict, restated
from .width import display_width, shorten

_STATES = ("done", "running", "pending", "unknown")
#: Frames of each Python stack and of each native stack that the report shows.
_FRAMES = 8


def build_label(python: Optional[PythonBuild]) -> str:
    """Return what build of Python it is ("Python 3.11.7, debug build"), "" for None."""
    if python is None:
        return ""
    label = f"Python {printable(python.version)}"
    if python.debug_build:
        label += ", debug build"
    if python.free_threaded:
        label += ", free-threaded"
    return label


def layout_words(source: str) -> str:
    """Return in words where the offsets of structures came from."""
    known = {
        "dwarf": "layout from debug information",
        "debug-offsets": "layout from _Py_DebugOffsets",
        "exported-functions": "layout from exported functions",
        "none": "no layout",
    }
    return known.get(source, printable(source))


def target_words(target: Target, alive: bool = False) -> List[str]:
    """Return which process or core it is, and how it ended (or stopped, when it is ``alive``)."""
    parts = []
    if target.executable:
        parts.append(printable(target.executable))
    if target.kind == "core":
        parts.append(f"core {printable(target.core)}" if target.core else "core")
    elif target.pid:
        parts.append(f"process {target.pid}")
    if target.signal:
        verb = "signal" if target.kind == "core" else "stopped by" if alive else "killed by"
        parts.append(f"{verb} {printable(target.signal)}")
    elif target.exit_code is not None:
        parts.append(f"exit status {target.exit_code}")
    return parts


def _tally(steps: List[StepState]) -> str:
    """Return how many steps are in which state, in a few words."""
    counts = Counter(step.state if step.state in _STATES else "unknown" for step in steps)
    runs = sum(step.count for step in steps if step.state == "done")
    if counts["done"] == len(steps):
        text = f"{plural(len(steps), 'step')}, all done"
    else:
        text = DOT.join(f"{counts[state]} {state}" for state in _STATES if counts[state])
        text = f"{plural(len(steps), 'step')}: {text}"
    most = "at least " if any(step.more for step in steps) else ""
    return text + (f" ({most}{runs} runs)" if runs > counts["done"] else "")


def _key(step: StepState) -> Tuple[int, int, int]:
    return step.pid, step.cycle, step.interpreter


def _trace(steps: List[StepState], style: Style, width: int) -> List[str]:
    """Return the list of steps, one part per process, life of the runtime and interpreter."""
    several = len({_key(step) for step in steps})
    pids = len({step.pid for step in steps}) > 1
    cycles = len({step.cycle for step in steps}) > 1
    seen = set()
    lines: List[str] = []
    for key, group in groupby(steps, _key):
        part = list(group)
        if several > 1:
            words = []
            if pids:
                words.append(f"process {key[0]}")
            if cycles:
                words.append(f"cycle {key[1]}")
            words.append(f"interpreter {key[2]}" + (", continued" if key in seen else ""))
            lines += ["", style.heading(f"── {DOT.join(words)} ──")]
        seen.add(key)
        lowest = min(step.depth for step in part)
        lines += step_lines(
            [
                StepLine(
                    step.name,
                    step.phase,
                    step.state,
                    step.depth - lowest,
                    step.count,
                    ["inlined"] if step.inlined else [],
                    f"ends {step.ends}" if step.ends else None,
                    step.changes,
                    more=step.more,
                )
                for step in part
            ],
            style,
            width,
        )
    return lines


def gc_words(gc: Optional[GarbageCollector]) -> str:
    """Return the collector in a few words ("gc off, 5513 objects"), "" when unknown."""
    if gc is None:
        return ""
    state = {True: "gc on", False: "gc off", None: ""}[gc.enabled]
    text = "gc collecting" if gc.collecting else state
    known = [g.objects for g in gc.generations if g.objects >= 0]
    words = [text] if text else []
    if known:
        words.append(plural(sum(known), "object"))
    elif gc.generations:
        words.append(f"count {' '.join(str(g.count) for g in gc.generations)}")
    return ", ".join([*words, *([f"{gc.frozen} frozen"] if gc.frozen else [])])


def interpreter_words(interpreter: Interpreter) -> List[str]:
    """Return what an interpreter has, one short text each: threads, modules, collector."""
    parts = [plural(len(interpreter.threads), "thread")]
    if interpreter.modules is not None:
        parts.append(plural(interpreter.modules, "module"))
    words = gc_words(interpreter.gc)
    return parts + [words] if words else parts


def _interpreter(interpreter: Interpreter, style: Style, width: int) -> List[str]:
    parts = interpreter_words(interpreter)
    title = f"interpreter {interpreter.id}"
    if interpreter.main:
        title += " (main)"
    if interpreter.finalizing:
        title += ", finalizing"
    lines = [f"  {style.strong(title)}  {DOT.join(parts)}"]
    for thread in interpreter.threads:
        about = [f"LWP {thread.native_id}"] if thread.native_id and thread.name else []
        about += thread_facts(thread)
        lines.append(f"    {style.strong(thread_name(thread))}  {DOT.join(about)}".rstrip())
        lines += python_stack(thread.python_stack, style, width, 6, _FRAMES)
        if thread.innermost is not None:
            lines.append(f"      {style.dim('C  ')} {native_frame(thread.innermost, style)}")
        for problem in thread.problems:
            lines += paragraph(problem, style, width, 6, "warning")
    problems = interpreter.problems + (interpreter.gc.problems if interpreter.gc else [])
    for problem in problems:
        lines += paragraph(problem, style, width, 4, "warning")
    return lines


def _finding(finding: Finding, style: Style, width: int) -> List[str]:
    role = finding.severity if finding.severity in ("error", "warning", "note") else "strong"
    times = f" ×{finding.count}{'+' if finding.more else ''}" if finding.count > 1 else ""
    lines = [
        f"  {style.paint(role, printable(finding.severity))}  {style.strong(printable(finding.kind))}{times}"
    ]
    lines += paragraph(finding.title, style, width, 4)
    where = [f"in {printable(finding.function)}"] if finding.function else []
    where.append(f"phase {printable(finding.phase)}")
    if finding.after_step:
        where.append(f"after {printable(finding.after_step)}")
    if finding.thread:
        where.append(f"thread {finding.thread}")
    lines += paragraph(DOT.join(where), style, width, 4)
    culprit = finding.culprit
    if culprit is not None:
        at = place(culprit.file, culprit.line)
        text = f"    by {style.function(printable(culprit.function))}"
        text += f" at {style.file(at)}" if at else ""
        lines.append(text + f" ({printable(culprit.library)})")
    if finding.object is not None:
        kind = printable(finding.object.type)
        lines.append(f"    object {style.address(hex(finding.object.address))} of type {kind}")
    if finding.native_stack:
        lines.append("    " + style.dim("C stack"))
    for frame in finding.native_stack[:_FRAMES]:
        lines.append(f"      {style.dim(f'#{frame.level:<2}')} {native_frame(frame, style)}")
    if len(finding.native_stack) > _FRAMES:
        hidden = plural(len(finding.native_stack) - _FRAMES, "more frame")
        lines.append("      " + style.dim(f"… {hidden}"))
    if finding.python_stack:
        lines.append("    " + style.dim("Python stack"))
    lines += python_stack(finding.python_stack, style, width, 6, _FRAMES)
    if finding.advice:
        lines += paragraph(finding.advice, style, width, 4, "good")
    lines += [f"    {style.dim('see')} {printable(reference)}" for reference in finding.references]
    return lines


def _standing(steps: List[StepState]) -> str:
    """Return in words which step was done last, which runs, and which would come."""
    words = []
    for state, text in (("done", "last step done: "), ("running", "running: "), ("pending", "next: ")):
        names = [step.name for step in steps if step.state == state]
        if names:
            words.append(text + printable(names[0] if state == "pending" else names[-1]))
    return DOT.join(words)


def render_findings(findings: List[Finding], style: Style, width: int) -> str:
    """Return findings as text without a newline at its end, under a heading that counts them."""
    lines = [style.heading(plural(len(findings), "finding").capitalize())]
    for number, finding in enumerate(findings):
        lines += [""] if number else []
        lines += _finding(finding, style, width)
    return "\n".join(lines)


def render(report: Report, styling: bool, width: int) -> str:
    """Return the whole report as text without a newline at its end.

    What matters most comes last, where a terminal leaves it in sight: trace, interpreters,
    findings, notes, verdict. ``width`` in columns, 0 for no limit.
    """
    style = Style(styling)
    lines: List[str] = []
    # What does not fit is cut from the path, in front of what tells which process and how it ended.
    label, target = build_label(report.python), DOT.join(target_words(report.target))
    room = max(20, width - display_width(label + DOT)) if width > 0 else 0
    head = DOT.join(text for text in [label, shorten(target, room, keep="end") if room else target] if text)
    lines.append(style.heading(shorten(head, width) if width > 0 else head))
    summary = f"phase {style.phase(printable(report.phase))}"
    if report.steps:
        summary += DOT + _tally(report.steps)
    lines.append(summary)
    if report.python is not None and report.python.sources:
        lines.append(style.dim(DOT.join(printable(words) for words in report.python.sources)))
    # What matters in a check or a post-mortem is the finding; all steps are in the JSON document.
    brief = report.extra.get("brief")
    if report.steps and brief:
        lines += paragraph(_standing(report.steps), style, width, 2)
    if report.steps and not brief:
        lines += [""] if len({_key(step) for step in report.steps}) == 1 else []
        lines += _trace(report.steps, style, width)
    if report.interpreters and brief != "check":
        lines += ["", style.heading("Interpreters")]
        for interpreter in report.interpreters:
            lines += _interpreter(interpreter, style, width)
    findings = [finding for finding in report.findings if not restated(finding, report.verdict)]
    if findings:
        lines += ["", render_findings(findings, style, width)]
    elif brief == "check":
        nets = report.extra.get("nets")  # None: all of them were out
        limits = ", as far as that could be watched" if isinstance(nets, dict) and nets.get("not_watched") else ""
        lines += ["", style.paint("good", f"nothing was touched after its end{limits}")]
    if report.notes:
        lines.append("")
        for note in report.notes:
            lines += paragraph(f"note: {note}", style, width, 0, "note")
    if report.verdict is not None:
        lines += ["", *render_verdict(report, style, width)]
    return style.output("\n".join(lines))
