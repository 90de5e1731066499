"""Copies of the interpreters of this machine without any debug information, made once per run of the tests.

`strip --strip-all` leaves the dynamic symbol table and the build-id, nothing else. A build whose debug information lies
in a file of its own (Debian's) gets another build-id as well, so that nobody finds that file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest

from fingdb.cli.interpreters import runtime_file
from fingdb.elf import open_elf

from .build import python_library
from .interpreters import Interpreter
from .shared import locked


def stripped(python: Interpreter, new_identity: Optional[bool] = None) -> Interpreter:
    """Return a copy of an interpreter with everything stripped: itself, its libpython, its extension modules.

    ``new_identity``: whether it gets another build-id; by default only where a file elsewhere would be found by it.
    Skips the test where the machine has no ``strip``.
    """
    if shutil.which("strip") is None:
        pytest.skip("there is no strip on this machine")
    elsewhere = python.has_debug_info and not open_elf(python.runtime).has_debug_info()
    changed = elsewhere if new_identity is None else new_identity
    label = f"{python.label}-stripped{'-anew' if changed else ''}"
    with locked(label) as directory:
        executable = directory / "bin" / os.path.basename(python.path)
        if not executable.exists():
            _make(python, directory, executable, changed)
    return replace(
        python, path=str(executable), label=label, runtime=runtime_file(str(executable)), has_debug_info=False
    )


def stripped_library(python: Interpreter) -> Path:
    """Return a directory with nothing but a copy of the interpreter's shared library without debug information.

    For LD_LIBRARY_PATH of a program that was linked with the whole one. Skips the test where there is none.
    """
    library = Path(os.path.realpath(python_library(python)))
    with locked(f"{python.label}-stripped-library") as directory:
        place = directory / "lib" / library.name
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            _strip(library, directory / "new", not open_elf(str(library)).has_debug_info())
            (directory / "new").rename(place)
    return place.parent


def _make(python: Interpreter, directory: Path, executable: Path, changed: bool) -> None:
    library = directory / "lib"
    standard = Path(_ask(python, "import os; print(os.path.dirname(os.__file__))"))
    ours = library / standard.name
    shutil.rmtree(library, ignore_errors=True)
    (ours / "lib-dynload").mkdir(parents=True)
    executable.parent.mkdir(exist_ok=True)
    for entry in standard.iterdir():
        if entry.name != "lib-dynload":
            (ours / entry.name).symlink_to(entry)
    suffix = _ask(python, "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))")
    for module in (standard / "lib-dynload").glob(f"*{suffix}"):
        _strip(module, ours / "lib-dynload" / module.name, changed)
    if python.runtime != os.path.realpath(python.path):
        _strip(Path(python.runtime), library / os.path.basename(python.runtime), changed)
    # The name with which it was complete comes last: whoever sees it sees all.
    made = executable.with_name("new")
    _strip(Path(os.path.realpath(python.path)), made, changed)
    _look_beside(made, os.path.dirname(python.runtime))
    made.rename(executable)


def _ask(python: Interpreter, code: str) -> str:
    return subprocess.run([python.path, "-I", "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def _strip(source: Path, target: Path, changed: bool) -> None:
    shutil.copy2(source, target)
    target.chmod(0o755)
    subprocess.run(["strip", "--strip-all", str(target)], check=True)
    if changed:
        build_id = bytes.fromhex(open_elf(str(target)).build_id or "")
        data = target.read_bytes()
        assert not build_id or data.count(build_id) == 1
        target.write_bytes(data.replace(build_id, build_id[::-1]) if build_id else data)


def _look_beside(executable: Path, directory: str) -> None:
    """Make the executable look for its libpython beside itself. The new path is shorter, so it takes the old one's place."""
    old, new = directory.encode() + b"\0", b"$ORIGIN/../lib"
    data = executable.read_bytes()
    if old in data and len(new) < len(old):
        executable.write_bytes(data.replace(old, new.ljust(len(old), b"\0")))
