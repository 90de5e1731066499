"""A short run of scripts/fuzz: damaged cores lead to no traceback, no hang, and no other verdict that sounds sure."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.scenarios import SCENARIOS
from tests.support.cores import NoCore, crash_core
from tests.support.gdbrun import ROOT, gdb_environment
from tests.support.interpreters import Interpreter
from tests.support.mutate import MUTATIONS, mutated

pytestmark = pytest.mark.core

#: Outcomes that are failures, as scripts/fuzz.py names them.
BAD = {"traceback", "hang", "memory", "wrong verdict", "wrong culprit", "surer", "no reason"}


@pytest.mark.parametrize("program", ["late-cxa-atexit", "join-event"])
def test_damaged_cores(any_python: Interpreter, program: str, tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "scripts" / "fuzz.py"), "--json", "--jobs", "1", "--keep", str(tmp_path)]
    words += ["--count", str(len(MUTATIONS)), "--seed", "4", "--pythons", any_python.label, "--programs", program]
    done = subprocess.run(words, stdout=subprocess.PIPE, env=gdb_environment(), timeout=900)
    runs = json.loads(done.stdout)
    assert {run["mutation"] for run in runs} == set(MUTATIONS)
    failures = [run for run in runs if run["outcome"] in BAD]
    assert not failures and done.returncode == 0, failures
    assert {run["outcome"] for run in runs} & {"same", "less sure"}


def test_damaged_tables_of_offsets(python: Interpreter, tmp_path: Path) -> None:
    """Without debug information `_Py_DebugOffsets` is all there is: what it says is believed only if it can be right."""
    if python.version < (3, 13) or not python.has_debug_info or python.debug:
        pytest.skip("no table of offsets, or nothing to strip")
    words = [sys.executable, str(ROOT / "scripts" / "fuzz.py"), "--json", "--jobs", "1", "--keep", str(tmp_path)]
    words += ["--count", "12", "--seed", "1", "--limit", "30", "--stripped", "--mutations", "wild-offsets"]
    words += ["--pythons", python.label, "--programs", "join-event"]
    done = subprocess.run(words, stdout=subprocess.PIPE, env=gdb_environment(), timeout=900)
    runs = json.loads(done.stdout)
    failures = [run for run in runs if run["outcome"] in BAD]
    assert len(runs) == 12 and not failures and done.returncode == 0, failures
    assert any(run["outcome"] == "unknown" for run in runs)  # the table was looked at, and refused


@pytest.mark.parametrize("kind", MUTATIONS)
def test_each_damage_does_something(any_python: Interpreter, kind: str) -> None:
    words, environment = SCENARIOS["late-cxa-atexit"].command(any_python)
    try:
        data = Path(crash_core(any_python, "late-cxa-atexit", words, environment).path).read_bytes()
    except NoCore as problem:
        pytest.skip(str(problem))

    def digest(seed: int) -> bytes:
        # Not the data itself: a core of a build without a GIL has a gigabyte.
        return hashlib.sha256(mutated(data, kind, random.Random(seed))).digest()

    first = [digest(seed) for seed in range(5)]
    assert any(damaged != hashlib.sha256(data).digest() for damaged in first)
    assert first[:2] == [digest(seed) for seed in range(2)]
