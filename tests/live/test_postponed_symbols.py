"""What is known of a process whose symbols gdb has not read is what gdb knows of it when it has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import ROOT, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.wide]

PROGRAMS = ROOT / "tests" / "live" / "programs"


@pytest.fixture
def known(python: Interpreter) -> Dict[str, Any]:
    """What `programs/compare_postponed.py` found out about a deep stack of an interpreter."""
    program, script = PROGRAMS / "deep_stop.py", PROGRAMS / "compare_postponed.py"
    commands = ["set index-cache enabled on", f"set args {program}", f"source {script}"]
    done = run_gdb(None, commands=commands, env={"PROGRAM": python.path})
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.output
    found: Dict[str, Any] = json.loads(lines[0][len("RESULT ") :])
    return found


def test_files_symbols_and_callers_are_what_gdb_says_later(known: Dict[str, Any]) -> None:
    before, after = known["before"], known["after"]
    assert (before["postponed"], after["postponed"]) == (True, False)
    assert before["files"] == after["files"]
    assert len(before["files"]) >= 4
    assert {file[0] for file in before["files"]} <= set(known["announced"])  # each was told of when it was mapped
    assert before["addresses"] == after["addresses"]
    assert after["in_rust"] == [before["addresses"], "rust"]
    assert before["addresses"]["PyBytes_Type"] and before["addresses"]["no_such_symbol"] is None
    # The chain of callers by the call frame information alone.
    assert known["problem"] is None
    assert known["unwound"] == known["frames"]
    assert len(known["frames"]) >= 5


def test_runs_of_a_known_build_read_no_symbols_of_it(any_python: Interpreter, tmp_path: Path) -> None:
    """Of a program that shuts down properly nothing is told for which they would be needed."""
    if not any_python.has_debug_info:
        pytest.skip(f"{any_python.label} has no debug information")
    log, gdb = tmp_path / "read", tmp_path / "gdb"
    note = f"gdb.events.new_objfile.connect(lambda e: print(e.new_objfile.filename, file=open('{log}', 'a')))"
    gdb.write_text(f'#!/bin/sh\nexec {os.environ.get("FINGDB_TEST_GDB", "gdb")} -iex "python {note}" "$@"\n')
    gdb.chmod(0o755)
    for command in ("run", "check"):
        read = []
        for _cold_then_known in range(2):
            words = [command, "--gdb", gdb, "-o", "/dev/null", "--", any_python.path, "-c", "pass"]
            assert run_fingdb(*words, cache=tmp_path / command).returncode == 0
            read.append(log.read_text().splitlines())
            log.unlink()
        assert any_python.runtime in read[0] and any_python.runtime not in read[1], (command, read)
