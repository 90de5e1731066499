"""``fingdb demo``: a gdb session on a small program, typed by nobody, with its real output."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import List, Optional, Tuple

from ..report.escape import printable
from .arguments import Parser, add_gdb_option
from .errors import CliError
from .gdb_program import NO_PYTHON_GDB_PY, find_gdb, gdb_environment, init_file, what_is_wrong
from .interpreters import Interpreter, find_interpreters, probe
from .program import resolve

_USAGE = "[--gdb PATH] [PYTHON]"

_DESCRIPTION = """\
Show fingdb at its job: a real gdb session on a small program with a daemon thread, an atexit callback, a reference
cycle and finalizers. PYTHON is the interpreter to run it on (default: one with debug information)."""

#: What is typed, and the remark that goes before it.
_SESSION: Tuple[Tuple[str, str], ...] = (
    ("Run the program to the beginning of its shutdown.", "pyfin start"),
    ("One step further; each stop says what the step ends, and what changed.", "pyfin next"),
    ("Where the process stands, on one screen.", "pyfin status"),
    ("Who is there: the daemon thread is about to be locked out.", "pyfin threads"),
    ("To the phase that takes the modules down.", "pyfin until module-teardown"),
    ("What the garbage collector holds before the modules go …", "pyfin gc"),
    ("… and where the collector itself is taken down.", "pyfin until _PyGC_Fini"),
    ("What is left of the process now.", "pyfin status"),
    ("The rest of the way.", "continue"),
)


def run(arguments: List[str]) -> int:
    """Run ``fingdb demo`` with these words and return the exit status."""
    parser = Parser("demo", _USAGE, _DESCRIPTION)
    parser.add_argument("python", metavar="PYTHON", nargs="?", help="the interpreter")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    gdb = find_gdb(options.gdb)
    python = _chosen(options.python)
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo_program.py")
    _introduce(python, program)
    command = [gdb, "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", *NO_PYTHON_GDB_PY]
    command += ["-iex", f"set width {_width()}", "-iex", "set print thread-events off", "-x", init_file()]
    for remark, line in _SESSION:
        command += ["-ex", f"echo \\n# {remark}\\n(gdb) {line}\\n", "-ex", line]
    status = subprocess.call(
        [*command, "--args", python.path, program],
        stdin=subprocess.DEVNULL,
        env=gdb_environment(os.environ),
    )
    if status:
        raise CliError(what_is_wrong(gdb) or "the session did not go well; `fingdb doctor` may tell why")
    print("\nNow on a program of yours:  fingdb gdb -- python3 app.py     (a session like this one)")
    print("                            fingdb run -- python3 app.py     (the whole way, then a report)")
    return 0


def _chosen(name: Optional[str]) -> Interpreter:
    if name is not None:
        launch = resolve([name], os.environb)
        found = probe(os.path.realpath(launch.elf))  # that of a virtual environment too
        if found is None:
            raise CliError(f"{name} is not a CPython from 3.8 on")
        return found
    interpreters = find_interpreters()
    if not interpreters:
        raise CliError("there is no CPython from 3.8 on (Debian: apt-get install python3 python3-dbg)")
    # The system's own where it can show everything; otherwise the newest that can.
    return max(interpreters, key=lambda i: (i.has_debug_info, not i.debug, "debian" in i.label, i.version))


def _introduce(python: Interpreter, program: str) -> None:
    print(f"The interpreter is {printable(python.path)} ({python.label}), the program:\n")
    with open(program, encoding="utf-8") as file:
        for line in file:
            print(f"    {line}".rstrip())
    if not python.has_debug_info:
        print("\nThis interpreter has no debug information, so only a part can be shown (see `fingdb doctor`).")
    sys.stdout.flush()


def _width() -> int:
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 100
