"""Programs that end in unusual ways, and a user who does unusual things."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

import pytest

from tests.support.build import build_program, python_library
from tests.support.drive import Session, drive
from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import gdb_environment
from tests.support.interpreters import Interpreter

PROGRAMS = Path(__file__).parent / "programs"
ENDS = PROGRAMS / "misc_ends.py"
ROOTS = {"Py_FinalizeEx", "_Py_Finalize"}
TEARDOWN = {"finalize_modules", "PyImport_Cleanup", "_PyImport_Cleanup"}

pytestmark = [pytest.mark.live, pytest.mark.pair]


@pytest.fixture(autouse=True)
def _debug_info(request: pytest.FixtureRequest) -> None:
    if "python" in request.fixturenames and not request.getfixturevalue("python").has_debug_info:
        pytest.skip("there is no debug information")


def report_of(directory: Path, program: Sequence[Any], expected: int = 0) -> Dict[str, Any]:
    """Return the report of `fingdb run` on a program; check the exit status."""
    done = run_fingdb("run", "--json", "--output", directory / "report.json", "--", *program)
    assert done.returncode == expected, done.stderr.decode(errors="replace")
    found: Dict[str, Any] = json.loads((directory / "report.json").read_bytes())
    return found


def roots(report: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the first step of each finalization."""
    return [step for step in report["steps"] if step["depth"] == 0]


def running(report: Dict[str, Any]) -> List[str]:
    return [step["name"] for step in report["steps"] if step["state"] == "running"]


def embedding(python: Interpreter, name: str) -> Path:
    return build_program(python, [PROGRAMS / f"{name}.c"], name)


# -- several finalizations in one process ----------------------------------------------------------
def test_subinterpreters(python: Interpreter, tmp_path: Path) -> None:
    """One that the program ends itself, one that it leaves to finalization."""
    report = report_of(tmp_path, [python.path, PROGRAMS / "subinterpreters.py", "leave"])
    ends = [step for step in report["steps"] if step["name"] == "Py_EndInterpreter"]
    assert sorted(step["interpreter"] for step in ends) == [1, 2]
    (main,) = [step for step in roots(report) if step["name"] in ROOTS]
    assert main["interpreter"] == 0
    assert all(step["state"] == "done" for step in report["steps"])
    for step in ends:
        own = [s for s in report["steps"] if s["interpreter"] == step["interpreter"]]
        assert TEARDOWN & {s["name"] for s in own}
        assert {s["phase"] for s in own} >= {"thread-shutdown", "module-teardown", "interpreter-clear"}


@pytest.mark.spread
def test_a_subinterpreter_that_nobody_ends(python: Interpreter, tmp_path: Path) -> None:
    """Before 3.13 that is fatal, in a function whose last steps are over by then; which ran, their frames tell."""
    program = embedding(python, "embed_left_open")
    if python.version >= (3, 13):
        report = report_of(tmp_path, [program])
        assert [step["name"] for step in roots(report) if step["interpreter"] == 1] == ["Py_EndInterpreter"]
        assert all(step["state"] == "done" for step in report["steps"])
        return
    report = report_of(tmp_path, [program], -signal.SIGABRT)
    session = drive(program, [], ["pyfin start", "continue", "pyfin status"])
    # 3.8 has one that does the work for the other.
    assert running(report)[-1] in ("PyInterpreterState_Delete", "_PyInterpreterState_Delete")
    assert session[1].step == running(report)[-1] and "SIGABRT in this step" in session[1].output
    assert f" {running(report)[-1]}" in session[2].output


