"""`pyfin start`, `next`, `until`, `finish`, `break`, `delete` in a live gdb, on every interpreter."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import pytest

from fingdb.finalization import catalogue
from tests.support.drive import Session, Typed, drive
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter
from tests.support.shared import locked

PROGRAMS = Path(__file__).parent / "programs"
PROGRAM = PROGRAMS / "busy_exit.py"
ROOTS = {"Py_FinalizeEx", "_Py_Finalize"}

pytestmark = pytest.mark.live


def once(name: str, python: Interpreter, make: Any) -> Any:
    """Return what ``make`` returns, made once in a run of the tests (a value that JSON can hold)."""
    with locked(f"{name}-{python.label}") as directory:
        kept = directory / "kept.json"
        if not kept.exists():
            (directory / "new.json").write_text(json.dumps(make()), encoding="utf-8")
            (directory / "new.json").replace(kept)
        return json.loads(kept.read_text(encoding="utf-8"))


def session_once(
    name: str, python: Interpreter, args: Sequence[Any], commands: Sequence[str], before: Sequence[str] = ()
) -> Session:
    kept = once(name, python, lambda: asdict(drive(python.path, args, commands, before=before)))
    return Session([Typed(**typed) for typed in kept["typed"]], kept["output"])


def need_debug_info(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")


def trace_of(python: Interpreter) -> List[Dict[str, Any]]:
    """Return the steps of `fingdb run` on the program, of the finalizing thread."""

    def make() -> Any:
        done = run_fingdb("run", "--json", "--output", "-", "--", python.path, PROGRAM)
        return json.loads(done.stdout)["steps"]

    steps: List[Dict[str, Any]] = once("stepping-trace", python, make)
    return [step for step in steps if step["state"] != "pending" and step["thread"] == steps[0]["thread"]]


def whole_walk(python: Interpreter) -> Session:
    """`pyfin next` from the beginning to the end, and some more."""
    need_debug_info(python)
    steps = trace_of(python)
    # One command for all: a list of 200 would be as good, but no clearer.
    commands = ["pyfin start", *["pyfin next"] * (len(steps) - 1), "pyfin next", "pyfin next", "pyfin next"]
    return session_once("stepping-walk", python, [PROGRAM], commands)


# -- pyfin next -------------------------------------------------------------------------------------
def test_next_stops_at_each_step_once(python: Interpreter) -> None:
    """The same steps in the same order as a walk without stops, inlined ones as well as called ones."""
    walk = whole_walk(python)
    expected = [step["name"] for step in trace_of(python)]
    assert [typed.step for typed in walk.typed[: len(expected)]] == expected
    assert all(typed.blocks == 1 and typed.error is None for typed in walk.typed[: len(expected)])
    assert walk[0].step in ROOTS


def test_k_of_n_grows(python: Interpreter) -> None:
    walk = whole_walk(python)
    places = [(typed.k, typed.n) for typed in walk.typed if typed.k is not None]
    assert len(places) > 60
    assert len({n for _k, n in places}) == 1
    ks = [k for k, _n in places if k is not None]
    assert ks == sorted(set(ks))
    assert ks[-1] <= (places[0][1] or 0)


def test_stops_are_where_they_say(python: Interpreter) -> None:
    """gdb's own frames: the innermost is the step, or the function it is inlined in."""
    walk = whole_walk(python)
    for typed in walk.typed:
        if typed.step is None or typed.ended:
            continue
        frames = [(name or "?").split(".")[0] for name in typed.frames]
        inlined = re.search(r"inlined in (\w+)", typed.output)
        # A step with no instruction of its own on the way is shown at the first that it calls.
        allowed = {typed.step, inlined.group(1)} if inlined else {typed.step}
        # Inlined functions can be in each other, some deep; at the first instruction gdb does not show the innermost.
        deepest = 6 if inlined else 3
        assert allowed & set(frames[:deepest]), (typed.step, typed.frames, typed.output)


