"""`fingdb core` on builds without debug information: the verdict, and nothing that the core cannot tell."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import pytest

from tests.core.scenarios import SCENARIOS
from tests.core.test_verdicts import EXPECTED, is_harmless, told_for
from tests.support.cores import crash_core, hang_core, need_kernel_dump
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter
from tests.support.shared import shared_directory
from tests.support.stripped import stripped, stripped_library

pytestmark = [pytest.mark.core, pytest.mark.pair]

#: Scenario -> verdict, phase, last step, confidence, culprit's function (None: any).
Told = Tuple[str, str, Optional[str], str, Optional[str]]
LATE = ("late-exit-handler", "after-finalize", "Py_FinalizeEx", "certain")
EVERYWHERE: Dict[str, Told] = {
    "late-libc-atexit": (*LATE, "flush_records"),
    "late-cxa-atexit": (*LATE, None),
    "late-cpp-static": (*LATE, "Owned::~Owned"),
    "late-native-thread": ("late-thread", "after-finalize", "Py_FinalizeEx", "certain", "deliver"),
    "touch-after-modules": ("touch-after-fini", "interpreter-clear", "PyConfig_Clear", "likely", "say_goodbye"),
    # No name tells where it runs, but that no interpreter is left.
    "late-py-atexit": ("late-exit-handler", "exit-functions", None, "likely", "report_counters"),
    "embed-use-after": ("touch-after-fini", "after-finalize", "Py_FinalizeEx", "likely", "save_settings"),
    "embed-wrong-end": ("fatal-error", "thread-shutdown", None, "certain", "close_plugin"),
    "subinterpreter-end": ("touch-after-fini", "interpreter-clear", "PyConfig_Clear", "likely", "log_close"),
    "not-null-pointer": ("not-finalization", "running", None, "certain", None),
}
#: Scenario -> what its verdict says, which takes neither names nor structures.
BY_CODE = {
    "buffered-io-daemon": "at interpreter shutdown, possibly due to daemon threads",
    "fatal-error": "guard: 1 handle was never given back",
    "not-abort-in-del": "os.abort()",
    "refcount-none": "deallocating None",
}
#: The same for locks, where the table of offsets tells what the frames of Python have on their stacks; whose code.
BY_FRAMES = {
    "lock-cycle": ("wait for each other's locks in a circle", {"debit", "credit"}),
    "lock-cycle-rlock": ("wait for each other's locks in a circle", {"debit", "credit"}),
    "lock-self": ("a lock that its own thread already holds further out", {"Connection.close"}),
    "buffered-io-atexit": ("the lock of a buffered stream, which", {"produce"}),
}
#: Verdicts that do not hang on names: a lock of C says which thread has it, and the GIL lies in the runtime's state.
GIL = ("gil-deadlock", "world-deadlock")


def diagnosis(python: Interpreter, name: str) -> Dict[str, Any]:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} was stripped by somebody else")
    if python.debug:
        pytest.skip("these programs end otherwise in a debug build")
    need_kernel_dump()
    bare = stripped(python)
    scenario = SCENARIOS[name]
    words, environment = scenario.command(python)
    if scenario.kind == "embed":
        environment["LD_LIBRARY_PATH"] = str(stripped_library(python))
        # Extension modules have the debug information of the structures, too.
        environment["PYTHONHOME"] = str(Path(bare.path).parent.parent)
    else:
        words = [bare.path, *words[1:]]
    if scenario.ends == "crash":
        core = crash_core(bare, name, words, environment)
    else:
        core = hang_core(bare, name, words, environment, scenario.settle)
    done = run_fingdb("core", "--json", core.path, cache=shared_directory() / "cold-cache")
    os.unlink(core.path)
    assert done.returncode in (0, 1), done.stderr.decode()
    document: Dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", sorted(EVERYWHERE))
def test_verdict(name: str, python: Interpreter) -> None:
    if is_harmless(python, EXPECTED[name]):
        pytest.skip(f"the program does not crash on {python.label}")
    document = diagnosis(python, name)
    verdict = document["verdict"]
    kind, phase, after, confidence, culprit = EVERYWHERE[name]
    if name == "late-cxa-atexit":
        confidence = str(told_for(EXPECTED[name].confidence, python))  # see there
    assert (verdict["kind"], document["phase"]) == (kind, phase)
    assert verdict["after_step"] == after or name == "late-py-atexit"
    assert verdict["confidence"] == confidence
    assert culprit is None or verdict["culprit"]["function"] == culprit
    assert any("has no debug information" in note and "fingdb doctor" in note for note in document["notes"])
    layout = "debug-offsets" if python.version >= (3, 13) else "exported-functions"
    assert document["python"]["layout"] == layout
    assert document["python"]["sources"][0] == "steps from exported functions"


def test_a_hang_is_told_where_python_stacks_can_be_read_and_left_open_elsewhere(python: Interpreter) -> None:
    document = diagnosis(python, "join-event")
    verdict = document["verdict"]
    because = " ".join(verdict["evidence"])
    assert f"No more than {verdict['confidence']}, for " in because and "has no debug information" in because
    if python.version >= (3, 13):
        assert (verdict["kind"], verdict["culprit"]["function"]) == ("thread-join-hang", "serve_forever")
        assert document["phase"] == "thread-shutdown" and verdict["confidence"] == "likely"
    else:
        assert (verdict["kind"], verdict["confidence"]) == ("unknown", "possible")
        assert "which Python code runs there cannot be read" in verdict["summary"]


@pytest.mark.parametrize("name", GIL)
def test_who_has_the_gil_is_told_by_the_lock_that_is_waited_for(name: str, python: Interpreter) -> None:
    if python.free_threaded:
        pytest.skip("there is no GIL")
    verdict = diagnosis(python, name)["verdict"]
    if python.version[:2] == (3, 12):
        assert verdict["confidence"] == "possible"  # who has it is in a variable of each thread
        return
    expected = EXPECTED[name]
    assert (verdict["kind"], verdict["culprit"]["function"]) == (expected.kind, expected.function)
    assert "holds the GIL" in verdict["summary"]


@pytest.mark.parametrize("name", BY_CODE)
def test_what_the_code_and_the_tables_of_methods_tell(name: str, python: Interpreter) -> None:
    """A fatal error's message is loaded right before the call; which built-in function ends the process its table says."""
    expected = EXPECTED[name]
    if is_harmless(python, expected):
        pytest.skip(f"the program does not crash on {python.label}")
    verdict = diagnosis(python, name)["verdict"]
    assert verdict["kind"] == told_for(expected.kind, python)
    assert verdict["confidence"] == ("certain" if name == "fatal-error" else "likely")
    assert BY_CODE[name] in verdict["summary"]