def test_stepping_through_a_subinterpreter(python: Interpreter) -> None:
    commands = [
        "pyfin until Py_EndInterpreter", "pyfin next", "pyfin next", "pyfin status", "pyfin until module-teardown",
        "pyfin until Py_EndInterpreter", "pyfin start", "pyfin next", "pyfin until after-finalize",
    ]  # fmt: skip
    session = drive(python.path, [PROGRAMS / "subinterpreters.py"], commands)
    first, one, two, status, teardown, second, start, following, last = session.typed
    assert first.step == "Py_EndInterpreter" and "interpreter 1" in first.head
    assert all("interpreter 1" in typed.head for typed in (one, two, teardown))
    assert one.k and two.k and one.k < two.k and one.n == two.n
    assert status.error is None
    assert second.step == "Py_EndInterpreter" and "interpreter 2" in second.head
    assert start.step in ROOTS and "interpreter" not in start.head
    assert following.k == 1
    assert last.phase == "after-finalize"


def test_three_lives(python: Interpreter, tmp_path: Path) -> None:
    program = embedding(python, "embed_thrice")
    report = report_of(tmp_path, [program], 42)
    lives = roots(report)
    assert [life["cycle"] for life in lives] == [1, 2, 3]
    assert all(step["state"] == "done" for step in report["steps"])
    counts = [sum(1 for step in report["steps"] if step["cycle"] == cycle) for cycle in (1, 2, 3)]
    assert max(counts) - min(counts) < 15 and min(counts) > 60

    commands = ["pyfin start", "pyfin until _PyGC_Fini", "pyfin start", "pyfin finish", "pyfin until after-finalize",
                "pyfin start", "pyfin next", "pyfin plan --json", "pyfin until after-finalize",
                "pyfin until type-teardown", "pyfin until after-finalize", "pyfin next"]  # fmt: skip
    session = drive(program, [], commands)
    assert session[0].step in ROOTS and "cycle" not in session[0].head
    assert session[2].error == 'finalization has begun already; "pyfin next" goes on'
    assert "cycle" not in session[4].head and session[4].phase == "after-finalize"
    assert session[5].step in ROOTS and "cycle 2" in session[5].head
    assert session[6].k == 1
    plan = json.loads(session[7].output)
    (main,) = [root for root in plan["roots"] if root["name"] in ROOTS]
    assert [child["state"] for child in main["children"]].count("pending") >= len(main["children"]) - 2
    assert session[9].phase == "type-teardown" and "cycle 3" in session[9].head
    assert session[11].pid == 0


def test_finalized_by_another_thread(python: Interpreter, tmp_path: Path) -> None:
    if python.debug:
        pytest.skip("an assertion of debug builds forbids a thread state in another thread")
    program = embedding(python, "embed_thread")
    report = report_of(tmp_path, [program], 7)
    (life,) = roots(report)
    assert life["state"] == "done" and life["thread"] != report["target"]["pid"]
    assert len(report["steps"]) > 60
    session = drive(program, [], ["pyfin start", "pyfin next", "pyfin until _PyGC_Fini", "pyfin finish", "continue"])
    assert [typed.step for typed in session.typed[2:3]] == ["_PyGC_Fini"]
    assert session[0].pid and session[4].error is None


def test_loaded_later(pythons: List[Interpreter], tmp_path: Path) -> None:
    """A program that is no Python until it loads one, privately."""
    usable = [p for p in pythons if p.has_debug_info and p.runtime.endswith((".so", ".so.1.0")) or ".so." in p.runtime]
    if not usable:
        pytest.skip("no interpreter has a shared library")
    for python in (usable[0], usable[-1]):
        library = python_library(python)
        program = build_program(python, [PROGRAMS / "embed_dlopen.c"], "embed_dlopen", link_python=False)
        report = report_of(tmp_path, [program, library], 5)
        (life,) = roots(report)
        assert life["state"] == "done" and len(report["steps"]) > 60
        session = drive(program, [library], ["pyfin start", "pyfin next", "pyfin until after-finalize", "pyfin next"])
        assert session[0].step in ROOTS and session[1].k == 1 and session[2].ended and session[3].pid == 0


