"""`fingdb plan`, `gdb`, `demo` and `doctor` as a user starts them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import List

import pytest

from fingdb.cli import command_doctor
from fingdb.cli.interpreters import Interpreter as CliInterpreter
from tests.support.fingdb_cli import fingdb_command, run_fingdb
from tests.support.gdbrun import ROOT, gdb_environment
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live


@pytest.mark.spread
def test_plan(python: Interpreter) -> None:
    done = run_fingdb("plan", python.path)
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    assert "module-teardown" in text and "_PyGC_Fini" in text
    assert "inferior" not in text


@pytest.mark.parametrize("words", [["--help"], ["plan"], ["plan", "--help"]], ids=" ".join)
@pytest.mark.parametrize("output", ["full", "closed"])
def test_output_that_cannot_be_written(any_python: Interpreter, words: List[str], output: str) -> None:
    command = [*fingdb_command(), *words, *([any_python.path] if words == ["plan"] else [])]
    if output == "closed":
        command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=gdb_environment(), timeout=60, check=False)
    (sentence,) = done.stderr.decode().splitlines()
    assert done.returncode == 2 and sentence.startswith("fingdb: cannot go on: "), sentence


def test_plan_as_json_of_a_library_and_of_a_shim(any_python: Interpreter, tmp_path: Path) -> None:
    plain = run_fingdb("plan", "--json", any_python.path)
    assert json.loads(plain.stdout)["build_id"]
    shim = tmp_path / "python3"
    shim.write_text(f'#!/bin/sh\nexec "{any_python.path}" "$@"\n')
    shim.chmod(0o755)
    for name in (any_python.runtime, str(shim)):
        done = run_fingdb("plan", "--json", name)
        assert json.loads(done.stdout) == json.loads(plain.stdout)
    # Without a name: what `python3` is on PATH.
    done = run_fingdb("plan", "--json", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert json.loads(done.stdout) == json.loads(plain.stdout)


@pytest.mark.parametrize("name", ["/bin/true", "/etc/passwd"])
def test_plan_of_what_is_no_python(name: str) -> None:
    done = run_fingdb("plan", name)
    assert done.returncode == 2
    assert done.stderr.startswith(b"fingdb: ") and done.stderr.count(b"\n") == 1
    assert b"not a CPython" in done.stderr or b"neither" in done.stderr


def test_gdb_session(any_python: Interpreter, tmp_path: Path) -> None:
    code = "import os, sys; print(sys.argv, *map(os.environ.get, ('LINES', 'COLUMNS')), sys.flags.isolated)"
    commands = b"pyfin start\nshow args\ncontinue\n"
    environment = gdb_environment()
    environment.pop("COLUMNS", None)
    done = subprocess.run(
        [*fingdb_command(), "gdb", "--", any_python.path, "-I", "-c", code, "a b", ""],
        input=commands,
        capture_output=True,
        timeout=60,
        env={**environment, "HOME": str(tmp_path), "LINES": "77"},
    )
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "['-c', 'a b', ''] 77 None 1" in text, text + done.stderr.decode()
    assert "exited normally" in text


def test_gdb_session_on_a_script(any_python: Interpreter, tmp_path: Path) -> None:
    """A script is no program for gdb; its interpreter with the script is."""
    script = tmp_path / "script"
    script.write_text(f"#!{any_python.path} -I\nimport sys\nprint(sys.argv[1:], sys.flags.isolated)\n")
    script.chmod(0o755)
    done = subprocess.run(
        [*fingdb_command(), "gdb", "--", script, "x"],
        input=b"run\n",
        capture_output=True,
        timeout=60,
        env=gdb_environment({"HOME": str(tmp_path)}),
    )
    assert b"['x'] 1" in done.stdout, done.stderr


def test_demo(any_python: Interpreter) -> None:
    """The newcomer's first sight of the tool: from the script, everything real, nothing failing."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "fingdb"), "demo", any_python.path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        env=gdb_environment(),
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert "Traceback" not in text + done.stderr.decode()
    for command in ("start", "next", "status", "threads", "gc", "until _PyGC_Fini"):
        assert f"\n(gdb) pyfin {command}\n" in text
    # The program's own words, in the order in which its shutdown brings them out.
    said = re.findall(r"^    \[program\] (.*)$", text, re.MULTILINE)
    assert said[:3] == ["the last line of the script", "goodbye from atexit", "a global is finalized"]
    # Without a GIL the collector finds them by their addresses.
    assert sorted(said[3:]) == ["left half of a cycle is finalized", "right half of a cycle is finalized"]
    assert "sleeper" in text and "exited normally" in text


def test_demo_chooses_an_interpreter(tmp_path: Path) -> None:
    done = run_fingdb("demo")
    assert done.returncode == 0, done.stderr
    assert b"exited normally" in done.stdout


@pytest.mark.spread
def test_doctor(python: Interpreter) -> None:
    done = run_fingdb("doctor")
    text = done.stdout.decode()
    assert done.returncode == 0, text
    assert python.path in text
    for subject in ("gdb", "Python in gdb", "pygments", "tabulate", "ptrace", "core files", "cache"):
        assert subject in text
    assert "fingdb can do its job here." in text


def test_doctor_without_gdb(tmp_path: Path) -> None:
    done = run_fingdb("doctor", env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert b"apt-get install gdb" in done.stdout
    assert b"fingdb cannot do its job here yet." in done.stdout


def test_doctor_names_the_mending_command() -> None:
    def mend(path: str, label: str) -> str:
        return command_doctor.mend_debug_info(CliInterpreter(path, (3, 12, 1), "3.12.1", label, False, path, False))

    assert mend("/usr/bin/python3.12", "3.12.1-debian") == "apt-get install python3.12-dbg"
    assert mend(os.path.realpath("/usr/bin/python3"), "x").startswith("apt-get install python3")
    assert mend("/home/x/bin/python3.12", "3.12.1-pyenv") == "CFLAGS=-g pyenv install --force 3.12.1"
    assert "CFLAGS=-g" in mend("/opt/bin/python3.12", "3.12.1-local")
