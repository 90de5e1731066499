"""What people read: the trace, the stop's block, the plan, and the report as a whole."""

from __future__ import annotations

import re
from typing import List, Optional

import pytest

from fingdb.model.phase import Phase
from fingdb.model.plan import Plan, PlanStep
from fingdb.model.report import (
    Culprit,
    Finding,
    GarbageCollector,
    Generation,
    Interpreter,
    PythonBuild,
    PythonFrame,
    Report,
    StepState,
    Target,
    Thread,
    Verdict,
)
from fingdb.model.stop import StopView
from fingdb.report.lines import python_stack, source_name
from fingdb.report.plan_text import plan_to_dict, render_plan
from fingdb.report.progress import Progress
from fingdb.report.step_block import render_stop
from fingdb.report.step_list import StepLine, step_lines
from fingdb.report.style import Style
from fingdb.report.text_report import render
from fingdb.report.width import display_width

PLAIN = Style(False, unicode=True)
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\udc80"


@pytest.fixture(autouse=True)
def utf8_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def only_visible(text: str) -> bool:
    text.encode("utf-8")
    return all(line.isprintable() for line in text.split("\n"))


def step(
    name: str, phase: str = "atexit", state: str = "done", depth: int = 1, interpreter: int = 0
) -> StepState:
    return StepState(name, phase, state, None, interpreter, depth=depth)


def report_of(steps: List[StepState]) -> Report:
    return Report(Target("live", "/usr/bin/python3", 12, exit_code=0), "after-finalize",
                  PythonBuild("3.11.7", False, False, "dwarf"), steps)