def test_after_the_end(python: Interpreter) -> None:
    walk = whole_walk(python)
    returned, exited, nothing = walk.typed[-3:]
    assert returned.phase == "after-finalize" and returned.ended and returned.step in ROOTS
    assert exited.error is None and exited.pid == 0
    assert nothing.error == 'there is no process; "pyfin start" runs the program'


def test_phases_end_with_counts_by_type(python: Interpreter) -> None:
    walk = whole_walk(python)
    first: Dict[Optional[str], Typed] = {}
    for typed in walk.typed:
        first.setdefault(typed.phase, typed)
    counted = [line for line in first["module-teardown"].changed if line.startswith("objects ")]
    counted += [line for line in first["interpreter-clear"].changed if line.startswith("objects ")]
    assert counted, walk.output
    for line in counted:
        assert re.match(r"objects \d+ -> \d+: \S+ [+-]\d+", line), line
    # Nobody counts all objects within a phase.
    others = [typed for typed in walk.typed if typed is not first[typed.phase]]
    assert not [line for typed in others for line in typed.changed if line.startswith("objects ")]


def test_repeated_steps_are_one_stop(python: Interpreter) -> None:
    walk = whole_walk(python)
    names = [typed.step for typed in walk.typed]
    assert names.count("_PyModule_Clear") <= 2
    assert names.count("_PyStaticType_FiniBuiltin") < 20
    repeated = [step for step in trace_of(python) if step["name"] == "_PyModule_Clear"]
    if all(step["inlined"] for step in repeated):
        # How often what is inlined into a loop began is not counted, but what it calls is.
        repeated = [step for step in trace_of(python) if step["name"] == "_PyModule_ClearDict"]
    assert sum(step["count"] for step in repeated) > 5


# -- what changed -----------------------------------------------------------------------------------
@pytest.mark.spread
def test_changes_are_true(python: Interpreter) -> None:
    """Each stop's changes against numbers read by gdb's own expressions at the same stops."""
    need_debug_info(python)
    count = min(60, len(trace_of(python)) - 1)
    commands = ["pyfin start", "python probe()"]
    for _ in range(count):
        commands += ["pyfin next", "python probe()"]
    commands += ["pyfin until interpreter-delete", "python probe()", "pyfin until after-finalize", "python probe()"]
    session = drive(python.path, [PROGRAM], commands, before=[f"source {PROGRAMS / 'probe_state.py'}"])
    before: Optional[Dict[str, Any]] = None
    seen = set()
    for stop, probed in zip(session.typed[::2], session.typed[1::2]):
        now = json.loads(probed.output.split("PROBE ", 1)[1])
        if before is not None:
            expected = expected_changes(before, now)
            told = [line for line in stop.changed if line.split(" ")[0] in ("sys.modules", "GC", "thread", "initialized")]
            told = [line for line in told if not line.startswith(("GC enabled", "GC collecting"))]
            assert told == expected, (stop.output, before, now)
            seen.update(line.split(" ")[0] for line in expected)
        before = now
    assert seen >= {"sys.modules", "GC"}


def expected_changes(before: Dict[str, Any], now: Dict[str, Any]) -> List[str]:
    expected = []
    if before["interpreter"] and now["interpreter"]:
        if before["modules"] != now["modules"]:
            after = "gone" if now["modules"] is None else now["modules"]
            expected.append(f"sys.modules {before['modules']} -> {after}")
        if before["counts"] != now["counts"]:
            expected.append(f"GC counts {tuple(before['counts'])} -> {tuple(now['counts'])}")
        if before["threads"] != now["threads"]:
            expected.append(f"thread states {before['threads']} -> {now['threads']}")
    if before["initialized"] != now["initialized"]:
        expected.append(f"initialized {str(before['initialized']).lower()} -> {str(now['initialized']).lower()}")
    return expected


