"""`scripts/fingdb`: how it sets itself up in a checkout, and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import List

import pytest

from tests.support.gdbrun import ROOT
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

#: pip finds nothing, wherever the tests run.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
SYSTEM_PYTHON = "/usr/bin/python3"


def checkout(place: Path) -> Path:
    """Make a checkout that nobody has used yet."""
    shutil.copytree(ROOT / "fingdb", place / "fingdb", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scripts", place / "scripts")
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def launched(root: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(root / "scripts/fingdb"), *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("words", [["run"], ["run", "--help"], ["check", "--frob", "--", "x"], ["run", "--", ""]])
def test_no_copy_of_the_environment_stays_behind(tmp_path: Path, words: List[str]) -> None:
    done = launched(ROOT, *words, TMPDIR=str(tmp_path))
    assert done.returncode == (0 if "--help" in words else 2)
    assert len(done.stderr.splitlines()) == (0 if "--help" in words else 1)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_the_programs_own_without_a_place_for_temporary_files(any_python: Interpreter) -> None:
    """That of the shell, which the script is run by, has a variable more."""
    environment = {"TMPDIR": "/no/such/place", "B": "2", "A": "1"}
    code = "print(open('/proc/self/environ').read().split(chr(0))[:-1])"
    done = subprocess.run(
        [str(ROOT / "scripts/fingdb"), "run", "-o", os.devnull, "--", any_python.path, "-I", "-c", code],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout == f"{['PATH=' + os.environ['PATH'], *(f'{name}={each}' for name, each in environment.items())]}\n"


def test_it_sets_itself_up_without_a_network_in_any_locale(tmp_path: Path) -> None:
    """Debian's own packages do, if they are there; the checkout may be anywhere."""
    system = subprocess.run([SYSTEM_PYTHON, "-I", "-c", "import ensurepip, pygments, tabulate"], capture_output=True)
    if system.returncode:
        pytest.skip("the system's Python has no pygments, tabulate or venv")
    root = checkout(tmp_path / "mein Rechner 'é'")
    done = launched(root, "--version", LC_ALL="C", **OFFLINE)
    assert (done.returncode, done.stdout) == (0, "fingdb 0.1.0\n")
    assert done.stderr == f"fingdb: setting up {root}/.venv (once)\n"
    # The environment of another Python, as after an upgrade of the system.
    library = next((root / ".venv/lib").iterdir())
    library.rename(library.with_name("python3.0"))
    done = launched(root, "run", "--", "true", TMPDIR=str(tmp_path))
    assert done.returncode == 2
    assert f"remove {root}/.venv," in done.stderr and len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("fingdb-environ*"))
    # So does one that was left half way.
    (root / ".venv/.ready-run").unlink()
    assert launched(root, "--version", **OFFLINE).stdout == "fingdb 0.1.0\n"


def test_a_checkout_that_cannot_be_written(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    (root / ".venv.lock").mkdir()  # root writes anywhere, but not here
    done = launched(root, "--version")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fingdb: {root} cannot be written, ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("limit, status, output", [("-n 40", 0, "1\n"), ("-f 0", 2, ""), ("-f 16", 2, "1\n")])
def test_small_limits(any_python: Interpreter, tmp_path: Path, limit: str, status: int, output: str) -> None:
    """Few descriptors are enough; where no file, or no report, can be written, one sentence says so, and none is left."""
    script = f'ulimit {limit}; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(ROOT / "scripts/fingdb"), "run", "--", any_python.path, "-c", "print(1)"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (status, output), done.stderr
    if status:
        lines = [line for line in done.stderr.splitlines() if line.startswith("fingdb: ")]
        assert len(lines) == 1 and lines[0].endswith(": File too large") and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
