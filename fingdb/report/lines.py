"""Pieces of text that several renderers share: places, stacks, lists of facts, paragraphs."""

from __future__ import annotations

from posixpath import normpath
from typing import List, Optional, Sequence, Tuple

from ..model.report import NativeFrame, PythonFrame, Thread
from ..model.words import plural
from .escape import printable
from .style import Style
from .width import display_width, pad, shorten, wrap

#: Between facts on one line.
DOT = " · "
#: Frames of a deep stack that are shown of its outer end.
_OUTERMOST = 5


def place(file: Optional[str], line: Optional[int]) -> str:
    """Return ``file:line`` made printable, the file alone without a line, "" without a file."""
    if not file:
        return ""
    name = printable(file)
    return f"{name}:{line}" if line is not None and line > 0 else name


#: Directories at the top of CPython's source tree.
_SOURCE_ROOTS = frozenset({"Include", "Modules", "Objects", "Parser", "PC", "Programs", "Python"})


def source_name(path: str) -> str:
    """Return how to show a C source file: ``Python/pylifecycle.c`` without the builder's directories.

    The path is only tidied up where it does not look like one of CPython's own files.
    """
    parts = normpath(path).split("/")
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] in _SOURCE_ROOTS:
            return "/".join(parts[index:])
    return "/".join(parts)


def base_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rsplit("/", 1)[-1] or path


def signed(number: int) -> str:
    """Return a difference with its sign, "" for none."""
    return "" if number == 0 else f"{number:+d}"


def join_wrapped(parts: Sequence[str], columns: int) -> List[str]:
    """Return parts joined by dots in as many lines of at most ``columns`` as they need (0: in one)."""
    lines: List[str] = []
    for part in parts:
        if not lines or (columns > 0 and display_width(lines[-1]) + len(DOT) + display_width(part) > columns):
            lines.append(part)
        else:
            lines[-1] += DOT + part
    return [shorten(line, columns) for line in lines] if columns > 0 else lines


def paragraph(text: str, style: Style, width: int, indent: int = 0, role: str = "") -> List[str]:
    """Return the lines of a text from anywhere, broken to ``width`` (0: not at all) and indented."""
    broken = wrap(printable(" ".join(text.split())), max(20, width - indent) if width > 0 else 0)
    return [" " * indent + style.paint(role, line) for line in broken]


def facts(
    rows: Sequence[Tuple[str, Sequence[str], str]], style: Style, width: int, indent: int = 2
) -> List[str]:
    """Return a list of labelled facts, labels in one column.

    Each row is (label, texts, role): the texts stand one below the other, broken to ``width``.
    """
    rows = [row for row in rows if row[1]]
    column = max((display_width(label) for label, _, _ in rows), default=0)
    lines = []
    for label, texts, role in rows:
        room = max(20, width - indent - column - 2) if width > 0 else 0
        broken = [line for text in texts for line in wrap(text, room)]
        for number, text in enumerate(broken):
            head = " " * indent + style.dim(pad(label if number == 0 else "", column)) + "  "
            lines.append(head + style.paint(role, shorten(text, room) if room else text))
    return lines


def python_stack(
    frames: Sequence[PythonFrame], style: Style, width: int, indent: int, limit: Optional[int] = None
) -> List[str]:
    """Return the lines of a Python stack, innermost first, at most ``limit`` lines.

    Of a deep one the outermost frames are there too: what it all began with is as telling as where it stands.
    """
    head = tail = 0
    if limit is not None and len(frames) > limit:
        tail = min(_OUTERMOST, limit // 4)
        head = max(1, limit - 1 - tail)
    shown = list(enumerate(frames))
    if head:
        shown = shown[:head] + shown[len(frames) - tail :]
    functions = [printable(frame.function, 48) or "?" for _, frame in shown]
    column = max(map(display_width, functions), default=0)
    digits = max(2, len(str(shown[-1][0]))) if shown else 2
    lines: List[str] = []
    for (number, frame), function in zip(shown, functions):
        if head and len(lines) == head:
            lines.append(_left_out(len(frames) - len(shown), style, indent))
        start = f"#{number:<{digits}} "
        where = place(frame.file, frame.line)
        if width > 0:
            where = shorten(where, max(12, width - indent - len(start) - column - 2), keep="end")
        gap = " " * (column - display_width(function) + 2)
        lines.append(" " * indent + style.dim(start) + style.function(function) + gap + style.file(where))
    if head and not tail:
        lines.append(_left_out(len(frames) - len(shown), style, indent))
    return [line.rstrip() for line in lines]


def _left_out(count: int, style: Style, indent: int) -> str:
    return " " * indent + style.dim(f"… {plural(count, 'more frame')}")


def native_frame(frame: NativeFrame, style: Style) -> str:
    """Return a C frame in a few words: function, and where its code is."""
    if frame.function:
        function = style.function(printable(frame.function))
    else:
        function = style.address(f"{frame.pc:#x}")
    where = place(source_name(frame.file), frame.line) if frame.file else ""
    if where:
        return f"{function} at {style.file(where)}"
    if frame.library:
        return f"{function} in {style.file(printable(base_name(frame.library)))}"
    return function


def thread_name(thread: Thread) -> str:
    """Return what a thread is called: its name, else its native id, else its thread state."""
    if thread.name:
        return printable(thread.name, 60)
    return f"thread {thread.native_id}" if thread.native_id else f"thread state {thread.address:#x}"


def thread_facts(thread: Thread) -> List[str]:
    """Return what is special about a thread, one short text each."""
    found = []
    if thread.holds_gil:
        found.append("holds the GIL")
    if thread.finalizing:
        found.append("finalizes")
    if thread.daemon:
        found.append("daemon")
    if thread.state:
        found.append(printable(thread.state))
    if thread.waits_for:
        found.append(f"waits for {printable(thread.waits_for)}")
    return found
