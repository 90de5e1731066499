"""The block that the debugger shows when it stops at a finalization step."""

from __future__ import annotations

from typing import List

from ..model.stop import StopView
from .escape import printable
from .lines import DOT, facts, paragraph, place, source_name
from .style import Style
from .width import display_width, shorten

_ARROW = "▶"


def _headline(view: StopView, style: Style) -> List[str]:
    """Return the first line's parts: step k of n, phase, and what is not the usual."""
    if view.elsewhere:
        parts = [style.strong("step out of its place")]
    elif view.k is None:
        parts = [style.strong("finalization")]
    elif view.n is None:
        parts = [style.strong(f"step {view.k}")]
    else:
        parts = [style.strong(f"step {view.k} of {max(view.k, view.n)}")]
    parts.append(style.phase(printable(view.phase)))
    if view.interpreter > 0:
        parts.append(f"interpreter {view.interpreter}")
    if view.cycle > 1:
        parts.append(f"cycle {view.cycle}")
    if view.pid:
        parts.append(f"process {view.pid}")
    return parts


def _event(view: StopView, style: Style) -> str:
    """Return what happens to the step at this stop, "" when it simply begins."""
    if view.event == "end":
        return style.paint("done", "has returned")
    if view.event == "signal":
        signal = printable(view.signal or "a signal")
        return style.error(f"{signal} in this step")
    return style.dim("inside") if view.event == "inside" else ""


def _source(view: StopView, style: Style, width: int) -> List[str]:
    """Return the source lines with their numbers, the current one marked."""
    if not view.source:
        return []
    column = max(len(str(number)) for number, _ in view.source)
    prefix = column + 6
    texts = [printable(text.expandtabs(8).rstrip()) for _, text in view.source]
    # Common indentation says nothing in an excerpt.
    common = min((len(t) - len(t.lstrip(" ")) for t in texts if t.strip()), default=0)
    texts = [t[common:] for t in texts]
    if width > 0:
        texts = [shorten(t, max(20, width - prefix)) for t in texts]
    coloured = style.source(texts, view.language)
    lines = []
    for (number, _), text in zip(view.source, coloured):
        current = number == view.current_line
        arrow = style.paint("running", _ARROW) if current else " "
        shown = f"{number:>{column}}"
        lines.append(f"  {arrow} {style.strong(shown) if current else style.dim(shown)}  {text}".rstrip())
    return lines


def render_stop(view: StopView, style: Style, width: int) -> str:
    """Return the block of a stop as text without a newline at its end.

    ``width`` in columns, 0 for no limit.
    """
    lines = [DOT.join(_headline(view, style))]
    function = style.paint("function", printable(view.function))
    title = f"  {function}"
    plain = 2 + display_width(printable(view.function))
    extras = []
    if view.count > 1:
        extras.append(f"×{view.count}")
    if view.inlined:
        extras.append(f"inlined in {printable(view.inlined)}")
    if view.uncatalogued:
        extras.append("uncatalogued")
    if extras:
        plain += 2 + len(DOT.join(extras))
        title += "  " + style.dim(DOT.join(extras))
    file = source_name(view.file) if view.file and view.language == "c" else view.file
    where = place(file, view.line)
    if where:
        room = width - plain - 2
        if width > 0 and room < min(20, display_width(where)):
            lines += [title, "  " + style.file(shorten(where, max(12, width - 2), keep="end"))]
        else:
            title += "  " + style.file(shorten(where, room, keep="end") if width > 0 else where)
            lines.append(title)
    else:
        lines.append(title)
    event = _event(view, style)
    if event:
        lines.append(f"  {event}")
    lines += _source(view, style, width)
    lines += facts(
        [
            ("ends", [printable(view.ends)] if view.ends else [], ""),
            # What holds when the step has returned: not yet, while it begins.
            ("gone" if view.event == "end" else "then", [printable(view.gone)] if view.gone else [], ""),
            ("changed", [printable(change) for change in view.changes], ""),
        ],
        style,
        width,
    )
    if view.note:
        lines += paragraph(view.note, style, width, 2, "warning")
    return style.output("\n".join(lines))
