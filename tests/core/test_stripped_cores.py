"""`fingdb core` on builds without debug information: the verdict, and nothing that the core cannot tell."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional, Tuple

import pytest

from tests.core.scenarios import SCENARIOS
from tests.core.test_verdicts import EXPECTED, is_harmless, told_for
from tests.support.cores import crash_core, hang_core, need_kernel_dump
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter
from tests.support.shared import shared_directory
from tests.support.stripped import stripped

pytestmark = [pytest.mark.core, pytest.mark.wide]

#: Scenario -> verdict, phase, last step, confidence, culprit's function (None: any).
Told = Tuple[str, str, Optional[str], str, Optional[str]]
LATE = ("late-exit-handler", "after-finalize", "Py_FinalizeEx", "certain")
EVERYWHERE: Dict[str, Told] = {
    "late-libc-atexit": (*LATE, "flush_records"),
    "late-cxa-atexit": (*LATE, None),
    "late-cpp-static": (*LATE, "Owned::~Owned"),
    "late-native-thread": ("late-thread", "after-finalize", "Py_FinalizeEx", "certain", "deliver"),
    "touch-after-modules": ("touch-after-fini", "interpreter-clear", "PyConfig_Clear", "likely", "say_goodbye"),
    "not-null-pointer": ("not-finalization", "running", None, "certain", None),
}


def diagnosis(python: Interpreter, name: str) -> Dict[str, Any]:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} was stripped by somebody else")
    if python.debug:
        pytest.skip("these programs end otherwise in a debug build")
    need_kernel_dump()
    bare = stripped(python)
    scenario = SCENARIOS[name]
    words, environment = scenario.command(python)
    make = crash_core if scenario.ends == "crash" else hang_core
    core = make(bare, name, [bare.path, *words[1:]], environment)
    done = run_fingdb("core", "--json", core.path, cache=shared_directory() / "cold-cache")
    os.unlink(core.path)
    assert done.returncode in (0, 1), done.stderr.decode()
    document: Dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", sorted(EVERYWHERE))
def test_verdict(name: str, python: Interpreter) -> None:
    document = diagnosis(python, name)
    verdict = document["verdict"]
    kind, phase, after, confidence, culprit = EVERYWHERE[name]
    assert (verdict["kind"], document["phase"], verdict["after_step"]) == (kind, phase, after)
    assert verdict["confidence"] == confidence
    assert culprit is None or verdict["culprit"]["function"] == culprit
    assert any("has no debug information" in note and "fingdb doctor" in note for note in document["notes"])
    layout = "debug-offsets" if python.version >= (3, 13) else "exported-functions"
    assert document["python"]["layout"] == layout
    assert document["python"]["sources"][0] == "steps from exported functions"


def test_a_hang_is_told_where_python_stacks_can_be_read_and_left_open_elsewhere(python: Interpreter) -> None:
    document = diagnosis(python, "join-event")
    verdict = document["verdict"]
    if python.version >= (3, 13):
        assert (verdict["kind"], verdict["culprit"]["function"]) == ("thread-join-hang", "serve_forever")
        assert document["phase"] == "thread-shutdown"
    else:
        assert (verdict["kind"], verdict["confidence"]) == ("unknown", "possible")


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(EVERYWHERE) - {"join-event"}))
def test_no_verdict_but_the_true_one_is_more_than_possible(name: str, python: Interpreter) -> None:
    expected = EXPECTED[name]
    if is_harmless(python, expected.harmless):
        pytest.skip(f"the program does not crash on {python.label}")
    if SCENARIOS[name].kind == "embed":
        pytest.skip("the program is linked with the runtime that has its debug information")
    verdict = diagnosis(python, name)["verdict"]
    truth = told_for(expected.kind, python)
    assert verdict["kind"] in (truth, "unknown") or verdict["confidence"] == "possible", verdict
