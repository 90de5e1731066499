"""`fingdb check --timeout`: a program whose shutdown hangs is a finding, one that only takes its time is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.core.scenarios import SCENARIOS
from tests.core.test_verdicts import EXPECTED, is_harmless, told_for
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]


def time_of(python: Interpreter) -> str:
    """Return the seconds in which each program has come to where it stays: Debian's newest are slow to read for gdb."""
    return "25" if python.version >= (3, 14) else "8"


def killed(python: Interpreter) -> str:
    return f"the program did not end within {time_of(python)} seconds and was killed"


@pytest.mark.parametrize("name", ["join-event", "lock-self", "gil-deadlock", "callback-del-loop", "lock-dead-owner"])
def test_a_hang_of_the_shutdown_is_found(python: Interpreter, name: str, tmp_path: Path) -> None:
    """It is diagnosed as `fingdb core` and `fingdb attach` do, and the exit status is that of a finding."""
    expected = EXPECTED[name]
    if is_harmless(python, expected) or not python.has_debug_info:
        pytest.skip(f"the program does not hang on {python.label}, or there is no debug information")
    words, variables = SCENARIOS[name].command(python)
    report = tmp_path / "report.json"
    done = run_fingdb("check", "--timeout", time_of(python), "--json", "-o", report, "--", *words, env=variables, timeout=120)
    assert report.read_bytes(), done.stderr.decode()
    document = json.loads(report.read_text())
    verdict = document["verdict"]
    kind = told_for(expected.kind, python)
    assert (verdict["kind"], document["phase"]) == (kind, told_for(expected.phase, python)), verdict
    assert verdict["culprit"]["function"] == told_for(expected.function, python)
    (finding,) = [each for each in document["findings"] if each["kind"] == kind]
    assert (finding["severity"], finding["culprit"]) == ("error", verdict["culprit"])
    assert finding["native_stack"] and not verdict["native_stack"]
    assert killed(python) in document["notes"] and killed(python).encode() not in done.stderr
    assert done.returncode == 1


def test_a_program_that_takes_its_time_is_killed_without_a_finding(python: Interpreter, tmp_path: Path) -> None:
    words, variables = SCENARIOS["not-sleeping"].command(python)
    report = tmp_path / "report.json"
    done = run_fingdb("check", "--timeout", time_of(python), "--json", "-o", report, "--", *words, env=variables, timeout=120)
    document = json.loads(report.read_text())
    assert (document["verdict"]["kind"], document["phase"], document["findings"]) == ("not-finalization", "running", [])
    assert any(frame["function"] == "serve" for frame in document["verdict"]["python_stack"])
    assert done.stderr.decode() == f"fingdb: {killed(python)}\n" and done.returncode == 2
