"""``fingdb plan``: the shutdown steps of an interpreter, read from its code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import List

from .arguments import Parser, add_gdb_option
from .errors import CliError
from .gdb_program import explain_failure, find_gdb, gdb_environment, init_file, last_words, light_options, what_is_wrong
from .which_python import interpreter

_USAGE = "[--json] [--gdb PATH] [PYTHON]"

_DESCRIPTION = """\
List the steps of finalization of an interpreter in order, with their phases and what each of them ends.
The interpreter is not run: its code tells. PYTHON is a path, a name on PATH (default: python3), a libpython, or
a version (3.12, 3.11.2-debian: the names that `fingdb doctor` lists)."""


def run(arguments: List[str]) -> int:
    """Run ``fingdb plan`` with these words and return the exit status."""
    parser = Parser("plan", _USAGE, _DESCRIPTION)
    parser.add_argument("python", metavar="PYTHON", nargs="?", default="python3", help="the interpreter")
    parser.add_argument("--json", action="store_true", help="as a JSON document")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    path = interpreter(options.python)
    gdb = find_gdb(options.gdb)
    words = ["pyfin", "plan", *(["--json"] if options.json else []), shlex.quote(path)]
    command = [gdb, "-nx", "-q", "-batch", *light_options(), *_terminal(), "-x", init_file()]
    sys.stdout.flush()
    try:
        done = subprocess.run(
            [*command, "-ex", " ".join(words)],
            stdin=subprocess.DEVNULL,
            stdout=None if sys.stdout.isatty() else subprocess.PIPE,  # gdb would not tell that it could not write
            stderr=subprocess.PIPE,
            env=gdb_environment(os.environ),
            check=False,
        )
    except OSError as error:
        raise CliError(f"cannot execute {gdb}: {error.strerror}") from None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        if done.returncode == 1 and said:  # a command failed
            raise CliError(what_is_wrong(gdb) or last_words(said))
        raise CliError(explain_failure(gdb, said))
    if done.stdout:
        sys.stdout.write(done.stdout.decode("utf-8", "replace"))
    return 0


def _terminal() -> List[str]:
    if not sys.stdout.isatty():
        return []
    # -batch takes the width for unlimited.
    return ["-iex", f"set width {os.get_terminal_size(1).columns}", "-iex", "set style enabled on"]
