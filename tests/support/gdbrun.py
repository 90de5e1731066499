"""gdb without a terminal, with fingdb's commands, on a real interpreter."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Union

from fingdb.cli.interpreters import built

from .shared import shared_directory

ROOT = Path(__file__).resolve().parents[2]
INIT = ROOT / "fingdb" / "init.py"


@dataclass
class GdbResult:
    """What a gdb run said. ``output`` is standard output and standard error together."""

    stdout: str
    stderr: str
    returncode: int
    command: List[str]

    @property
    def output(self) -> str:
        """Standard output, then standard error."""
        return self.stdout + self.stderr


class GdbTimeout(AssertionError):
    """gdb did not end in time; the text has what it had said until then."""


def gdb_environment(env: Optional[Mapping[str, str]] = None, cache: Optional[Path] = None) -> Dict[str, str]:
    """Return the environment for a gdb: ours with ``env`` over it, and a cache directory of its own.

    Without ``cache`` all tests of a run share one, so that each build is discovered once.
    """
    full = dict(os.environ)
    full.setdefault("FINGDB_PYTHONS", built(os.environ))  # interpreters that lie in the usual cache directory
    full["XDG_CACHE_HOME"] = str(cache if cache is not None else shared_directory() / "cache")
    full.update(env or {})
    return full


def run_gdb(
    python_path: Union[str, Path, None],
    args: Sequence[Union[str, Path]] = (),
    commands: Sequence[str] = (),
    script: Union[str, Path, None] = None,
    timeout: float = 60,
    env: Optional[Mapping[str, str]] = None,
    cwd: Union[str, Path, None] = None,
    cache: Optional[Path] = None,
    init: bool = True,
    input: bytes = b"",
    options: Sequence[str] = (),
) -> GdbResult:
    """Run ``gdb -batch`` with fingdb sourced, then ``commands``, and return what it said.

    ``python_path`` is the program (None: no program); ``script`` a Python file for it, put before ``args``.
    ``cache`` is an XDG cache directory of the test's own. ``input`` is what the program finds on standard
    input, ``options`` are more of gdb's own. Raises GdbTimeout after ``timeout`` seconds; gdb and the program are killed.
    """
    command = [os.environ.get("FINGDB_TEST_GDB", "gdb"), "-nx", "-q", "-batch", *options]
    command += ["-iex", "set debuginfod enabled off", "-iex", "set auto-load python-scripts off"]
    # gdb reads the index of a file's debug information once per run of the tests, not at each of some thousand starts.
    command += ["-iex", "set index-cache enabled on"]
    if init:
        command += ["-x", str(INIT)]
    for line in commands:
        command += ["-ex", line]
    if python_path is not None:
        program = [python_path, *([script] if script is not None else []), *args]
        command += ["--args", *map(str, program)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=gdb_environment(env, cache),
        cwd=str(cwd) if cwd is not None else None,
    )
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()  # the kernel kills gdb's program with it
        stdout, stderr = process.communicate()
        said = (stdout + stderr).decode("utf-8", "replace")
        raise GdbTimeout(f"gdb did not end within {timeout} s: {' '.join(command)}\n{said}") from None
    return GdbResult(stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"), process.returncode, command)