# -- until, finish, next N, next --all --------------------------------------------------------------
def goals(python: Interpreter) -> Session:
    need_debug_info(python)
    commands = [
        "pyfin until _Py_FinishPendingCalls",  # runs the program
        "pyfin finish",
        "pyfin until PyImport_Cleanup",  # the name up to 3.8; finalize_modules since
        "pyfin next 3",
        "pyfin until _PyModule_Clear",
        "pyfin next --all",
        "pyfin next --all",
        "pyfin next 4 --all",
        "pyfin until interpreter-clear",
        "pyfin until _PyGC_Fini",
        "pyfin finish",
        "pyfin next",
        "pyfin until exit-functions",
        "pyfin finish",
        "pyfin until module-teardown",  # is behind: the end
        "pyfin status",
        "pyfin next",
    ]
    return session_once("stepping-goals", python, [PROGRAM], commands)


def names_of(step: str) -> "frozenset[str]":
    row = catalogue.step_named(step)
    assert row is not None
    return frozenset(row.names)


@pytest.mark.spread
def test_until_runs_to_a_step_by_any_of_its_names(python: Interpreter) -> None:
    session = goals(python)
    trace = [step["name"] for step in trace_of(python)]
    until = session.of("pyfin until")
    assert until[0].step == "_Py_FinishPendingCalls"
    assert until[0].phase == "atexit"
    cleanup = until[1]
    assert cleanup.step in names_of("PyImport_Cleanup") and cleanup.step in trace
    assert until[2].step == "_PyModule_Clear"
    assert until[4].step == "_PyGC_Fini"


def test_until_a_phase(python: Interpreter) -> None:
    session = goals(python)
    trace = trace_of(python)
    for phase in ("interpreter-clear", "exit-functions"):
        (typed,) = session.of(f"pyfin until {phase}")
        assert typed.phase == phase
        assert typed.step == next(step["name"] for step in trace if step["phase"] == phase)


def test_until_something_that_is_behind_stops_at_the_end(python: Interpreter) -> None:
    session = goals(python)
    (typed,) = session.of("pyfin until module-teardown")
    assert typed.phase == "after-finalize" and typed.ended
    assert "module-teardown did not come any more" in typed.output
    (status,) = session.of("pyfin status")
    assert "after-finalize" in status.output or "has returned" in status.output or "finalized" in status.output
    assert session.of("pyfin next")[-1].pid == 0


def test_next_n(python: Interpreter) -> None:
    session = goals(python)
    trace = [step["name"] for step in trace_of(python)]
    cleanup = session.of("pyfin until PyImport_Cleanup")[0]
    assert session.of("pyfin next 3")[0].step == trace[trace.index(cleanup.step) + 3]


def test_next_all_stops_at_each_repetition(python: Interpreter) -> None:
    session = goals(python)
    start = session.typed.index(session.of("pyfin until _PyModule_Clear")[0])
    walked = session.typed[start : start + 4]
    assert all(typed.step in ("_PyModule_Clear", "_PyModule_ClearDict") for typed in walked), walked
    assert len({(typed.step, typed.sp, typed.pc) for typed in walked[:2]}) == 2
    times = [int(found.group(1)) for typed in walked if (found := re.search(r"×(\d+)", typed.output))]
    assert times and times == sorted(times)


def test_finish_goes_to_the_end_of_the_step(python: Interpreter) -> None:
    session = goals(python)
    fini = session.of("pyfin until _PyGC_Fini")[0]
    index = session.typed.index(fini)
    ended = session[index + 1]
    following = session.typed[index + 2 :]
    trace = [step["name"] for step in trace_of(python)]
    behind = trace[trace.index("_PyGC_Fini") + 1 :]
    if "inlined in" not in fini.output:
        assert ended.step == "_PyGC_Fini" and ended.ended
        assert ended.sp is not None and fini.sp is not None and ended.sp > fini.sp
        assert ended.frames[0] == fini.frames[1]
    elif not ended.ended:
        # An inlined step has no return: where nothing else tells, the beginning of the next step is its end.
        assert ended.step in behind
    assert following[0].step in behind


