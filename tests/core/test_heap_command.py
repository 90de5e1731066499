"""`fingdb heap`: what `pyfin heap` says in gdb, of a core and of a running process, and what it refuses."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.live.test_heap import need_lists
from tests.support.cores import Core, hang_core, program_environment, running
from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core

PROGRAM = Path(__file__).parent / "programs" / "heap_of_markers.py"
LIMIT = 90


def markers_core(python: Interpreter) -> Core:
    return hang_core(python, "heap-of-markers", [python.path, str(PROGRAM)])


def heap(*words: "str | Path") -> bytes:
    """Return what `fingdb heap` prints; it must succeed."""
    done = run_fingdb("heap", *words, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return done.stdout


def refusal(*words: "str | Path") -> str:
    done = run_fingdb("heap", *words, timeout=LIMIT)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b""), said
    assert said.startswith("fingdb: ") and said.count("\n") == 1 and "failed:" not in said, said
    return said[len("fingdb: ") : -1]


def in_gdb(commands: List[str], *options: str) -> Dict[str, Any]:
    """Return the JSON document that the last of the commands prints in gdb."""
    done = run_gdb(None, commands=[*commands[:-1], "echo \\n@@\\n", commands[-1]], options=options, timeout=LIMIT)
    document: Dict[str, Any] = json.loads(done.stdout.split("\n@@\n", 1)[1].rpartition("\n}")[0] + "\n}")
    return document


def assert_markers(document: Dict[str, Any]) -> None:
    counts = {row["type"]: row["count"] for row in document["interpreters"][0]["types"]}
    assert counts["__main__.Marker"] == 77


def test_a_core(python: Interpreter, tmp_path: Path) -> None:
    need_lists(python)
    core = markers_core(python).path
    document = json.loads(heap("--json", "--all", "--limit", "0", core))
    assert document.pop("notes") == []
    assert document == in_gdb([f"core-file {core}", "pyfin heap --json --all --limit 0"], python.path)
    assert_markers(document)
    sizes = [row["bytes"] or 0 for row in document["interpreters"][0]["types"]]
    largest = json.loads(heap("--json", "--sort", "bytes", "--limit", "3", core))["interpreters"][0]["types"]
    assert [row["bytes"] for row in largest] == sorted(sizes, reverse=True)[:3]


@pytest.mark.spread
def test_a_process(python: Interpreter, tmp_path: Path) -> None:
    need_lists(python)
    with running([python.path, str(PROGRAM)], program_environment(), tmp_path) as process:
        document = json.loads(heap("--json", "--limit", "0", str(process.pid)))
        assert document.pop("notes") == []
        assert document == in_gdb([f"attach {process.pid}", "pyfin heap --json --limit 0"], python.path)
        assert process.poll() is None and "TracerPid:\t0\n" in Path(f"/proc/{process.pid}/status").read_text()
    assert_markers(document)


def test_text(any_python: Interpreter, tmp_path: Path) -> None:
    need_lists(any_python)
    core = markers_core(any_python).path
    packed, target = tmp_path / "core.gz", tmp_path / "report"
    with open(core, "rb") as file, gzip.open(packed, "wb", 1) as other:
        shutil.copyfileobj(file, other)
    text = heap("--type", "Marker", packed)
    assert text.startswith(b"heap of interpreter 0  ") and b"__main__.Marker     77 " in text
    assert b"\nfunction " not in text
    # What is odd about the core is told below the table, or under a key of its own.
    assert heap("--type", "Marker", "--output", target, core, "/bin/sleep") == b""
    written = " ".join(target.read_text().split())
    assert written.startswith(" ".join(text.decode().split()))
    assert "/bin/sleep is not the program that left the core" in written
    notes = json.loads(heap("--json", core, "/bin/sleep"))["notes"]
    assert len(notes) == 1 and notes[0] in written


def test_refusals(any_python: Interpreter, tmp_path: Path) -> None:
    core = markers_core(any_python).path
    assert refusal("/etc/passwd") == "/etc/passwd is not a core file"
    assert refusal(tmp_path) == f"{tmp_path} is a directory, not a core file"
    with open(any_python.path, "rb") as file:
        movable = file.read(18)[16:] == b"\3\0"  # ET_DYN; Debian links its newest interpreters to a fixed address
    kind = "a program or a shared library" if movable else "a program"
    assert refusal(any_python.path).endswith(f" is {kind}, not a core file")
    assert "PID" in refusal()
    assert refusal("0") == "heap: '0' is not a process id"
    assert "--gen" in refusal("--gen", "old", core)
    assert "--limit" in refusal("--limit", "-1", core)
    assert "--since" in refusal("--since", "mark", core)
    assert "for core files" in refusal(str(os.getpid()), any_python.path)
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert refusal(str(ended.pid)) == f"there is no process {ended.pid}"


def test_what_is_not_python(tmp_path: Path) -> None:
    with running(["sh", "-c", "echo ready; sleep 300"], program_environment(), tmp_path) as process:
        core = tmp_path / "core"
        gdb = ["gdb", "-nx", "-q", "-batch", "-p", str(process.pid), "-ex", f"generate-core-file {core}"]
        subprocess.run(gdb, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=True)
        assert refusal(str(process.pid)).startswith(f"process {process.pid} (sh) is not Python")
    assert refusal(core).startswith(f"{core}: ")