def test_position_independent_static(any_python: Interpreter, tmp_path: Path) -> None:
    """The runtime in a position-independent executable, which lies elsewhere at each start."""
    archive = python_library(any_python).name.replace(".so", ".a")
    places = list(Path(python_library(any_python)).parent.rglob(archive))
    if not places:
        pytest.skip(f"{any_python.label} has no static library")
    libraries = [str(places[0]), "-lm", "-lutil", "-rdynamic"]
    try:
        program = build_program(
            any_python, [PROGRAMS / "embed_thrice.c"], "embed_static", flags=["-fPIE", "-pie"], libraries=libraries,
            link_python=False,
        )  # fmt: skip
    except AssertionError as problem:
        if "recompile with -fPI" not in str(problem):
            raise
        pytest.skip(f"the static library of {any_python.label} is not position-independent")
    home = os.path.dirname(os.path.dirname(any_python.path))
    for randomized in ("off", "on"):
        commands = [f"set disable-randomization {'off' if randomized == 'on' else 'on'}", f"set env PYTHONHOME {home}",
                    "pyfin start", "pyfin next", "pyfin until _PyGC_Fini", "kill", "pyfin start", "pyfin next"]
        session = drive(program, [], commands)
        assert [typed.step in ROOTS for typed in (session[2], session[6])] == [True, True]
        assert session[4].step == "_PyGC_Fini" and session[3].k == session[7].k == 1


# -- ends that are none ------------------------------------------------------------------------------
def test_exit_without_finalization_coming_to_its_end(python: Interpreter, tmp_path: Path) -> None:
    report = report_of(tmp_path, [python.path, ENDS, "exit_in_atexit"], 9)
    assert running(report)[-1] in ("atexit_callfuncs", "_PyAtExit_Call", "call_py_exitfuncs")
    assert report["phase"] == "atexit"
    assert any(step["state"] == "pending" and step["name"] == "_PyGC_Fini" for step in report["steps"])
    assert report["target"]["exit_code"] == 9
    assert any("_exit" in note for note in report["notes"])
    session = drive(python.path, [ENDS, "exit_in_atexit"], ["pyfin until atexit", "pyfin until type-teardown",
                                                           "pyfin status", "pyfin next"])  # fmt: skip
    assert session[0].phase == "atexit"
    assert session[1].pid == 0 and session[1].error is None
    assert "in the middle of" in session[2].output
    assert session[3].error == 'there is no process; "pyfin start" runs the program'


@pytest.mark.parametrize("way", ["crash", "fatal"])
def test_death_in_the_middle_of_a_step(python: Interpreter, tmp_path: Path, way: str) -> None:
    name = {"crash": "SIGSEGV", "fatal": "SIGABRT"}[way]
    report = report_of(tmp_path, [python.path, ENDS, way], -getattr(signal, name))
    assert report["target"]["signal"] == name
    assert TEARDOWN & set(running(report))
    assert report["phase"] == "module-teardown"
    session = drive(python.path, [ENDS, way], ["pyfin start", "pyfin until type-teardown", "pyfin status", "bt 2",
                                               "pyfin next", "pyfin next", "pyfin start"])  # fmt: skip
    died = session[1]
    assert f"{name} in this step" in died.output and died.phase == "module-teardown" and died.blocks == 1
    assert died.step == running(report)[-1]
    assert session[2].error is None and session[3].error is None
    assert session[4].pid == 0 and session[4].error is None  # the signal kills it
    assert session[5].error == 'there is no process; "pyfin start" runs the program'
    assert session[6].step in ROOTS


