"""`fingdb core` where other files lie than the process had: they are found elsewhere, or it says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from fingdb.cli.core_file import CoreFile
from fingdb.cli.core_program import Surroundings, find_files
from fingdb.elf import open_elf
from tests.core.reports import LIMIT, refusal, report
from tests.core.scenarios import SCENARIOS
from tests.support.cores import Core, crash_core
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core


def copied_python(python: Interpreter, directory: Path) -> Tuple[Path, Dict[str, str]]:
    """Return a copy of the interpreter's executable, and what it needs in its environment."""
    copy = directory / "opt" / "bin" / "python-copy"
    copy.parent.mkdir(parents=True)
    shutil.copy(os.path.realpath(python.path), copy)
    ask = [python.path, "-I", "-c", "import sys; print(sys.base_prefix, sys.base_exec_prefix, sep=':')"]
    home = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    return copy, {"PYTHONHOME": home}


def test_an_executable_that_is_gone_or_another(any_python: Interpreter, tmp_path: Path) -> None:
    copy, environment = copied_python(any_python, tmp_path)
    main = SCENARIOS["late-cxa-atexit"].command(any_python)[0][1]
    made = crash_core(any_python, "copied", [str(copy), main], environment)
    whole = report(made.path)
    assert whole["target"]["executable"] == str(copy)
    build_id = open_elf(str(copy)).build_id
    assert build_id

    # Below another root.
    root = tmp_path / "root"
    there = Path(f"{root}{copy}")
    there.parent.mkdir(parents=True)
    copy.rename(there)
    said = refusal(made.path)
    assert str(copy) in said and "is not on this machine" in said and "--sysroot" in said
    for path in open_files_of(made):
        if path != str(copy):
            target = Path(f"{root}{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    moved = report("--sysroot", root, made.path)
    assert moved["target"]["executable"] == str(there)
    assert moved["verdict"]["kind"] == whole["verdict"]["kind"] and moved["notes"] == whole["notes"]
    assert report(made.path, there)["verdict"] == whole["verdict"]
    assert "is not below" in refusal("--sysroot", tmp_path, made.path)

    # The same code, but its build-id says that it is another build.
    data = there.read_bytes()
    assert data.count(bytes.fromhex(build_id)) == 1
    copy.write_bytes(data.replace(bytes.fromhex(build_id), bytes(len(build_id) // 2)))
    other = report(made.path)
    assert any(f"{copy} is not the build that left the core" in note for note in other["notes"])
    steps = {"certain": "likely", "likely": "possible", "possible": "possible"}
    assert other["verdict"]["kind"] == whole["verdict"]["kind"]
    assert other["verdict"]["confidence"] == steps[whole["verdict"]["confidence"]]


def open_files_of(made: Core) -> List[str]:
    with CoreFile(made.path) as core:
        return [module.path for module in core.modules()]


_USES_LIBRARY = """
import ctypes, os, sys
here = os.getcwd()
os.chdir(os.path.dirname(sys.argv[1]))
breaker = ctypes.CDLL(sys.argv[2])
os.chdir(here)
breaker.break_everything()
"""


def library(directory: Path) -> Path:
    source = directory / "breaker.c"
    source.write_text("int break_everything(void) { return *(volatile int *)16; }\n")
    built = directory / "lib" / "libbreaker.so"
    built.parent.mkdir()
    words = ["gcc", "-g", "-shared", "-fPIC", "-Wl,--build-id", "-o", str(built), str(source)]
    subprocess.run(words, check=True)
    return built


def gdb_sees(made: Core, tmp_path: Path, where: Surroundings) -> Tuple[str, List[str]]:
    """Return gdb's stack with the options that fingdb gives it, and fingdb's notes."""
    links = tmp_path / f"links{len(list(tmp_path.iterdir()))}"
    links.mkdir()
    with CoreFile(made.path) as core:
        files = find_files(core, None, where, str(links))
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", *files.gdb_options]
    words += ["-ex", "bt 3", "-ex", "info sharedlibrary", "-c", made.path, files.executable]
    done = subprocess.run(words, capture_output=True, text=True, cwd=files.start, timeout=LIMIT)
    return done.stdout, files.notes


@pytest.mark.parametrize("name", ["{library}", "./libbreaker.so", "../lib/libbreaker.so", "libbreaker.so"])
def test_libraries_are_found_by_what_was_mapped(any_python: Interpreter, tmp_path: Path, name: str) -> None:
    built = library(tmp_path)
    script = tmp_path / "main.py"
    script.write_text(_USES_LIBRARY)
    words = [any_python.path, str(script), str(built), name.format(library=built)]
    environment = {"LD_LIBRARY_PATH": "."} if "/" not in name else {}
    made = crash_core(any_python, "library", words, environment)
    stack, notes = gdb_sees(made, tmp_path, Surroundings())
    assert "break_everything" in stack.splitlines()[-1] or "in break_everything" in stack or "#0  break_" in stack
    assert str(built) in stack and notes == []

    # It is gone; and then it lies elsewhere.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    built.rename(elsewhere / built.name)
    stack, notes = gdb_sees(made, tmp_path, Surroundings())
    assert "break_everything" not in stack
    assert len(notes) == 1 and f"{built} is not on this machine" in notes[0]
    stack, notes = gdb_sees(made, tmp_path, Surroundings(None, [str(elsewhere)]))
    assert "break_everything" in stack and str(elsewhere / built.name) in stack and notes == []

    # Another build lies where it was; the right one is found by its build-id all the same.
    data = (elsewhere / built.name).read_bytes()
    build_id = bytes.fromhex(open_elf(str(elsewhere / built.name)).build_id or "")
    built.write_bytes(data.replace(build_id, bytes(len(build_id))))
    _stack, notes = gdb_sees(made, tmp_path, Surroundings())
    assert len(notes) == 1 and f"{built} is of another build" in notes[0]
    stack, notes = gdb_sees(made, tmp_path, Surroundings(None, [str(elsewhere)]))
    assert str(elsewhere / built.name) in stack and "break_everything" in stack and notes == []
