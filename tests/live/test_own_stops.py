"""`pyfin diagnose` and `fingdb core` where a debugger has stopped the process: no crash, although the kernel says SIGTRAP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

#: Runs an int3 of its own in an exit handler.
TRAP = """
import atexit, ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\\xcc\\xc3")
atexit.register(ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code))))
"""


def documents(output: str) -> Dict[str, Any]:
    """Return name -> the JSON document that was printed behind its name."""
    parts = output.split("@@")[1:]
    return {name: json.loads(rest[: rest.rindex("}") + 1]) for name, _, rest in (part.partition("\n") for part in parts)}


def test_a_stop_of_the_debugger_is_no_crash(any_python: Interpreter, tmp_path: Path) -> None:
    """At a step of the walk, at a breakpoint of the user's and behind a single step; in the process and in a core of it."""
    commands = ["pyfin start", "pyfin until _PyGC_Fini"]
    names = ("step", "breakpoint", "stepped")
    for name, go in zip(names, ([], ["tbreak exit", "continue"], ["stepi"])):
        commands += [*go, f"gcore {tmp_path / name}", f"echo \\n@@{name}\\n", "pyfin diagnose --json"]
    done = run_gdb(any_python.path, ["-c", "pass"], commands)
    found = documents(done.stdout)
    assert set(found) == set(names), done.output
    for name in names:
        core = json.loads(run_fingdb("core", "--json", tmp_path / name).stdout)
        for document in (found[name], core):
            verdict = document["verdict"]
            assert verdict["kind"] == "unknown", (name, verdict)
            assert " runs in " in verdict["summary"] and "SIGTRAP" not in verdict["summary"], (name, verdict)
            assert document["findings"] == []


def test_a_trap_of_the_program_is_one(any_python: Interpreter, tmp_path: Path) -> None:
    commands = ["run", f"gcore {tmp_path / 'core'}", "echo \\n@@trap\\n", "pyfin diagnose --json"]
    done = run_gdb(any_python.path, ["-c", TRAP], commands)
    core = json.loads(run_fingdb("core", "--json", tmp_path / "core").stdout)
    for document in (documents(done.stdout)["trap"], core):
        assert document["target"]["signal"] == "SIGTRAP"
        assert "died of SIGTRAP" in document["verdict"]["summary"]
