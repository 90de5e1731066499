"""A stack that is named by what an earlier run kept is the stack that gdb would show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.live.check_scenarios import PROGRAMS, Program
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: Touches by CPython itself, by code of the program in exit handlers, in other threads, with jumps and inlined calls.
NAMES = ("freelist-after-fini", "late-libc-atexit", "late-cpp-static", "late-native-thread", "stale-module-state")


def findings(program: Program, python: Interpreter, cache: Path, report: Path) -> List[Dict[str, Any]]:
    """Return what a check finds, without what no two runs have in common."""
    words, variables = program.command(python)
    run_fingdb("check", "--json", "-o", report, "--timeout", "60", "--", *words, env=variables, cache=cache)
    found: List[Dict[str, Any]] = json.loads(report.read_bytes())["findings"]
    for finding in found:
        finding["thread"] = finding["object"] = finding["count"] = None
        for frame in finding["native_stack"]:
            frame.pop("pc"), frame.pop("sp", None)
            if str(frame["function"]).startswith("0x"):
                frame["function"] = None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_second_run_says_what_the_first_one_did(name: str, python: Interpreter, tmp_path: Path) -> None:
    program = next(p for p in PROGRAMS if p.name == name)
    first = findings(program, python, tmp_path / "cache", tmp_path / "first")
    kept = list((tmp_path / "cache" / "fingdb").glob("*/stacks.json"))
    assert first and len(kept) == 1
    assert findings(program, python, tmp_path / "cache", tmp_path / "second") == first