# -- break, delete ----------------------------------------------------------------------------------
@pytest.mark.spread
def test_break_and_delete(python: Interpreter) -> None:
    need_debug_info(python)
    commands = [
        "pyfin break",
        "pyfin break _PyGC_Fini type-teardown PyImport_Cleanup",
        "pyfin break _PyGC_Finni",
        "pyfin break",
        "run",
        "continue",
        "continue",
        "pyfin delete type-teardown",
        "pyfin delete type-teardown",
        "pyfin break",
        "pyfin delete finalize_modules",
        "pyfin break",
        "pyfin delete",
        "pyfin break",
        "continue",
    ]
    session = drive(python.path, [PROGRAM], commands)
    none, made, wrong, listed, one, two, three, _deleted, twice, left, _other, alone, _all, empty, end = session.typed
    assert none.output == 'No stops; "pyfin break STEP" makes one.\n'
    assert made.output.splitlines() == [
        "Will stop at _PyGC_Fini.", "Will stop at type-teardown.", "Will stop at PyImport_Cleanup.",
    ]  # fmt: skip
    assert wrong.error == 'there is no finalization step or phase "_PyGC_Finni"; did you mean "_PyGC_Fini"?'
    assert listed.output == "Stops at: PyImport_Cleanup, _PyGC_Fini, type-teardown.\n"
    assert one.step in names_of("PyImport_Cleanup")
    assert {two.step == "_PyGC_Fini", three.step == "_PyGC_Fini"} == {True, False}
    assert "type-teardown" in (two.phase, three.phase)
    assert twice.error and twice.error.startswith('there is no stop at "type-teardown"')
    assert left.output == "Stops at: PyImport_Cleanup, _PyGC_Fini.\n"
    assert alone.output == "Stops at: _PyGC_Fini.\n"  # a step has many names: any will do
    assert empty.output == none.output
    assert end.pid == 0 and end.blocks == 0


def test_break_all(any_python: Interpreter) -> None:
    need_debug_info(any_python)
    trace = [step["name"] for step in trace_of(any_python)]
    session = drive(any_python.path, [PROGRAM], ["pyfin break all", "run", *["continue"] * 30])
    seen: List[Optional[str]] = []
    for typed in session.typed[1:]:
        # Where the compiler lets two steps begin at one instruction, `continue` has only one stop there, and says so.
        passed = re.search(r"passed: ([\w, ]+) began at the very instruction", " ".join(typed.output.split()))  # it may be folded
        seen += [*(passed.group(1).split(", ") if passed else []), typed.step]
    assert len(seen) >= 31 and seen == trace[: len(seen)]


def test_completion(any_python: Interpreter) -> None:
    commands = [
        "complete pyfin until _PyGC_F",
        "complete pyfin until type-t",
        "complete pyfin break al",
        "complete pyfin delete _PyGC_Fi",
        "pyfin break _PyGC_Fini type-teardown",
        "complete pyfin delete _",
        "complete pyfin delete type-",
        "complete pyfin ne",
        "complete pyfin until zzz",
    ]
    session = drive(any_python.path, [], commands)
    answers = [typed.output.splitlines() for typed in session.typed]
    until, phase, everything, unset, _made, step, set_phase, command, nothing = answers
    assert "pyfin until _PyGC_Fini" in until
    assert phase == ["pyfin until type-teardown"]
    assert "pyfin break all" in everything
    assert unset == [] and step == ["pyfin delete _PyGC_Fini"] and set_phase == ["pyfin delete type-teardown"]
    assert command == ["pyfin next"]
    assert nothing == []


