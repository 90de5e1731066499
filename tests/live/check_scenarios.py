"""The programs of tests/scenarios that touch what is gone: how each is built, and started under ``fingdb check``."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from tests.support.build import build_extension
from tests.support.interpreters import Interpreter
from tests.support.shared import locked

DIRECTORY = Path(__file__).resolve().parents[1] / "scenarios"


@dataclass(frozen=True)
class Program:
    """A scenario: ``main.py`` in its directory and, unless pure Python, one source of an extension module."""

    name: str
    source: str = ""
    #: First and last version whose headers it can be compiled with.
    since: Tuple[int, int] = (3, 8)
    until: Tuple[int, int] = (3, 99)

    def command(self, python: Interpreter) -> Tuple[List[str], Dict[str, str]]:
        """Build what is to be built; return the words that start the program, and additions to its environment.

        Skips where that cannot be built.
        """
        if not self.since <= python.version[:2] <= self.until:
            pytest.skip(f"{self.name} cannot be built for {python.version_text}")
        directory = DIRECTORY / self.name
        words = [python.path, str(directory / "main.py")]
        if not self.source:
            return words, {}
        source = directory / self.source
        flags: List[str] = []
        if source.suffix == ".pyx":
            source = cython(source)
        elif "pybind11" in source.read_text():
            flags = [f"-I{pybind11(python)}", "-std=c++17", "-fvisibility=hidden"]
        return words, {"PYTHONPATH": str(build_extension(python, [source], source.stem, flags))}


def drop(python: Interpreter) -> str:
    """Return what Py_DECREF calls first when the last reference goes, in code of the program's.

    Without a GIL that is for an object that belongs to no thread any more. Debug builds count all references.
    """
    if python.free_threaded:
        return "_Py_DecRefShared"
    return "_Py_DECREF_DecRefTotal" if python.debug and python.version >= (3, 13) else "_Py_Dealloc"


def cython(source: Path) -> Path:
    """Return the C code that Cython makes of a file. Skips without Cython."""
    pytest.importorskip("Cython")
    with locked(f"cython-{source.stem}") as directory:
        product = directory / f"{source.stem}.c"
        if not product.exists():
            subprocess.run(
                [sys.executable, "-m", "cython", "-3", str(source), "-o", str(product)],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
        return product


def pybind11(python: Interpreter) -> Path:
    """Return the directory of the headers of a pybind11 that supports an interpreter. Skips without it.

    That of the tests' own Python (Debian's package) will do for what is as new as that; for others its newest wheel.
    """
    if python.version[:2] >= sys.version_info[:2]:
        try:
            return Path(str(importlib.import_module("pybind11").get_include()))
        except ImportError:
            pass
    return installed(python, "pybind11") / "pybind11" / "include"


def installed(python: Interpreter, package: str) -> Path:
    """Install a package's wheel for an interpreter once per run; return its directory. Skips where there is none."""
    with locked(f"wheel-{python.label}-{package}") as directory:
        target, failed = directory / "site", directory / "failed"
        if not target.exists() and not failed.exists():
            done = subprocess.run(
                [python.path, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:",
                 "--target", str(target), package],
                capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            if done.returncode:
                failed.write_text(done.stderr[-300:])
        if failed.exists():
            pytest.skip(f"no wheel of {package} for {python.label}: {failed.read_text().strip().splitlines()[-1:]}")
        return target


PROGRAMS: Tuple[Program, ...] = (
    Program("ast-after-fini", "compiler.c"),
    # Cython 3.1 and newer.
    Program("cython-dealloc", "session.pyx", since=(3, 9)),
    Program("daemon-gil"),
    Program("dangling-environ", "settings.c"),
    Program("dealloc-imports", "channel.c"),
    Program("freelist-after-fini", "journal.c"),
    Program("late-cpp-static", "registry.cc"),
    Program("late-cxa-atexit"),
    Program("late-jump", "tidy.c"),
    # In 3.15 PyGILState_Ensure puts these to sleep for ever: tests/live/test_attach.py.
    Program("late-libc-atexit", "tracelib.c", until=(3, 14)),
    Program("late-native-thread", "feeder.c", until=(3, 14)),
    # The hook is out of reach from 3.13 on.
    Program("late-on-delete", "hooks.c", until=(3, 12)),
    Program("late-py-atexit", "counters.c"),
    Program("late-pybind11-static", "catalog.cc"),
    Program("late-thread-local", "session.cc"),
    Program("open-resource"),
    Program("stale-dict", "guestbook.c"),
    Program("stale-global-cache", "geometry.c"),
    Program("stale-module-state", "codecx.c"),
    Program("stale-module-pointer", "palette.c"),
    Program("stale-type-module", "lexer.c", since=(3, 9)),
    Program("thread-ensure-loop", "worker.c"),
    Program("warn-after-fini", "pool.c"),
)