def test_steps_stand_in_two_columns_under_their_phases() -> None:
    lines = step_lines(
        [
            StepLine("Py_FinalizeEx", "thread-shutdown", "running", 0),
            StepLine("wait", "thread-shutdown", "done", 1, count=2),
            StepLine("finalize_modules", "module-teardown", "done", 1, ends="the modules",
                     changes=["a 1 → 2", "b"]),
            StepLine("_PyModule_Clear", "module-teardown", "done", 7, count=14, labels=["inlined"]),
            StepLine("_PyGC_Fini", "module-teardown", "pending", 1),
        ],
        PLAIN,
        80,
    )
    assert lines == [
        "thread-shutdown",
        "  ▶ Py_FinalizeEx",
        "    ✓ wait ×2",
        "module-teardown",
        "    ✓ finalize_modules  the modules",
        "                        a 1 → 2 · b",
        "      ✓ _PyModule_Clear ×14  inlined",
        "    · _PyGC_Fini",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_steps_fit_the_width(width: int) -> None:
    lines = step_lines(
        [
            StepLine("_a_long_name_of_a_step" * 2, "atexit", "done", 3, ends="word " * 30,
                     changes=["x" * 200]),
            StepLine("f", "atexit", "done", 1, ends="word " * 30),
        ],
        PLAIN,
        width,
    )
    assert all(display_width(line) <= max(width, 54) for line in lines)


def test_processes_cycles_and_interpreters_are_kept_apart() -> None:
    steps = [step("a"), step("sub", interpreter=1, depth=4), step("b")]
    text = render(report_of(steps), False, 80)
    heads = [line for line in text.split("\n") if line.startswith("──")]
    assert heads == ["── interpreter 0 ──", "── interpreter 1 ──", "── interpreter 0, continued ──"]
    steps = [step("a"), step("a"), step("a")]
    steps[1].cycle = 2
    steps[2].cycle, steps[2].pid = 2, 77
    text = render(report_of(steps), False, 80)
    heads = [line for line in text.split("\n") if line.startswith("──")]
    assert heads == [
        "── process 0 · cycle 1 · interpreter 0 ──",
        "── process 0 · cycle 2 · interpreter 0 ──",
        "── process 77 · cycle 2 · interpreter 0 ──",
    ]


def test_the_first_lines_say_what_it_is_about() -> None:
    lines = render(report_of([step("a"), step("b")]), False, 80).split("\n")
    assert lines[0] == "Python 3.11.7 · /usr/bin/python3 · process 12 · exit status 0"
    assert lines[1] == "phase after-finalize · 2 steps, all done"
    crashed = report_of([step("a"), step("b", state="running"), step("c", state="pending")])
    crashed.target.signal = "SIGSEGV"
    lines = render(crashed, False, 80).split("\n")
    assert lines[0].endswith("killed by SIGSEGV")
    assert lines[1] == "phase after-finalize · 3 steps: 1 done · 1 running · 1 pending"


def full() -> Report:
    thread = Thread(1, 2, 3, f"name{HOSTILE}", True, True, True, state=HOSTILE, waits_for=HOSTILE,
                    python_stack=[PythonFrame(HOSTILE, HOSTILE, n) for n in range(20)], problems=[HOSTILE])
    gc = GarbageCollector(True, True, 2, [Generation(0, 1, 2, 3)], problems=[HOSTILE])
    state = step(HOSTILE, HOSTILE)
    state.ends, state.changes = HOSTILE, [HOSTILE]
    return Report(
        Target("core", f"/x/{HOSTILE}", 12, core=HOSTILE, signal=HOSTILE), HOSTILE,
        PythonBuild(HOSTILE, True, True, "dwarf"), [state],
        [Interpreter(0, 1, True, True, [thread], gc, 3, [HOSTILE])],
        [Finding(HOSTILE, "error", HOSTILE, HOSTILE, HOSTILE, 1, HOSTILE, HOSTILE,
                 Culprit(HOSTILE, HOSTILE, 1, HOSTILE), count=3, advice=HOSTILE, references=[HOSTILE],
                 python_stack=thread.python_stack)],
        Verdict(HOSTILE, HOSTILE, HOSTILE), [HOSTILE],
    )


@pytest.mark.parametrize("width", [0, 1, 20, 80, 200])
def test_hostile_text_is_made_visible_everywhere(width: int) -> None:
    assert only_visible(render(full(), False, width))
    coloured = render(full(), True, width)
    assert only_visible(re.sub(r"\x1b\[[0-9;]*m", "", coloured))


def test_long_stacks_are_cut() -> None:
    assert "… 13 more frames" in render(full(), False, 80)
    frames = [*[PythonFrame("deep", "/app.py", 7)] * 2501, PythonFrame("<module>", "/app.py", 99)]
    lines = python_stack(frames, Style(False), 80, 2, 50)
    assert len(lines) == 50 and lines[44] == "  … 2453 more frames"
    assert lines[43].split() == ["#43", "deep", "/app.py:7"] and lines[-1].split() == ["#2501", "<module>", "/app.py:99"]
    assert [len(python_stack(frames, Style(False), 80, 2, limit)) for limit in (1, 2, 3, 9)] == [2, 2, 3, 9]
    assert len(python_stack(frames, Style(False), 80, 2)) == 2502


def test_verdict_comes_last() -> None:
    report = report_of([step("a")])
    report.verdict = Verdict("late-thread", "A thread asked for the GIL too late.", "likely")
    report.notes = ["something could not be read"]
    lines = render(report, False, 80).split("\n")
    note, verdict = lines.index("note: something could not be read"), lines.index("Verdict  late-thread (likely)")
    assert note < verdict
    assert lines[verdict + 1] == "  A thread asked for the GIL too late."


VIEW = StopView(
    "module-teardown", "finalize_modules", 12, 84, inlined="Py_FinalizeEx",
    file="Python/pylifecycle.c", line=1890,
    source=[(999, "\tif (x) {"), (1000, "\t    f();  "), (1001, "")], current_line=1000,
    ends="modules", gone="sys.modules", changes=["sys.modules 31 → 12", "objects 5 → 4"],
)


def test_the_block_of_a_stop() -> None:
    assert render_stop(VIEW, PLAIN, 80).split("\n") == [
        "step 12 of 84 · module-teardown",
        "  finalize_modules  inlined in Py_FinalizeEx  Python/pylifecycle.c:1890",
        "     999  if (x) {",
        "  ▶ 1000      f();",
        "    1001",
        "  ends     modules",
        "  then     sys.modules",
        "  changed  sys.modules 31 → 12",
        "           objects 5 → 4",
    ]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/tmp/build.1/Python-3.11.7/Python/pylifecycle.c", "Python/pylifecycle.c"),
        ("./build-static/../Modules/_io/textio.c", "Modules/_io/textio.c"),
        ("Include/internal/pycore_gc.h", "Include/internal/pycore_gc.h"),
        ("./nptl/./nptl/futex-internal.c", "nptl/nptl/futex-internal.c"),
        ("/home/me/Python", "/home/me/Python"),
        ("mine.c", "mine.c"),
        ("", "."),
    ],
)
def test_source_files_without_the_directories_of_their_build(path: str, shown: str) -> None:
    assert source_name(path) == shown