@pytest.mark.parametrize("name", BY_FRAMES)
def test_who_has_a_lock_is_told_by_the_frames_of_python(name: str, python: Interpreter) -> None:
    verdict = diagnosis(python, name)["verdict"]
    left_open = python.version < (3, 13) or python.free_threaded or python.version >= (3, 15)
    if verdict["kind"] == "unknown" and left_open:
        assert verdict["confidence"] == "possible"
        return
    assert (verdict["kind"], verdict["confidence"]) == (EXPECTED[name].kind, "likely")
    words, culprits = BY_FRAMES[name]
    assert words in verdict["summary"] and verdict["culprit"]["function"] in culprits


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name", sorted(set(SCENARIOS) - set(EVERYWHERE) - {"join-event", *GIL, *BY_CODE, *BY_FRAMES})
)
def test_the_verdict_is_the_true_one_or_left_open(name: str, python: Interpreter) -> None:
    expected = EXPECTED[name]
    if is_harmless(python, expected):
        pytest.skip(f"the program does not crash on {python.label}")
    verdict = diagnosis(python, name)["verdict"]
    truth = told_for(expected.kind, python)
    because = " ".join(verdict["evidence"])
    if verdict["kind"] == "fatal-error" and "message cannot be read" in verdict["summary"]:
        assert verdict["confidence"] == "possible" and "may be of any kind" in because
    else:
        assert verdict["kind"] in (truth, "unknown"), verdict
    assert verdict["confidence"] != "possible" or "has no debug information" in because
    assert "  " not in verdict["summary"]  # no name that is missing in a sentence
