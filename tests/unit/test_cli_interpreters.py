"""The interpreters that the tests run on, and how they are found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

from fingdb.cli.interpreters import find_interpreters, probe
from tests.support.interpreters import EXPECTED, Interpreter, available


@pytest.mark.parametrize("version", EXPECTED, ids=lambda version: ".".join(map(str, version)))
def test_a_supported_version_is_on_this_machine(version: Tuple[int, int]) -> None:
    """A skip here says that nothing below was tested on that version."""
    if not any(python.version[:2] == version for python in available()):
        hint = " (scripts/test --newer runs the tests where it is)" if version >= (3, 13) else ""
        pytest.skip(f"there is no CPython {version[0]}.{version[1]} on this machine{hint}")


def test_a_free_threaded_build_is_on_this_machine() -> None:
    """A skip here says that nothing below was tested without the GIL."""
    if not any(python.free_threaded for python in available()):
        pytest.skip("there is no free-threaded CPython on this machine (scripts/build-free-threaded makes one)")


def test_debug_information(pythons: List[Interpreter]) -> None:
    """A skip here says that what needs debug information was tested on some of the interpreters only."""
    without = [python.label for python in pythons if not python.has_debug_info]
    if without:
        pytest.skip("no debug information for " + ", ".join(without))


def test_labels_are_unique(pythons: List[Interpreter]) -> None:
    assert len({python.label for python in pythons}) == len(pythons)
    assert len({os.path.realpath(python.path) for python in pythons}) == len(pythons)


def test_virtual_environments_are_no_builds(tmp_path: Path) -> None:
    assert sys.prefix != sys.base_prefix, "the tests run in a virtual environment"
    assert probe(sys.executable) is None
    assert all("/.venv/" not in python.path for python in available())


def test_what_is_no_python_is_left_out(tmp_path: Path) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "python3").write_text("#!/bin/sh\necho 3\n")
    (directory / "python3").chmod(0o755)
    (directory / "python3.7").symlink_to("/bin/true")
    (directory / "python3-config").symlink_to("/bin/true")
    found = find_interpreters({"PATH": str(directory)}, more=("/no/such/python",))
    assert all(str(directory) not in python.path for python in found)
    assert probe("/bin/true") is None
    assert probe(str(directory)) is None


@pytest.mark.parametrize("name", ["3.13t", "3.14t", "3.14td"])
def test_built_interpreters_are_found_by_their_stamp(tmp_path: Path, name: str) -> None:
    made = tmp_path / name / "bin"
    made.mkdir(parents=True)
    shutil.copy(os.path.realpath(sys.executable), made / f"python{name}")
    variables = {"PATH": "", "HOME": str(tmp_path), "FINGDB_PYTHONS": str(tmp_path)}
    assert str(made / f"python{name}") not in [python.path for python in find_interpreters(variables)]
    (tmp_path / name / ".ready").touch()
    found = [python for python in find_interpreters(variables) if python.path == str(made / f"python{name}")]
    assert [python.label.split("-")[1] for python in found] == ["built"]


def test_each_interpreter_is_what_it_says(python: Interpreter) -> None:
    code = (
        "import sys, sysconfig; print(tuple(sys.version_info[:3]), hasattr(sys, 'gettotalrefcount'), "
        "bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
    )
    done = subprocess.run([python.path, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{python.version} {python.debug} {python.free_threaded}"
    assert python.version_text in python.label
