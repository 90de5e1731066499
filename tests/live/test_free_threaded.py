"""Builds without a GIL: their objects, found in mimalloc's pages, against the program's own count.

`programs/pages_truth.py` explains why the numbers are exact; every comparison of numbers is for equality.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from tests.live.test_summaries import PROGRAMS, probe
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter, available

pytestmark = pytest.mark.live

STAGES = [
    "one thread", "four threads", "freed for others", "threads ended", "their memory taken over", "collected", "frozen",
]  # fmt: skip
#: Debug hooks move each object within its block; a debug build has them, and encodes the lists of free blocks.
ALLOCATORS = ("", "debug")

_PAIRS: Dict[Tuple[str, str], List[Tuple[Dict[str, Any], Dict[str, Any]]]] = {}


@pytest.fixture(params=ALLOCATORS, ids=["plain", "hooks"])
def pairs(python: Interpreter, request: pytest.FixtureRequest, tmp_path: Path) -> List[Tuple[Dict[str, Any], Dict[str, Any]]]:
    """What the program said of itself at each stage and what was read, at the first of a core as well."""
    if not python.free_threaded:
        pytest.skip(f"{python.label} has a GIL, and lists of its objects")
    key = (python.label, request.param)
    if key not in _PAIRS:
        said, core = tmp_path / "truth.json", tmp_path / "core"
        words = [str(PROGRAMS / "pages_truth.py"), str(said)]
        settings = {"PYTHONMALLOC": request.param} if request.param else {}
        read = probe(python, tmp_path, "probe_pages.py", words, FINGDB_TEST_CORE=str(core), **settings)
        truth = json.loads(said.read_text(encoding="utf-8"))
        assert [t["label"] for t in truth] == STAGES
        from_core = probe(python, tmp_path, "probe_pages.py", [], [f"core-file {core}"])
        core.unlink()
        _PAIRS[key] = [*zip(truth, read), (truth[1], from_core[0])]
        assert len(_PAIRS[key]) == len(STAGES) + 1
    return _PAIRS[key]


def test_a_build_without_gil_is_there() -> None:
    """A skip here says that nothing below was tested."""
    if not any(python.free_threaded for python in available()):
        pytest.skip("there is no free-threaded CPython on this machine (scripts/build-free-threaded makes one)")


def test_nothing_was_unreadable(pairs: List[Tuple[Dict[str, Any], Dict[str, Any]]]) -> None:
    for truth, read in pairs:
        assert read["problems"] == [] and not read["partial"], truth["label"]


def test_every_object_is_found(pairs: List[Tuple[Dict[str, Any], Dict[str, Any]]]) -> None:
    for truth, read in pairs:
        assert read["objects"] == truth["objects"], truth["label"]
        assert read["types"] == truth["types"], truth["label"]
        assert read["frozen"] == truth["frozen"], truth["label"]
        assert len(read["addresses"]) == len(set(read["addresses"]))
        # All but the list that names them.
        assert len(set(read["addresses"]) - set(truth["addresses"])) == 1
        assert not set(truth["addresses"]) - set(read["addresses"]), truth["label"]


def test_every_block_is_found(pairs: List[Tuple[Dict[str, Any], Dict[str, Any]]]) -> None:
    for truth, read in pairs:
        assert read["blocks"] == truth["allocated"], truth["label"]
        assert read["block_problems"] == []


# -- threads ----------------------------------------------------------------------------------------
def without_gil(python: Interpreter) -> None:
    if not python.free_threaded:
        pytest.skip(f"{python.label} has a GIL")


def threads_at(python: Interpreter, commands: List[str], **env: str) -> Tuple[Dict[str, Any], str]:
    """Return what `pyfin threads` says after ``commands``, as JSON and as text."""
    told = run_gdb(
        python.path, script=PROGRAMS / "stops_the_world.py", env=env,
        commands=["handle SIGSTOP stop print nopass", "run", *commands, "echo \\n===\\n", "pyfin threads --json",
                  "echo \\n===\\n", "pyfin threads", "kill"],
    )  # fmt: skip
    assert told.output.count("\n===\n") == 2, told.output
    _before, document, text = told.stdout.split("\n===\n")
    (interpreter,) = json.loads(document)["interpreters"]
    return interpreter, text


def test_a_collection_stops_the_others(python: Interpreter) -> None:
    without_gil(python)
    interpreter, text = threads_at(python, ["tbreak _PyEval_StartTheWorld", "continue"])
    threads = {thread["name"]: thread for thread in interpreter["threads"]}
    assert interpreter["stopped_world"] == {
        "stopped": True, "requester": threads["MainThread"]["address"], "waits_for": 0, "everywhere": False,
    }  # fmt: skip
    assert {name: thread["state"] for name, thread in threads.items()} == {
        "MainThread": "attached", "busy0": "suspended", "busy1": "suspended", "busy2": "suspended",
    }  # fmt: skip
    assert all(thread["python_stack"][0]["function"] == "busy" for name, thread in threads.items() if name != "MainThread")
    assert "MainThread has stopped all other threads of the interpreter (stop-the-world)" in text
    assert interpreter["gil_enabled"] is False and not any(thread["holds_gil"] for thread in threads.values())


def test_finalization_stops_all_threads(python: Interpreter) -> None:
    without_gil(python)
    interpreter, text = threads_at(python, ["pyfin until _PyInterpreterState_SetFinalizing"])
    assert interpreter["stopped_world"]["stopped"] and interpreter["stopped_world"]["everywhere"]
    assert "MainThread has stopped all other threads of all interpreters (stop-the-world)" in text
    assert [thread["state"] for thread in interpreter["threads"]] == ["attached"] + 3 * ["suspended"]


def test_threads_run_at_the_same_time(python: Interpreter) -> None:
    without_gil(python)
    interpreter, text = threads_at(python, ["tbreak _PyEval_StopTheWorld", "continue"])
    assert interpreter["stopped_world"] is None
    assert [thread["state"] for thread in interpreter["threads"]] == 4 * ["attached"]
    assert "no GIL: threads that are attached run at the same time" in text


def test_the_gil_can_be_enabled_all_the_same(python: Interpreter) -> None:
    without_gil(python)
    interpreter, text = threads_at(python, ["tbreak _PyEval_StopTheWorld", "continue"], PYTHON_GIL="1")
    assert interpreter["gil_enabled"] is True
    assert [(thread["holds_gil"], thread["state"] == "attached") for thread in interpreter["threads"]] == [
        (True, True), (False, False), (False, False), (False, False),
    ]  # fmt: skip
    assert "the GIL is enabled (PYTHON_GIL=1" in text
