"""`pyfin whatis` on a core of a program that printed where its things lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.support.cores import Core, hang_core
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core

PROGRAM = Path(__file__).resolve().parent / "programs" / "addresses.py"

#: Name -> (kind, words that must be said).
EXPECTED = {
    "null": ("null", "a null pointer"),
    "dict": ("object", 'an object of type "dict"'),
    "text": ("object", "interned"),
    "none": ("object", '"NoneType" None'),
    "heap_type": ("type", 'the heap type "Plain"'),
    "static_type": ("type", 'the static type "dict"'),
    "instance": ("object", 'an object of type "Plain"'),
    "module": ("object", "a module (threading)"),
    "code": ("code", "PyLong_FromLong"),
    "fill": ("freed", "0xdd"),
    "unmapped": ("unmapped", "nothing is mapped"),
    "freed": ("freed", "freed"),
}


def answers(core: Core, python: Interpreter) -> Dict[str, Dict[str, Any]]:
    """Return name -> answer for every address that the program printed."""
    named = dict(line.split() for line in core.output.splitlines() if " 0x" in line)
    commands = [f"core-file {core.path}", "pyfin whatis --json " + " ".join(named.values())]
    done = run_gdb(python.path, commands=commands)
    listed = json.loads(done.stdout[done.stdout.index("[\n") :])
    return dict(zip(named, listed))


@pytest.mark.spread
def test_everything_is_what_it_is(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    core = hang_core(python, "addresses", [python.path, str(PROGRAM)])
    found = answers(core, python)
    assert set(found) == set(EXPECTED)
    for name, (kind, words) in EXPECTED.items():
        answer = found[name]
        assert answer["kind"] == kind and words in answer["words"], (name, answer)
    assert found["dict"]["object"] == {"address": found["dict"]["address"], "type": "dict"}
    assert found["dict"]["refcount"] == 2


def test_what_is_no_address_is_told(any_python: Interpreter) -> None:
    done = run_gdb(any_python.path, commands=["pyfin whatis table", "pyfin whatis 0x10", "pyfin whatis 99999999999999999999999"])
    assert '"table" is not an address' in done.stderr
    assert "there is no process and no core" in done.stderr
    assert "larger than any address" in done.stderr
