"""The tables of the summary commands and the status screen."""

from __future__ import annotations

import re

import pytest

from fingdb.model.report import (
    GarbageCollector,
    Generation,
    Interpreter,
    Module,
    NativeFrame,
    PythonBuild,
    PythonFrame,
    RuntimeState,
    Target,
    Thread,
    TypeCount,
)
from fingdb.model.status import PhaseProgress, Status
from fingdb.report.status_text import render_status
from fingdb.report.style import Style
from fingdb.report.summaries import render_gc, render_interpreters, render_modules, render_threads
from fingdb.report.text_report import gc_words
from fingdb.report.width import display_width

PLAIN = Style(False, unicode=True)
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\udc80"

MAIN = Thread(
    0x55D0C0, 1, 4242, "MainThread", False, True, True, 1, True,
    python_stack=[PythonFrame("wait", "/lib/threading.py", 320), PythonFrame("<module>", "/app.py", 1)],
    innermost=NativeFrame(0, 1, 2, "futex_wait", "/lib/libc.so.6"),
)
WORKER = Thread(
    0x55D0D0, 2, 4243, None, True, False, state="detached", waits_for="the GIL", problems=["cut short"]
)
GC = GarbageCollector(
    True, False, 3,
    [Generation(0, 423, 700, 423), Generation(1, 2, 10, 1201), Generation(2, 1, 10, 4021)],
    [TypeCount("function", 2010), TypeCount("dict", 1200), TypeCount("tuple", 5)],
)
OLD = GarbageCollector(
    True, False, 0,
    [Generation(0, 1, 700, 400), Generation(1, 2, 10, 1201), Generation(2, 1, 10, 5021)],
    [TypeCount("function", 2310), TypeCount("tuple", 5), TypeCount("ModuleSpec", 30)],
)


def lines(text: str) -> "list[str]":
    return text.split("\n")


def only_visible(text: str) -> bool:
    text.encode("utf-8")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return all(line.isprintable() for line in plain.split("\n"))


def test_interpreters() -> None:
    rows = [
        Interpreter(0, 0x7F00, True, True, [MAIN, WORKER], GC, 31),
        Interpreter(1, 0x7F10, False, False, problems=["the list of threads is corrupt"]),
    ]
    assert lines(render_interpreters(rows, PLAIN, 80)) == [
        "ID  STATE             THREADS  MODULES  OBJECTS  GC       ADDRESS",
        " 0  main, finalizing        2       31     5645  enabled  0x7f00",
        " 1  alive                   0                             0x7f10",
        "the list of threads is corrupt",
    ]
    assert render_interpreters([], PLAIN, 80) == "no interpreter is alive"


def test_threads() -> None:
    text = render_threads([Interpreter(0, 1, True, False, [MAIN, WORKER])], "gdb", PLAIN, 100)
    assert lines(text) == [
        "   GDB   LWP  NAME        DAEMON  GIL    STATE       WAITS FOR  THREAD STATE",
        "*    1  4242  MainThread  no      holds  finalizing             0x55d0c0",
        "        4243  ?           yes            detached    the GIL    0x55d0d0",
        "",
        "MainThread  gdb thread 1",
        "  C   futex_wait in libc.so.6",
        "  #0  wait      /lib/threading.py:320",
        "  #1  <module>  /app.py:1",
        "",
        "thread 4243",
        "  no Python frame",
        "  cut short",
    ]
    assert render_threads([], "gdb", PLAIN, 80) == "no interpreter is alive"


def test_gc() -> None:
    assert lines(render_gc(GC, PLAIN, 80, types=2)) == [
        "garbage collector of interpreter 0  enabled · not collecting · 3 frozen",
        "",
        "GENERATION  COUNT  THRESHOLD  OBJECTS",
        "         0    423        700      423",
        "         1      2         10     1201",
        "         2      1         10     4021",
        "       all                       5645",
        "",
        "TYPE      OBJECTS",
        "function     2010",
        "dict         1200",
        "… 1 more type with 5 objects",
    ]


def test_gc_difference() -> None:
    assert lines(render_gc(GC, PLAIN, 80, previous=OLD, types=None, since="step 3"))[1:] == [
        "CHANGE is the difference with step 3",
        "",
        "GENERATION  COUNT  THRESHOLD  OBJECTS  CHANGE",
        "         0    423        700      423     +23",
        "         1      2         10     1201",
        "         2      1         10     4021   -1000",
        "       all                       5645    -977",
        "",
        "TYPE      OBJECTS  CHANGE",
        "function     2010    -300",
        "dict         1200   +1200",
        "tuple           5",
        "gone: ModuleSpec -30",
    ]


def test_a_generation_that_could_not_be_walked_has_no_number() -> None:
    generations = [Generation(0, 1, 2, -1), Generation(1, 0, 0, 4)]
    gc = GarbageCollector(False, True, 0, generations, problems=["corrupt"])
    text = render_gc(gc, PLAIN, 80, previous=OLD)
    assert lines(text)[0].endswith("disabled · collecting · 0 frozen")
    assert re.search(r"^ +0 +1 +2 +\?$", text, re.M)
    assert "all" not in text
    assert text.endswith("corrupt")


