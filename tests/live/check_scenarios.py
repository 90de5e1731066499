"""The programs of tests/scenarios that touch what is gone: how each is built, and started under ``fingdb check``."""

from __future__ import annotations

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

    def command(self, python: Interpreter) -> Tuple[List[str], Dict[str, str]]:
        """Build what is to be built; return the words that start the program, and additions to its environment."""
        directory = DIRECTORY / self.name
        words = [python.path, str(directory / "main.py")]
        if not self.source:
            return words, {}
        source = directory / self.source
        flags: List[str] = []
        if source.suffix == ".pyx":
            source = cython(source)
        elif "pybind11" in source.read_text():
            flags = [f"-I{pybind11()}", "-std=c++17", "-fvisibility=hidden"]
        return words, {"PYTHONPATH": str(build_extension(python, [source], source.stem, flags))}


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


def pybind11() -> str:
    """Return the directory of pybind11's headers. Skips without it."""
    return str(pytest.importorskip("pybind11").get_include())


PROGRAMS: Tuple[Program, ...] = (
    Program("ast-after-fini", "compiler.c"),
    Program("cython-dealloc", "session.pyx"),
    Program("daemon-gil"),
    Program("dangling-environ", "settings.c"),
    Program("dealloc-imports", "channel.c"),
    Program("freelist-after-fini", "journal.c"),
    Program("late-cpp-static", "registry.cc"),
    Program("late-cxa-atexit"),
    Program("late-libc-atexit", "tracelib.c"),
    Program("late-native-thread", "feeder.c"),
    Program("late-on-delete", "hooks.c"),
    Program("late-py-atexit", "counters.c"),
    Program("late-pybind11-static", "catalog.cc"),
    Program("late-thread-local", "session.cc"),
    Program("open-resource"),
    Program("stale-global-cache", "geometry.c"),
    Program("stale-module-state", "codecx.c"),
    Program("thread-ensure-loop", "worker.c"),
    Program("warn-after-fini", "pool.c"),
)
