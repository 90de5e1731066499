"""Questions about objects on damaged cores: an answer or one sentence, never a traceback, never without end."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.support.cores import crash_core
from tests.support.gdbrun import ROOT, run_gdb
from tests.support.interpreters import Interpreter
from tests.support.mutate import MUTATIONS, mutated

pytestmark = [pytest.mark.core, pytest.mark.heavy]

PROGRAM = ROOT / "tests" / "live" / "programs" / "kept.py"


@pytest.mark.parametrize("kind", ["cyclic-lists", "wild-pointers", "lose-pages", "truncate"])
def test_damage_leads_to_sentences(any_python: Interpreter, kind: str, tmp_path: Path) -> None:
    assert kind in MUTATIONS
    core = crash_core(any_python, "kept", [any_python.path, str(PROGRAM)])
    told = json.loads(next(line for line in core.output.splitlines() if line.startswith("{")))
    damaged = tmp_path / "core"
    damaged.write_bytes(mutated(Path(core.path).read_bytes(), kind, random.Random(7)))
    where = told["addresses"]["global"]
    asked = [f"pyfin object --all {where}", f"pyfin why {where}", "pyfin leaks", "pyfin leaks --blocks"]
    commands = [f"core-file {damaged}", *asked]
    done = run_gdb(any_python.path, commands=commands, timeout=240)
    for bad in ("Traceback (most recent call last)", "Python Exception", "fingdb failed"):
        assert bad not in done.output, done.output
    assert done.output.strip()
    damaged.unlink()