# -- between the user's own commands ------------------------------------------------------------------
@pytest.mark.spread
def test_plain_commands_in_between(python: Interpreter) -> None:
    """`stepi`, `bt`, `finish`, `continue`, the user's breakpoints: they work, and the walk goes on after them."""
    need_debug_info(python)
    trace = [step["name"] for step in trace_of(python)]
    commands = [
        "break PyObject_Free",  # a user's own, hit very often: off until wanted
        "disable 1",
        "pyfin until flush_std_files",
        "stepi",
        "stepi",
        "bt 3",
        "info breakpoints",
        "finish",
        "pyfin next",
        "enable 1",
        "continue",
        "bt 2",
        "disable 1",
        "up",
        "pyfin next",
        "tbreak PyInterpreterState_Delete",
        "continue",
        "pyfin status",
        "pyfin next",
        "kill",
        "pyfin next",
    ]
    session = drive(python.path, [PROGRAM], commands, before=["set breakpoint pending on"])
    flush = session.of("pyfin until")[0]
    assert flush.step == "flush_std_files"
    stepped = session.of("stepi")
    assert stepped[0].pc != flush.pc and stepped[0].blocks == 0
    assert "PyObject_Free" in session.of("info breakpoints")[0].output
    listed = [line for line in session.of("info breakpoints")[0].output.splitlines() if re.match(r"\d+ ", line)]
    assert len(listed) == 1  # ours are hidden
    assert session.of("finish")[0].error is None
    nexts = session.of("pyfin next")
    index = trace.index("flush_std_files")
    assert nexts[0].step in trace[index + 1 : index + 3]
    hit = session.of("continue")[0]
    assert hit.blocks == 0 and "Free" in str(hit.frames[0]) and re.search(r"Breakpoint 1[,.]", session.output)
    assert nexts[1].step in trace
    assert session.of("pyfin status")[0].error is None
    assert nexts[2].step in trace[trace.index("PyInterpreterState_Delete") :]
    assert nexts[3].error == 'there is no process; "pyfin start" runs the program'


def test_control_c(any_python: Interpreter) -> None:
    """An interrupted `pyfin next` leaves the program stopped where it was and the session usable."""
    need_debug_info(any_python)
    program = "import atexit, time; atexit.register(time.sleep, 1.5)"
    interrupt = (
        "python import os, signal, threading; "
        "threading.Timer(0.4, os.kill, (gdb.selected_inferior().pid, signal.SIGINT)).start()"
    )
    commands = [
        "pyfin until atexit_callfuncs", interrupt, "pyfin next", "bt 1", "pyfin status", "pyfin next", "pyfin next",
    ]  # fmt: skip
    session = drive(any_python.path, ["-c", program], commands)
    start, _timer, stopped, _bt, status, following, after = session.typed
    assert start.step == "atexit_callfuncs"
    assert stopped.pid == start.pid and stopped.blocks == 0 and "SIGINT" in session.output
    assert "atexit_callfuncs" in [(name or "").split(".")[0] for name in stopped.frames]
    assert "atexit_callfuncs" in status.output
    assert following.step is not None and following.step != "atexit_callfuncs"
    assert after.step is not None and (after.k or 0) > (following.k or 0)


# -- what cannot be done -------------------------------------------------------------------------------
def test_a_process_that_gdb_records(any_python: Interpreter) -> None:
    """It would take minutes a step, without a word."""
    session = drive(any_python.path, ["-c", "pass"], ["pyfin start", "record full", "pyfin next", "record stop", "pyfin next"])
    assert (session[2].error or "").endswith('"record stop" ends that') and session[2].blocks == 0
    assert session[4].k == 1


@pytest.mark.parametrize("command", ["pyfin next", "pyfin finish"])
def test_no_process(any_python: Interpreter, command: str) -> None:
    session = drive(any_python.path, ["-c", "pass"], [command])
    assert session[0].error == 'there is no process; "pyfin start" runs the program'


def test_bad_words(any_python: Interpreter) -> None:
    commands = {
        "pyfin next 0": "pyfin next: the number of steps must be 1 or more",
        "pyfin next x": "pyfin next: argument count: invalid int value: 'x'",
        "pyfin until": "pyfin until: the following arguments are required: STEP|PHASE",
        "pyfin until PyGC_Fini": 'there is no finalization step or phase "PyGC_Fini"; did you mean "_PyGC_Fini"?',
        "pyfin until 'x": "cannot read the arguments: No closing quotation",
        "pyfin nxt": '"nxt" is not a pyfin command; did you mean "next"?; "help pyfin" lists them',
    }
    session = drive(any_python.path, ["-c", "pass"], list(commands))
    assert {typed.command: typed.error for typed in session.typed} == commands


def test_no_program() -> None:
    session = drive(None, [], ["pyfin start", "pyfin plan", "pyfin until _PyGC_Fini", "pyfin status"])
    assert [bool(typed.error) for typed in session.typed] == [True, True, True, False]
    assert all(typed.error.count("\n") == 0 for typed in session.typed if typed.error)