def test_a_step_that_is_called_out_of_its_place(python: Interpreter, tmp_path: Path) -> None:
    """Py_FatalError disables the fault handler and flushes the streams: finalization is no further for that."""
    commands = ["pyfin until atexit_callfuncs", "pyfin until flush_std_files", "pyfin until module-teardown",
                "pyfin status"]  # fmt: skip
    session = drive(python.path, [ENDS, "fatal_in_atexit"], commands)
    callbacks, flushed, died, status = session.typed
    assert flushed.head.startswith("step out of its place") and flushed.k is None
    assert flushed.step == "flush_std_files" and ("pylifecycle.c:" in flushed.output or ".h:" in flushed.output)
    assert "SIGABRT in this step" in died.output
    assert {typed.phase for typed in (callbacks, flushed, died)} == {"atexit"}
    assert status.output.startswith("finalizing · atexit"), status.output
    report = report_of(tmp_path, [python.path, ENDS, "fatal_in_atexit"], -signal.SIGABRT)
    assert report["phase"] == "atexit" and not TEARDOWN & {s["name"] for s in report["steps"] if s["state"] == "done"}


def test_fork(python: Interpreter, tmp_path: Path) -> None:
    """The parent is followed by default, and the child leaves gdb without harm."""
    for way in ("fork", "fork_in_atexit"):
        report = report_of(tmp_path, [python.path, ENDS, way])
        (life,) = roots(report)
        assert life["state"] == "done" and life["pid"] == report["target"]["pid"]


def test_finalization_in_a_forked_child(python: Interpreter) -> None:
    commands = ["set follow-fork-mode child", "pyfin start", "python print(gdb.selected_inferior().pid)",
                "pyfin until _PyGC_Fini", "pyfin until after-finalize", "pyfin next", "pyfin next"]  # fmt: skip
    session = drive(python.path, [ENDS, "fork"], [*commands[:3], "pyfin status", *commands[3:]])
    # What is asked about the child is read from the child.
    status = session.typed.pop(3)
    assert status.output.startswith("finalizing · thread-shutdown"), status
    assert session[1].step in ROOTS
    assert session[3].step == "_PyGC_Fini" and session[3].pid == int(session[2].output)
    assert session[4].phase == "after-finalize"
    assert session[5].error is None and session[5].pid == 0

    if python.version[:2] == (3, 12):
        return  # it refuses to fork in the middle of finalization
    # The child is made in the middle of finalization, and finishes that on its own.
    session = drive(python.path, [ENDS, "fork_in_atexit"], commands)
    assert session[1].step in ROOTS
    assert session[3].step == "_PyGC_Fini" and session[3].pid != session[1].pid
    assert session[4].phase == "after-finalize"
    assert session[5].error is None


def test_parent_and_child_in_one_gdb(any_python: Interpreter) -> None:
    """gdb keeps both: the parent's finalization is walked through, then the child's."""
    commands = ["set detach-on-fork off", "pyfin start", "pyfin until _PyGC_Fini", "pyfin until after-finalize",
                "inferior 2", "pyfin start", "pyfin next", "pyfin until _PyGC_Fini"]  # fmt: skip
    session = drive(any_python.path, ["-c", "import os; os.fork()"], commands)
    assert [typed.step for typed in session.of("pyfin until _PyGC_Fini")] == ["_PyGC_Fini"] * 2, session.typed
    assert session[6].k == 1 and session[7].pid == session[5].pid != session[1].pid


def test_exec_of_another_python(python: Interpreter, tmp_path: Path) -> None:
    for way in ("execute", "exec_in_atexit"):
        report = report_of(tmp_path, [python.path, ENDS, way])
        assert roots(report)[-1]["state"] == "done"
        assert report["phase"] == "after-finalize"
        if way == "exec_in_atexit":
            assert roots(report)[0]["state"] == "running"
            assert any("executed another program" in note for note in report["notes"])
        for mode in ("same", "new") if way == "exec_in_atexit" else ("same",):
            first = ["pyfin until atexit_callfuncs", "pyfin next"] if way == "exec_in_atexit" else ["pyfin start"]
            commands = [f"set follow-exec-mode {mode}", *first, "pyfin next", "pyfin until _PyGC_Fini",
                        "pyfin until after-finalize", "pyfin next"]  # fmt: skip
            session = drive(python.path, [ENDS, way], commands)
            assert session[-5].step in ROOTS, (way, mode, session.typed)
            assert session[-4].k == 1 and session[-3].step == "_PyGC_Fini", (way, mode, session.typed)
            assert session[-2].phase == "after-finalize"
            assert session[-1].error is None


