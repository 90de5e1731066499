"""The `fingdb` program, started as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import List, Mapping, Optional, Union

from .gdbrun import ROOT, gdb_environment


def fingdb_command() -> List[str]:
    """Return the words that start the program from this checkout."""
    return [sys.executable, "-I", "-m", "fingdb"]


def run_fingdb(
    *args: Union[str, bytes, Path],
    timeout: float = 120,
    env: Optional[Mapping[str, str]] = None,
    input: bytes = b"",
    cwd: Union[str, Path, None] = None,
    cache: Optional[Path] = None,
) -> "subprocess.CompletedProcess[bytes]":
    """Run ``fingdb ARGS`` and return its status and output as bytes.

    ``env`` is put over our own environment. Raises subprocess.TimeoutExpired; gdb ends with the launcher.
    """
    words: List[Union[str, bytes]] = [word if isinstance(word, bytes) else str(word) for word in args]
    return subprocess.run(
        [*fingdb_command(), *words],
        input=input,
        capture_output=True,
        timeout=timeout,
        env=gdb_environment(env, cache),
        cwd=str(cwd) if cwd is not None else None,
        check=False,
    )


__all__ = ["ROOT", "fingdb_command", "run_fingdb"]
