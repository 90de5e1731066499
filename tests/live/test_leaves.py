"""Functions that the catalogue calls leaves have no step inlined into them, in any build."""

from __future__ import annotations

import json

import pytest

from tests.support.gdbrun import ROOT, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.wide]


def test_the_plan_is_the_same_when_leaves_are_read_too(python: Interpreter) -> None:
    script = ROOT / "tests" / "live" / "programs" / "compare_discovery.py"
    done = run_gdb(None, commands=[f"source {script}"], env={"RUNTIME": python.runtime})
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.output
    quick, thorough = json.loads(lines[0][len("RESULT ") :])
    assert quick[0] and quick == thorough