def test_daemon_threads_that_collect(python: Interpreter, tmp_path: Path) -> None:
    """Other threads run through the collector's steps: those are not this finalization's."""
    report = report_of(tmp_path, [python.path, ENDS, "threads"])
    (life,) = roots(report)
    assert {step["thread"] for step in report["steps"]} == {life["thread"]}
    assert all(step["state"] == "done" for step in report["steps"])
    commands = ["pyfin start", *["pyfin next"] * 25, "pyfin until after-finalize"]
    session = drive(python.path, [ENDS, "threads"], commands)
    rounds: List[List[int]] = [[]]
    for typed in session.typed[1:-1]:
        assert typed.k is not None
        if rounds[-1] and typed.k <= rounds[-1][-1]:
            rounds.append([])
        rounds[-1].append(typed.k)
    # Without a GIL each thread state that is deleted has free lists of its own, and the steps that clear them come again.
    assert len(rounds) == 1 or python.free_threaded, rounds
    again = [typed.k for typed in session.typed if typed.step == "PyThreadState_Clear"]
    assert {first for first, *_rest in rounds[1:]} <= {k + 1 for k in again if k is not None}, rounds
    assert session[-1].phase == "after-finalize"


def test_control_characters_from_the_program(any_python: Interpreter) -> None:
    session = drive(any_python.path, [ENDS, "control_characters"], ["pyfin start", "pyfin next"])
    assert session[0].step in ROOTS and session[1].k == 1


