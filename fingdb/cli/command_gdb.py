"""``fingdb gdb``: an interactive gdb session with the `pyfin` commands ready."""

from __future__ import annotations

import os
import signal
from typing import List

from .arguments import Parser, add_gdb_option, need_program, split_program
from .errors import CliError
from .gdb_program import NO_PYTHON_GDB_PY, find_gdb, init_file, what_is_wrong
from .program import resolve

_USAGE = "[--gdb PATH] -- PROGRAM [ARGUMENTS]"

_DESCRIPTION = """\
Open gdb on a program, with the `pyfin` commands ready: `pyfin start` goes to the beginning of the shutdown,
`pyfin next` from step to step, `help pyfin` lists the commands. Your own .gdbinit is read as usual."""


def run(arguments: List[str]) -> int:
    """Become gdb. Returns only by CliError."""
    own, program = split_program(arguments, ("--gdb",))
    parser = Parser("gdb", _USAGE, _DESCRIPTION)
    add_gdb_option(parser)
    options = parser.parse_args(own)
    need_program(program, "gdb")
    launch = resolve(program, os.environb)
    gdb = find_gdb(options.gdb)
    wrong = what_is_wrong(gdb)  # afterwards there is nobody to say it
    if wrong:
        raise CliError(wrong)
    command: List[bytes] = [os.fsencode(word) for word in session_command(gdb, [])]
    command += [b"--args", os.fsencode(launch.elf), *launch.elf_argv[1:]]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and what it starts would inherit that
    try:
        os.execv(gdb, command)
    except OSError as error:
        raise CliError(f"cannot execute {gdb}: {error.strerror}") from None


def session_command(gdb: str, commands: List[str]) -> List[str]:
    """Return the words that start a gdb with the `pyfin` commands, which then runs ``commands``."""
    words = [gdb, "-q", *NO_PYTHON_GDB_PY, "-x", init_file()]
    # gdb puts its own idea of the terminal's size into the program's environment, where it was not before.
    for name in ("LINES", "COLUMNS"):
        value = os.environ.get(name)
        words += ["-ex", f"unset environment {name}" if value is None else f"set environment {name}={value}"]
    for line in commands:
        words += ["-ex", line]
    return words
