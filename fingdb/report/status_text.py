"""The status screen."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..model.report import Interpreter, PythonBuild, RuntimeState
from ..model.status import PhaseProgress, Status
from .escape import printable
from .lines import DOT, join_wrapped, paragraph, thread_name
from .style import Style
from .text_report import build_label, interpreter_words, layout_words, target_words
from .width import display_width, pad
from .world import gil_words, stop_lines

_STATES = {
    "none": "no program",
    "static": "not running",
    "no-python": "not a Python process",
    "before": "before initialization",
    "running": "running",
    "finalizing": "finalizing",
    "finalized": "finalized",
    "exited": "exited",
}
_STATE_ROLE = {"finalizing": "running", "running": "good", "none": "dim", "static": "dim"}
_MAX_INTERPRETERS = 5
_MAX_HOLDERS = 3


def _layout(python: Optional[PythonBuild]) -> str:
    if python is None:
        return ""
    return layout_words(python.layout)


def _phases(phases: List[PhaseProgress], style: Style, room: int) -> List[str]:
    """Return the phases with their marks in as many lines as they need."""
    lines = [""]
    used = 0
    for entry in phases:
        name = printable(entry.phase)
        count = f" {entry.done}/{entry.total}" if entry.state == "running" and entry.total else ""
        columns = 2 + display_width(name) + len(count)
        role = {"running": "phase", "done": "", "pending": "dim"}.get(entry.state, "dim")
        text = f"{style.mark(entry.state)} {style.paint(role, name)}{style.strong(count)}"
        if used and room > 0 and used + 2 + columns > room:
            lines.append("")
            used = 0
        if used:
            lines[-1] += "  "
            used += 2
        lines[-1] += text
        used += columns
    return lines if used else []


def _runtime(runtime: Optional[RuntimeState], interpreters: List[Interpreter]) -> List[str]:
    if runtime is None:
        return []
    words = []
    if runtime.initialized is not None:
        words.append("initialized" if runtime.initialized else "not initialized")
    if runtime.core_initialized and not runtime.initialized:
        words.append("core initialized")
    if runtime.finalizing:
        thread = next((t for i in interpreters for t in i.threads if t.address == runtime.finalizing), None)
        if thread is not None:
            words.append(f"finalized by {thread_name(thread)}")
        else:
            words.append(f"finalized by thread state {runtime.finalizing:#x}")
    return words


def _interpreter_lines(interpreters: List[Interpreter], room: int) -> List[str]:
    lines = []
    for interpreter in interpreters[:_MAX_INTERPRETERS]:
        title = f"{interpreter.id}{' main' if interpreter.main else ''}"
        title += ", finalizing" if interpreter.finalizing else ""
        lines += join_wrapped([title, *interpreter_words(interpreter)], room)
    if len(interpreters) > _MAX_INTERPRETERS:
        lines.append(f"… {len(interpreters) - _MAX_INTERPRETERS} more")
    return lines


def _gil(interpreters: List[Interpreter], runtime: Optional[RuntimeState], layout: str) -> str:
    free = gil_words(interpreters)
    if free:
        return free
    holders = [thread for i in interpreters for thread in i.threads if thread.holds_gil]
    if holders:
        names = [thread_name(thread) for thread in holders[:_MAX_HOLDERS]]
        return ", ".join(names) + (" …" if len(holders) > _MAX_HOLDERS else "")
    if runtime is not None and runtime.gil_holder:
        return f"thread state {runtime.gil_holder:#x}"
    if layout == "exported-functions":
        return ""  # no function tells
    return "nobody" if any(i.threads for i in interpreters) else ""


def render_status(status: Status, style: Style, width: int) -> str:
    """Return the status screen as text without a newline at its end."""
    label = _STATES.get(status.state, printable(status.state))
    title = style.paint(_STATE_ROLE.get(status.state, "strong"), label)
    if status.phase and status.state == "finalizing":
        title += DOT + style.phase(printable(status.phase))
    rows: List[Tuple[str, List[str]]] = []
    room = max(20, width - 15) if width > 0 else 0

    def row(name: str, words: List[str]) -> None:
        rows.append((name, join_wrapped([word for word in words if word], room)))

    row("python", [build_label(status.python), _layout(status.python)])
    row("sources", status.python.sources if status.python is not None else [])
    if status.target is not None:
        alive = status.target.kind != "core" and status.state != "exited"
        row("target", target_words(status.target, alive))
    rows.append(("phases", _phases(status.phases, style, room)))
    rows.append(("step", [_step(status, style, room)] if status.step else []))
    row("next", [printable(status.following or "")])
    row("runtime", _runtime(status.runtime, status.interpreters))
    row("GIL", [_gil(status.interpreters, status.runtime, status.python.layout if status.python else "")])
    row("stopped", list(dict.fromkeys(w for i in status.interpreters for w in stop_lines(i, status.interpreters))))
    name = "interpreters" if len(status.interpreters) > 1 else "interpreter"
    rows.append((name, _interpreter_lines(status.interpreters, room)))

    lines = [title]
    for name, texts in rows:
        for number, text in enumerate(texts):
            lines.append(f" {style.dim(pad(name if number == 0 else '', 12))}  {text}")
    for note in status.notes:
        lines += paragraph(note, style, width, 1, "note")
    if status.hint:
        lines += paragraph(status.hint, style, width, 1, "dim")
    return style.output("\n".join(lines))


def _step(status: Status, style: Style, room: int) -> str:
    """Return the running step with its number; what does not fit is left out."""
    name = printable(status.step or "")
    number = ""
    if status.steps_done is not None and status.steps_total:
        number = f"{status.steps_done} of {status.steps_total}  "
    columns = len(number) + display_width(name)
    text = number + style.function(name)
    tails = [f" in {printable(status.parent)}"] if status.parent else []
    tails += [f"{DOT}cycle {status.cycle}"] if status.cycle > 1 else []
    for tail in tails:
        columns += display_width(tail)
        if room <= 0 or columns <= room:
            text += style.dim(tail)
    return text