# -- coming late -------------------------------------------------------------------------------------
@contextmanager
def stopped(program: Sequence[Any]) -> Iterator[int]:
    """A process that has stopped itself."""
    process = subprocess.Popen(
        list(map(str, program)), env=gdb_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with open(f"/proc/{process.pid}/stat", encoding="utf-8", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[0] == "T":
                    break
            time.sleep(0.02)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def attached(program: Sequence[Any], commands: Sequence[str]) -> Session:
    with stopped(program) as pid:
        # The stop that gdb finds it in comes once more when it goes on.
        return drive(None, [], commands, before=["handle SIGSTOP nostop noprint nopass", f"attach {pid}"])


def test_attach_half_way(python: Interpreter) -> None:
    session = attached(
        [python.path, ENDS, "pause"],
        ["pyfin status", "pyfin plan --json", "pyfin finish", "pyfin next", "pyfin until _PyGC_Fini",
         "pyfin until after-finalize", "continue"],  # fmt: skip
    )
    status, plan, finish, following, gc, after, _end = session.typed
    assert "module-teardown" in status.output
    marks = {step["name"]: step["state"] for step in _flat(json.loads(plan.output), ROOTS)}
    teardown = next(marks[name] for name in TEARDOWN if name in marks)
    assert teardown == "running"
    assert marks["wait_for_thread_shutdown"] == "done"
    assert marks["_PyGC_Fini"] == "pending" and marks["_PyRuntime_Finalize"] == "pending"
    assert finish.phase == "module-teardown", finish
    assert following.step is not None and (following.k or 0) >= (finish.k or 0)
    assert gc.step == "_PyGC_Fini"
    assert after.phase == "after-finalize"


def _flat(plan: Dict[str, Any], names: "set[str]") -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []

    def walk(step: Dict[str, Any]) -> None:
        found.append(step)
        for child in step["children"]:
            walk(child)

    for root in plan["roots"]:
        if root["name"] in names:
            walk(root)
    return found


def test_attach_again(python: Interpreter) -> None:
    """Once more to the same process, then to another one: each is taken over where it stands."""
    with stopped([python.path, ENDS, "pause"]) as one, stopped([python.path, ENDS, "pause"]) as other:
        commands = [f"attach {one}", "pyfin status", "pyfin finish", "python import os; os.kill(gdb.selected_inferior().pid, 19)",
                    "detach", f"attach {one}", "pyfin status", "pyfin next", "kill",
                    f"attach {other}", "pyfin status", "pyfin next", "pyfin until after-finalize"]  # fmt: skip
        session = drive(None, [], commands, before=["handle SIGSTOP nostop noprint nopass"])
    statuses = session.of("pyfin status")
    assert ["finalizing · module-teardown" in status.output for status in statuses] == [True] * 3, statuses
    first, second = session.of("pyfin next")
    assert first.phase == second.phase == "module-teardown" and first.k and second.k
    assert session[-1].phase == "after-finalize"


def test_coming_late_to_a_step_that_was_jumped_to(python: Interpreter) -> None:
    """In 3.9 `finalize_interp_clear` jumps to `_PyGC_Fini`, which then stands in its place on the stack."""
    session = drive(
        python.path, ["-c", "pass"], ["pyfin status", "pyfin finish", "pyfin next"],
        before=["set breakpoint pending on", "tbreak _PyGC_Fini", "run"],
    )  # fmt: skip
    if not session[0].pid:
        pytest.skip("by name gdb finds no _PyGC_Fini: it is inlined in this build")
    assert " _PyGC_Fini in " in session[0].output
    assert session[1].error is None and session[2].step != "_PyGC_Fini"


def test_attach_in_the_end_of_a_subinterpreter(python: Interpreter) -> None:
    program = embedding(python, "embed_pause")
    session = attached(
        [program, "sub"],
        ["pyfin status", "pyfin next", "pyfin until interpreter-clear", "pyfin start", "pyfin next",
         "pyfin until after-finalize"],  # fmt: skip
    )
    assert session[0].error is None
    assert "interpreter 1" in session[1].head
    assert "interpreter 1" in session[2].head and session[2].phase == "interpreter-clear"
    assert session[3].step in ROOTS
    assert session[4].k == 1
    assert session[5].phase == "after-finalize"


def test_attach_after_the_end(python: Interpreter) -> None:
    program = embedding(python, "embed_pause")
    session = attached([program, "after"], ["pyfin status", "pyfin plan", "pyfin finish", "pyfin next", "pyfin next"])
    assert session[0].error is None
    assert session[1].error is None
    assert session[2].error == 'no finalization step is running; "pyfin start" goes to the first'
    assert session[3].pid == 0
    assert session[4].error == 'there is no process; "pyfin start" runs the program'


def test_attach_with_a_foreign_thread_selected(any_python: Interpreter) -> None:
    session = attached(
        [any_python.path, ENDS, "pause_with_thread"],
        ["thread 2", "pyfin status", "pyfin next", "pyfin until after-finalize"],
    )
    assert session[0].error is None
    assert "module-teardown" in session[1].output
    assert session[2].step is not None and session[2].phase == "module-teardown"
    assert session[3].phase == "after-finalize"


# -- the same gdb again -------------------------------------------------------------------------------
@pytest.mark.parametrize("randomization", ["on", "off"])
def test_run_again(python: Interpreter, randomization: str) -> None:
    again = ["pyfin start", "pyfin next", "pyfin until _PyGC_Fini"]
    commands = [
        f"set disable-randomization {'off' if randomization == 'on' else 'on'}",
        *again, "kill",
        *again, "run", "pyfin status",
        *again, "pyfin next 1000", "pyfin leaks", "pyfin next",
        *again,
    ]  # fmt: skip
    session = drive(python.path, ["-c", "pass"], commands)
    starts = session.of("pyfin start")
    assert [typed.step in ROOTS for typed in starts] == [True] * 4, [typed.error for typed in starts]
    assert len({typed.pid for typed in starts}) == 4
    assert [typed.k for typed in session.of("pyfin next") if typed.k] == [1, 1, 1, 1]
    assert [typed.step for typed in session.of("pyfin until _PyGC_Fini")] == ["_PyGC_Fini"] * 4
    # More steps than there are lead to the end of finalization, not past it.
    assert session.of("pyfin next 1000")[0].phase == "after-finalize"
    # What another process was like at its end is no change of this one.
    assert [typed.command for typed in starts if "changed" in typed.output] == []
    # Without an interpreter there is nothing to count, which is not the same as nothing left.
    (typed,) = session.of("pyfin leaks")
    assert (typed.error or "").startswith("no interpreter is alive") or not python.has_debug_info, typed
    assert session.of("run")[0].pid == 0 and session.of("run")[0].blocks == 0


def test_killed_from_outside_while_stopped(any_python: Interpreter) -> None:
    kill = "python import os, time; os.kill(gdb.selected_inferior().pid, 9); time.sleep(0.2)"
    commands = ["pyfin until module-teardown", kill, "pyfin status", "pyfin next", "pyfin next"]
    session = drive(any_python.path, ["-c", "pass"], commands)
    assert session[0].phase == "module-teardown"
    for typed in session.typed[2:]:
        assert "\n" not in (typed.error or ""), typed
    assert session[3].pid == 0
    assert session[4].error == 'there is no process; "pyfin start" runs the program'


def test_not_python() -> None:
    session = drive("/bin/true", [], ["pyfin start", "pyfin next", "pyfin plan", "pyfin until _PyGC_Fini"])
    errors = [typed.error for typed in session.typed]
    assert errors[0] == "the program ended and no CPython in it came to its finalization"
    assert errors[1] == 'there is no process; "pyfin start" runs the program'
    assert errors[2] and "is not a CPython" in errors[2]
    assert errors[3] == errors[0]


def test_another_program_in_the_same_gdb(any_python: Interpreter) -> None:
    session = drive("/bin/true", [], ["pyfin start", f"file {any_python.path}", "set args -c pass", "pyfin start",
                                      "pyfin next", "kill", "file /bin/true", "set args", "pyfin start"])  # fmt: skip
    assert session[3].step in ROOTS and session[4].k == 1
    assert session[8].error == session[0].error


def test_non_stop_mode(any_python: Interpreter) -> None:
    """One sentence, or it works."""
    session = drive(any_python.path, ["-c", "pass"], ["set pagination off", "set non-stop on", "pyfin start",
                                                      "pyfin next", "kill"])  # fmt: skip
    start = session[2]
    assert start.step in ROOTS or (start.error and "\n" not in start.error), start
    if start.step:
        assert session[3].k == 1


def test_a_core_cannot_be_stepped(any_python: Interpreter, tmp_path: Path) -> None:
    core = tmp_path / "core"
    drive(any_python.path, ["-c", "pass"], ["pyfin until module-teardown", f"generate-core-file {core}"])
    assert core.exists()
    session = drive(any_python.path, [], [f"core-file {core}", "pyfin next", "pyfin start", "pyfin until _PyGC_Fini",
                                          "pyfin finish", "pyfin plan --json", "pyfin break _PyGC_Fini"])  # fmt: skip
    for typed in session.typed[1:5]:
        assert typed.error and "core" in typed.error and "\n" not in typed.error, typed
    marks = {step["name"]: step["state"] for step in _flat(json.loads(session[5].output), ROOTS)}
    assert marks["wait_for_thread_shutdown"] == "done"
    assert marks["_PyGC_Fini"] == "pending"


def test_python_of_gdb_itself_is_not_confused(any_python: Interpreter) -> None:
    """Two inferiors: the walk is about the selected one."""
    session = drive(any_python.path, ["-c", "pass"], ["pyfin start", "add-inferior", "inferior 2", "pyfin next",
                                                      "inferior 1", "pyfin next"])  # fmt: skip
    assert session[3].error and "\n" not in session[3].error
    assert session[5].k == 1
