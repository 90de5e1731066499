"""The tables of `pyfin interpreters`, `threads`, `gc` and `modules`."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from ..model.report import GarbageCollector, Interpreter, Module, Thread
from ..model.words import plural
from .escape import printable
from .lines import DOT, native_frame, paragraph, python_stack, signed, thread_name
from .style import Style
from .table import Cell, CellLike, Column, table
from .world import world_lines

_ENABLED = {True: "enabled", False: "disabled", None: ""}


def _objects(gc: Optional[GarbageCollector]) -> str:
    """Return how many objects a collector tracks, "" when none of its lists could be walked."""
    counts = [g.objects for g in gc.generations if g.objects >= 0] if gc is not None else []
    return str(sum(counts)) if counts else ""


def _problems(problems: Sequence[str], style: Style, width: int) -> List[str]:
    return [line for problem in problems for line in paragraph(problem, style, width, 0, "warning")]


def render_interpreters(interpreters: Sequence[Interpreter], style: Style, width: int) -> str:
    """Return the table of the interpreters. Raises MissingTabulate."""
    if not interpreters:
        return "no interpreter is alive"
    columns = [
        Column("ID", "right"),
        Column("STATE"),
        Column("THREADS", "right"),
        Column("MODULES", "right"),
        Column("OBJECTS", "right"),
        Column("GC"),
        Column("ADDRESS"),
    ]
    rows: List[List[CellLike]] = []
    for interpreter in interpreters:
        words = ["main"] if interpreter.main else []
        words += ["finalizing"] if interpreter.finalizing else []
        gc = interpreter.gc
        state = Cell(", ".join(words) or "alive", "running" if interpreter.finalizing else "")
        rows.append([
            interpreter.id,
            state,
            len(interpreter.threads),
            interpreter.modules,
            _objects(gc),
            "" if gc is None else "collecting" if gc.collecting else _ENABLED[gc.enabled],
            Cell(f"{interpreter.address:#x}", "address"),
        ])
    lines = [table(columns, rows, style, width)]
    for interpreter in interpreters:
        lines += _problems(interpreter.problems, style, width)
    return style.output("\n".join(lines))


def _daemon(thread: Thread) -> str:
    return "" if thread.daemon is None else "yes" if thread.daemon else "no"


def _thread_table(threads: Sequence[Thread], debugger: str, style: Style, width: int) -> str:
    columns = [
        Column(""),
        Column(debugger.upper(), "right"),
        Column("LWP", "right"),
        Column("NAME", keep="start"),
        Column("DAEMON"),
        Column("GIL"),
        Column("STATE", keep="start"),
        Column("WAITS FOR", keep="start"),
        Column("THREAD STATE"),
    ]
    rows: List[List[CellLike]] = []
    for thread in threads:
        states = ["finalizing"] if thread.finalizing else []
        states += [thread.state] if thread.state and thread.state not in states else []
        rows.append([
            Cell("*" if thread.current else "", "strong"),
            thread.debugger_id,
            thread.native_id or None,
            Cell(thread_name(thread) if thread.name else "?", "strong" if thread.current else ""),
            _daemon(thread),
            Cell("holds" if thread.holds_gil else "", "good"),
            Cell(", ".join(dict.fromkeys(states)), "running" if thread.finalizing else ""),
            thread.waits_for,
            Cell(f"{thread.address:#x}", "address"),
        ])
    return table(columns, rows, style, width)


def _thread_stack(
    thread: Thread, debugger: str, style: Style, width: int, limit: Optional[int], none: str
) -> List[str]:
    title = style.strong(thread_name(thread))
    if thread.debugger_id is not None:
        title += style.dim(f"  {debugger} thread {thread.debugger_id}")
    lines = ["", title]
    if thread.innermost is not None:
        lines.append(f"  {style.dim('C  ')} {native_frame(thread.innermost, style)}")
    if thread.python_stack:
        lines += python_stack(thread.python_stack, style, width, 2, limit)
    else:
        lines.append("  " + style.dim(none))
    return lines + ["  " + line for line in _problems(thread.problems, style, width - 2 if width else 0)]


def _other_threads(threads: Sequence[Thread], debugger: str, style: Style, width: int) -> str:
    """Return the native threads that have no thread state."""
    columns = [
        Column(""),
        Column(debugger.upper(), "right"),
        Column("LWP", "right"),
        Column("NAME"),
        Column("C FRAME", keep="start"),
    ]
    plain = Style(False, style.unicode)
    rows: List[List[CellLike]] = [
        [
            Cell("*" if thread.current else "", "strong"),
            thread.debugger_id,
            thread.native_id or None,
            thread.name,
            native_frame(thread.innermost, plain) if thread.innermost is not None else None,
        ]
        for thread in threads
    ]
    return style.heading("threads without a thread state") + "\n" + table(columns, rows, style, width)


def render_threads(
    interpreters: Sequence[Interpreter],
    debugger: str,
    style: Style,
    width: int,
    limit: Optional[int] = None,
    others: Sequence[Thread] = (),
    none: str = "no Python frame",
) -> str:
    """Return each interpreter's threads: the table, then their stacks, innermost frame first.

    ``debugger`` is the name of the one that numbers threads; ``limit`` bounds the Python frames shown of each thread;
    ``others`` are native threads without a thread state; ``none`` is what stands where there is no Python stack. Raises
    MissingTabulate.
    """
    blocks = []
    for interpreter in interpreters:
        lines = []
        if len(interpreters) > 1:
            lines.append(style.heading(f"interpreter {interpreter.id}"))
        if interpreter.threads:
            lines.append(_thread_table(interpreter.threads, debugger, style, width))
        else:
            several = len(interpreters) > 1
            lines.append("no thread" if several else f"interpreter {interpreter.id} has no thread")
        for sentence in world_lines(interpreter, interpreters):
            lines += paragraph(sentence, style, width, 0, "dim")
        for thread in interpreter.threads:
            lines += _thread_stack(thread, debugger, style, width, limit, none)
        lines += _problems(interpreter.problems, style, width)
        blocks.append("\n".join(lines))
    if not blocks:
        blocks.append("no interpreter is alive")
    if others:
        blocks.append(_other_threads(others, debugger, style, width))
    return style.output("\n\n".join(blocks))


def _type_counts(gc: Optional[GarbageCollector]) -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for entry in gc.types if gc is not None else []:
        counts[entry.type] = counts.get(entry.type, 0) + entry.count
    return counts


def _change(now: int, before: Optional[int]) -> Cell:
    if before is None or now < 0 or before < 0:
        return Cell("")
    return Cell(signed(now - before), "less" if now < before else "more")


def _generations(gc: GarbageCollector, previous: Optional[GarbageCollector], style: Style, width: int) -> str:
    before = {g.index: g for g in previous.generations} if previous is not None else {}
    columns = [
        Column("GENERATION", "right"),
        Column("COUNT", "right"),
        Column("THRESHOLD", "right"),
        Column("OBJECTS", "right"),
        Column("CHANGE", "right"),
    ]
    rows: List[List[CellLike]] = []
    for g in gc.generations:
        old = before.get(g.index)
        objects = str(g.objects) if g.objects >= 0 else "?"
        change = _change(g.objects, old.objects if old else None)
        rows.append([g.index, g.count, g.threshold, objects, change])
    if len(rows) > 1 and all(g.objects >= 0 for g in gc.generations):
        total = sum(g.objects for g in gc.generations)
        known = previous is not None and all(g.objects >= 0 for g in previous.generations)
        old_total = sum(g.objects for g in previous.generations) if previous is not None and known else None
        rows.append([Cell("all", "dim"), None, None, Cell(str(total), "strong"), _change(total, old_total)])
    return table(columns, rows, style, width)


def _types(
    gc: GarbageCollector, previous: Optional[GarbageCollector], style: Style, width: int, limit: Optional[int]
) -> List[str]:
    now = _type_counts(gc)
    before = _type_counts(previous) if previous is not None and previous.types else None
    names = sorted(now, key=lambda name: (-now[name], name))
    shown = names if limit is None else names[:limit]
    columns = [Column("TYPE", keep="end"), Column("OBJECTS", "right"), Column("CHANGE", "right")]
    rows: List[List[CellLike]] = [
        [name, now[name], Cell("") if before is None else _change(now[name], before.get(name, 0))]
        for name in shown
    ]
    lines = [table(columns, rows, style, width)] if rows else []
    hidden = len(names) - len(shown)
    if hidden > 0:
        rest = sum(now[name] for name in names[len(shown) :])
        lines.append(style.dim(f"… {plural(hidden, 'more type')} with {plural(rest, 'object')}"))
    if before is not None:
        gone = sorted((n for n in before if n not in now and before[n]), key=lambda n: (-before[n], n))
        listed = gone if limit is None else gone[:limit]
        if listed:
            text = ", ".join(f"{printable(name)} {signed(-before[name])}" for name in listed)
            more = f", and {plural(len(gone) - len(listed), 'more type')}" if len(gone) > len(listed) else ""
            lines += paragraph(f"gone: {text}{more}", style, width, 0, "less")
    return lines


def render_gc(
    gc: GarbageCollector,
    style: Style,
    width: int,
    interpreter: int = 0,
    previous: Optional[GarbageCollector] = None,
    types: Optional[int] = 10,
    since: Optional[str] = None,
) -> str:
    """Return a collector's generations and its most frequent types.

    ``types`` is how many of these (None: all). ``previous`` is the same collector at an earlier
    stop, which ``since`` names, to show the difference. Raises MissingTabulate.
    """
    words = [_ENABLED[gc.enabled]] if gc.enabled is not None else []
    words.append(style.paint("running", "collecting") if gc.collecting else "not collecting")
    if gc.frozen or any(g.objects >= 0 for g in gc.generations):
        words.append(f"{gc.frozen} frozen")  # otherwise nobody has counted them
    lines = [f"{style.heading(f'garbage collector of interpreter {interpreter}')}  {DOT.join(words)}"]
    if previous is not None:
        lines.append(style.dim(f"CHANGE is the difference with {printable(since or 'the previous stop')}"))
    if gc.generations:
        lines += ["", _generations(gc, previous, style, width)]
    listed = _types(gc, previous, style, width, types)
    lines += ["", *listed] if listed else []
    lines += _problems(gc.problems, style, width)
    return style.output("\n".join(lines))


_MODULE_ROLE = {"cleared": "running", "none": "dim", "unknown": "warning"}


def render_modules(
    modules: Sequence[Module], style: Style, width: int, interpreter: int = 0, problems: Sequence[str] = ()
) -> str:
    """Return the table of ``sys.modules``, in its own order. Raises MissingTabulate."""
    columns = [
        Column("NAME", keep="end"),
        Column("STATE"),
        Column("REFS", "right"),
        Column("TYPE", keep="end"),
        Column("FILE", keep="end"),
    ]
    lines = []
    if modules:
        rows = [
            [
                module.name,
                Cell(module.state, _MODULE_ROLE.get(module.state, "")),
                None if module.state == "none" else module.refcount if module.held is None else module.held,
                None if module.state == "none" else module.type,
                Cell(module.file or "", "file"),
            ]
            for module in modules
        ]
        lines.append(table(columns, rows, style, width))
    counts: Dict[str, int] = {}
    for module in modules:
        counts[module.state] = counts.get(module.state, 0) + 1
    detail = DOT.join(f"{count} {printable(state)}" for state, count in counts.items())
    total = f"{plural(len(modules), 'module')} in interpreter {interpreter}"
    lines.append(style.dim(f"{total}: {detail}" if detail else total))
    lines += _problems(problems, style, width)
    return style.output("\n".join(lines))