def test_the_block_says_what_is_out_of_the_ordinary() -> None:
    view = StopView("atexit", "f", event="signal", signal="SIGSEGV", interpreter=2, cycle=3, pid=44,
                    count=5, uncatalogued=True, note="look there")
    assert render_stop(view, PLAIN, 80).split("\n") == [
        "finalization · atexit · interpreter 2 · cycle 3 · process 44",
        "  f  ×5 · uncatalogued",
        "  SIGSEGV in this step",
        "  look there",
    ]
    assert "has returned" in render_stop(StopView("atexit", "f", event="end"), PLAIN, 80)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_block_fits_the_width(width: int) -> None:
    view = StopView("atexit", "a_function_with_a_name", 1, 2, file="/a/long/" * 20 + "file.c", line=3,
                    source=[(3, "x" * 300)], gone="word " * 50, changes=["y" * 300])
    lines = render_stop(view, PLAIN, width).split("\n")
    assert max(map(display_width, lines)) <= width
    assert lines[2 if width == 40 else 1].endswith("file.c:3")


def test_hostile_text_in_a_block() -> None:
    view = StopView(HOSTILE, HOSTILE, inlined=HOSTILE, file=HOSTILE, line=1, source=[(1, HOSTILE)],
                    ends=HOSTILE, gone=HOSTILE, changes=[HOSTILE], note=HOSTILE, event="signal",
                    signal=HOSTILE)
    assert only_visible(render_stop(view, PLAIN, 80))
    assert only_visible(re.sub(r"\x1b\[[0-9;]*m", "", render_stop(view, Style(True), 80)))


def plan() -> Plan:
    def node(name: str, phase: Phase, row: Optional[str], inlined: bool = False) -> PlanStep:
        return PlanStep(name, "Py_FinalizeEx", inlined, 0x10, [], phase, row)

    root = node("Py_FinalizeEx", Phase.THREAD_SHUTDOWN, "Py_FinalizeEx")
    root.children = [node("wait", Phase.THREAD_SHUTDOWN, "wait"), node("new_step", Phase.ATEXIT, None, True)]
    return Plan("/usr/lib/libpython3.so", None, [root])


def test_the_plan_as_text() -> None:
    text = render_plan(plan(), PLAIN, 80, lambda s: "done" if s.name == "wait" else "pending",
                       lambda s: "the threads" if s.name == "wait" else None)
    assert text.split("\n") == [
        "thread-shutdown",
        "  · Py_FinalizeEx",
        "    ✓ wait  the threads",
        "atexit",
        "    · new_step  inlined, uncatalogued",
        "",
        "3 steps in /usr/lib/libpython3.so, 1 of them not in the catalogue",
    ]
    assert "  Py_FinalizeEx" in render_plan(plan(), PLAIN, 80).split("\n")
    assert render_plan(Plan("x", None, []), PLAIN, 80) == "no finalization step was found"


def test_the_plan_as_data() -> None:
    data = plan_to_dict(plan())
    assert data["module"] == "/usr/lib/libpython3.so"
    child = data["roots"][0]["children"][1]
    assert child["name"] == "new_step"
    assert child["inlined"] is True
    assert child["catalogued"] is False
    assert child["address"] == "0x10"
    assert child["state"] == "unknown"


def test_progress_is_silent_at_first_and_clears_itself() -> None:
    now = [0.0]
    written: List[str] = []
    with Progress(written.append, "counting objects", 200, clock=lambda: now[0]) as progress:
        progress.update(1)
        now[0] = 0.9
        progress.update(50)
        assert written == []
        now[0] = 1.1
        progress.update(100)
        progress.update(101)
        assert written == ["\r\x1b[Kcounting objects 50% (100 of 200)"]
        now[0] = 1.3
        progress.update(201)
        assert written[1:] == ["\r\x1b[Kcounting objects 201"]  # more than were expected
    assert written[-1] == "\r\x1b[K"
    assert len(written) == 3


def test_progress_writes_to_terminals_only() -> None:
    now = [0.0]
    written: List[str] = []
    with Progress(written.append, "x", terminal=False, clock=lambda: now[0]) as progress:
        now[0] = 5.0
        progress.update(1)
    assert written == []
