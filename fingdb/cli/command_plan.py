"""``fingdb plan``: the shutdown steps of an interpreter, read from its code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import List

from .arguments import Parser, add_gdb_option
from .errors import CliError
from .gdb_program import explain_failure, find_gdb, gdb_environment, init_file, last_words, light_options
from .program import resolve

_USAGE = "[--json] [--gdb PATH] [PYTHON]"

_DESCRIPTION = """\
List the steps of finalization of an interpreter in order, with their phases and what each of them ends.
The interpreter is not run: its code tells. PYTHON is a name on PATH or a path (default: python3), or a libpython."""


def run(arguments: List[str]) -> int:
    """Run ``fingdb plan`` with these words and return the exit status."""
    parser = Parser("plan", _USAGE, _DESCRIPTION)
    parser.add_argument("python", metavar="PYTHON", nargs="?", default="python3", help="the interpreter")
    parser.add_argument("--json", action="store_true", help="as a JSON document")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    path = _interpreter(options.python)
    gdb = find_gdb(options.gdb)
    words = ["pyfin", "plan", *(["--json"] if options.json else []), shlex.quote(path)]
    command = [gdb, "-nx", "-q", "-batch", *light_options(), *_terminal(), "-x", init_file()]
    sys.stdout.flush()
    try:
        done = subprocess.run(
            [*command, "-ex", " ".join(words)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=gdb_environment(os.environ),
            check=False,
        )
    except OSError as error:
        raise CliError(f"cannot execute {gdb}: {error.strerror}") from None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        raise CliError(last_words(said) if done.returncode == 1 and said else explain_failure(gdb, said))
    return 0


def _interpreter(name: str) -> str:
    """Return the file to look at. A script (a version manager's shim) is asked for what it starts."""
    if "/" in name and os.path.isfile(name) and not os.access(name, os.X_OK):
        return os.path.abspath(name)  # a library
    launch = resolve([name], os.environb)
    if len(launch.elf_argv) == 1:
        return launch.elf  # no script on the way
    try:
        done = subprocess.run(
            [name, "-c", "import sys; print(sys.executable)"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        done = None
    path = os.fsdecode(done.stdout.rstrip(b"\n")) if done is not None and done.returncode == 0 else ""
    if not os.path.isfile(path):
        raise CliError(f"{name} is a script, and does not tell which Python it starts; give the Python itself")
    return path


def _terminal() -> List[str]:
    if not sys.stdout.isatty():
        return []
    # -batch takes the width for unlimited.
    return ["-iex", f"set width {os.get_terminal_size(1).columns}", "-iex", "set style enabled on"]
