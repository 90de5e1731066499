"""Steps as an indented list in two columns: the step, and what it ends and changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Tuple

from .escape import printable
from .lines import DOT, join_wrapped
from .style import Style
from .width import display_width, shorten, wrap


@dataclass
class StepLine:
    """One step to print. An empty ``state`` gives it no mark."""

    name: str
    phase: str
    state: str
    depth: int
    count: int = 1
    labels: List[str] = field(default_factory=list)
    ends: Optional[str] = None
    changes: List[str] = field(default_factory=list)
    more: bool = False


def _levels(steps: Sequence[StepLine]) -> List[int]:
    """Return each step's level of indentation: one more than the step's above it, never further."""
    levels = []
    open_depths: List[int] = []
    for step in steps:
        while open_depths and open_depths[-1] >= step.depth:
            open_depths.pop()
        levels.append(len(open_depths))
        open_depths.append(step.depth)
    return levels


def _left(step: StepLine, level: int, style: Style) -> Tuple[str, int]:
    """Return the left column's text and how many columns it takes."""
    indent = "  " * (level + 1)
    name = printable(step.name)
    text = indent
    columns = len(indent)
    if step.state:
        text += style.mark(step.state) + " "
        columns += 2
    role = "strong" if step.state == "running" else ""
    text += style.paint(role, name)
    columns += display_width(name)
    if step.count > 1 or step.more:
        suffix = f" ×{step.count}" + ("+" if step.more else "")
        text += style.strong(suffix)
        columns += len(suffix)
    if step.labels:
        suffix = "  " + ", ".join(step.labels)
        text += style.dim(suffix)
        columns += len(suffix)
    return text, columns


def _right(step: StepLine) -> List[Tuple[List[str], str]]:
    """Return the right column's texts, each as parts that stay together if they can, with its role."""
    texts = []
    if step.ends:
        texts.append(([printable(step.ends)], "dim"))
    if step.changes:
        texts.append(([printable(change) for change in step.changes], "note"))
    return texts


def _column(lefts: Sequence[int], annotated: Sequence[bool], width: int) -> int:
    """Return where the right column begins: after the names, but not too far to the right."""
    wanted = max((n for n, has in zip(lefts, annotated) if has), default=0) + 2
    return min(wanted, max(24, width * 45 // 100)) if width > 0 else min(wanted, 64)


def _broken(parts: Sequence[str], room: int) -> List[str]:
    """Return parts in lines of at most ``room`` columns (0: in one), broken between parts first."""
    if room <= 0:
        return [DOT.join(parts)]
    pieces = [piece for part in parts for piece in wrap(part, room)]
    return join_wrapped(pieces, room) if len(pieces) == len(parts) else [shorten(p, room) for p in pieces]


def step_lines(steps: Sequence[StepLine], style: Style, width: int) -> List[str]:
    """Return the lines of a list of steps, a heading where the phase changes."""
    lefts = [_left(step, depth, style) for step, depth in zip(steps, _levels(steps))]
    rights = [_right(step) for step in steps]
    column = _column([columns for _, columns in lefts], [bool(r) for r in rights], width)
    lines: List[str] = []
    phase: Optional[str] = None
    for step, (left, columns), right in zip(steps, lefts, rights):
        if step.phase != phase:
            phase = step.phase
            lines.append(style.phase(printable(phase)))
        if not right:
            lines.append(left)
            continue
        # A name that reaches into the right column pushes its first line on.
        first = max(column, columns + 2)
        below = column
        for parts, role in right:
            if width > 0 and width - first < 16:
                lines += [left] if left else []
                left, columns, first = "", 0, below
            for piece in _broken(parts, width - first if width > 0 else 0):
                lines.append(left + " " * (first - columns) + style.paint(role, piece))
                left, columns, first = "", 0, below
    return lines