def test_modules() -> None:
    rows = [
        Module("sys", 1, "module", 55, "live"),
        Module("os.path", 2, "module", 4, "cleared", "/lib/posixpath.py"),
        Module("gone", 0, "", 0, "none"),
    ]
    assert lines(render_modules(rows, PLAIN, 80)) == [
        "NAME     STATE    REFS  TYPE    FILE",
        "sys      live       55  module",
        "os.path  cleared     4  module  /lib/posixpath.py",
        "gone     none",
        "3 modules in interpreter 0: 1 live · 1 cleared · 1 none",
    ]
    assert render_modules([], PLAIN, 80) == "0 modules in interpreter 0"


def status(**changes: object) -> Status:
    made = Status(
        "finalizing",
        Target("live", "/usr/bin/python3", 12, signal="SIGINT"),
        PythonBuild("3.11.7", True, False, "dwarf"),
        "module-teardown",
        [PhaseProgress("atexit", "done"), PhaseProgress("module-teardown", "running", 3, 17),
         PhaseProgress("interpreter-clear", "pending")],
        "_PyModule_ClearDict", "finalize_modules", "_PyGC_CollectNoFail", 34, 131, 2,
        RuntimeState(1, True, True, 0x55D0C0, 1),
        [Interpreter(0, 0x7F00, True, True, [MAIN, WORKER], GC, 31)],
        hint="type pyfin next",
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_status() -> None:
    assert lines(render_status(status(), PLAIN, 80)) == [
        "finalizing · module-teardown",
        " python        Python 3.11.7, debug build · layout from debug information",
        " target        /usr/bin/python3 · process 12 · stopped by SIGINT",
        " phases        ✓ atexit  ▶ module-teardown 3/17  · interpreter-clear",
        " step          34 of 131  _PyModule_ClearDict in finalize_modules · cycle 2",
        " next          _PyGC_CollectNoFail",
        " runtime       initialized · finalized by MainThread",
        " GIL           MainThread",
        " interpreter   0 main, finalizing · 2 threads · 31 modules",
        "               gc on, 5645 objects, 3 frozen",
        " type pyfin next",
    ]
    assert lines(render_status(Status("none", hint="h"), PLAIN, 80)) == ["no program", " h"]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_status_is_one_screen_whatever_there_is(width: int) -> None:
    many = [Interpreter(n, n, n == 0, False, [MAIN] * 50, GC, 31) for n in range(500)]
    text = render_status(status(interpreters=many, step="s" * 20), PLAIN, width)
    assert len(lines(text)) <= 24
    assert max(map(display_width, lines(text))) <= width


def test_hostile_text_is_made_visible() -> None:
    thread = Thread(1, 2, 3, HOSTILE, True, True, True, state=HOSTILE, waits_for=HOSTILE, problems=[HOSTILE],
                    python_stack=[PythonFrame(HOSTILE, HOSTILE, 1)],
                    innermost=NativeFrame(0, 1, 2, HOSTILE, HOSTILE, HOSTILE, 1))
    gc = GarbageCollector(True, True, types=[TypeCount(HOSTILE, 1)], problems=[HOSTILE],
                          generations=[Generation(0, 1, 2, 3)])
    old = GarbageCollector(True, True, types=[TypeCount(HOSTILE * 2, 1)])
    rows = [Interpreter(0, 1, True, True, [thread], gc, 3, [HOSTILE])]
    for style in (PLAIN, Style(True)):
        assert only_visible(render_interpreters(rows, style, 80))
        assert only_visible(render_threads(rows, "gdb", style, 80))
        assert only_visible(render_gc(gc, style, 80, previous=old, since=HOSTILE))
        modules = [Module(HOSTILE, 1, HOSTILE, 1, HOSTILE, HOSTILE)]
        assert only_visible(render_modules(modules, style, 80, problems=[HOSTILE]))
        shown = status(target=Target("core", HOSTILE, 1, HOSTILE, HOSTILE), step=HOSTILE, parent=HOSTILE,
                       following=HOSTILE, notes=[HOSTILE], interpreters=rows, phase=HOSTILE,
                       phases=[PhaseProgress(HOSTILE, "done")],
                       python=PythonBuild(HOSTILE, False, False, HOSTILE))
        assert only_visible(render_status(shown, style, 80))


def test_what_nobody_has_counted_is_not_called_none() -> None:
    unknown = GarbageCollector(None, False)
    lines = render_gc(unknown, Style(False), 0).split("\n")
    assert lines[0] == "garbage collector of interpreter 0  not collecting"
    assert gc_words(unknown) == "" and gc_words(GarbageCollector(True, False)) == "gc on"
    assert gc_words(GarbageCollector(None, True, 2)) == "gc collecting, 2 frozen"
