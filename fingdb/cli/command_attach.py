"""``fingdb attach``: why a running process does not end."""

from __future__ import annotations

import os
import signal
import time
from typing import Callable, Dict, List, Optional

from ..report.escape import printable
from .arguments import Parser, add_gdb_option, seconds
from .command_core import exit_status
from .errors import CliError
from .gdb_program import INDEX_CACHE, find_gdb
from .look import Look, look
from .output import Destination
from .process import Process, deleted_libraries, executable, may_be_python, process, root, stops, why_refused
from .temporary import temporary_directory, tidy_end
from .waiting import waiting

_USAGE = "[--json] [--output FILE] [--timeout S] [--gdb PATH] PID"

_DESCRIPTION = """\
Say why a process does not end, or where in its shutdown it is: for every thread what it waits for, and who holds
it. The process is stopped for a moment, and goes on as if nothing had been; one that was stopped stays stopped."""

_EPILOG = """\
exit status:
  0 when nothing is wrong with the shutdown, or nobody can tell;  1 when something is;  2, with one sentence on
  standard error, when the process could not be looked at."""

#: The process stands still for no longer than this (seconds), unless the user says otherwise.
TIMEOUT = 60.0
#: Seconds in which a process that was let go takes the SIGSTOP that it may have left.
_SETTLES = 0.2


def run(arguments: List[str]) -> int:
    """Run ``fingdb attach`` with these words and return the exit status."""
    parser = Parser("attach", _USAGE, _DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument("pid", metavar="PID", help="the process")
    parser.add_argument("--json", action="store_true", help="the report as a JSON document (fingdb-report/1)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report there (default: standard output)")
    parser.add_argument("--timeout", metavar="S", type=seconds, default=TIMEOUT, help="give up after S seconds")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    found = process_of(options.pid, "attach")
    gdb = find_gdb(options.gdb)
    destination = Destination(options.output or "-", options.json)
    with tidy_end():
        with waiting("looking at the process, which stands still", destination.prepare) as meanwhile:
            document = look_at(found, gdb, options.timeout, meanwhile)
        destination.write(document)
    return exit_status(document)


def process_of(text: str, command: str) -> Process:
    """Return the process whose id the user typed. Raises CliError when it surely cannot be looked at."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 31:
        raise CliError(f"{command}: {printable(text)!r} is not a process id")
    found = process(int(text))
    _check(found)
    return found


def _check(found: Process) -> None:
    """Raise CliError when the process surely cannot be looked at; it is not touched for that."""
    name = f"process {found.pid} ({printable(found.name)})"
    if found.pid == os.getpid():
        raise CliError(f"{name} is fingdb itself")
    if found.state in ("Z", "X"):
        raise CliError(f"{name} has ended already; only its parent has not asked how")
    if found.kernel_thread:
        raise CliError(f"{name} is a thread of the kernel, not Python")
    if found.tracer:
        raise CliError(f"{name} is traced already, by {_tracer(found.tracer)}: only one debugger can")
    try:
        if not may_be_python(found.pid):
            raise CliError(f"{name} is not Python: no file that is mapped into it defines _PyRuntime")
        executable(found.pid)
    except PermissionError:
        raise CliError(why_refused(found)) from None
    except OSError:
        raise CliError(f"{name} has just ended") from None


def _tracer(pid: int) -> str:
    try:
        return f"process {pid} ({printable(process(pid).name)})"
    except CliError:
        return f"process {pid}"


def look_at(
    found: Process,
    gdb: str,
    timeout: float,
    meanwhile: Callable[[float], None] = lambda _seconds: None,
    job: Optional[Dict[str, object]] = None,
) -> Dict[str, object]:
    """Return the report on a process, or what another ``job`` of `pyfin batch` answers; the process goes on as it was.

    ``timeout`` in seconds; ``meanwhile`` is called while gdb works (see `look`). Raises CliError with one sentence.
    """
    options = [*INDEX_CACHE]
    before = root(found.pid)
    if before:
        options += ["-iex", f"set sysroot {before}"]
    notes = [
        f"{printable(path)} was replaced after the process had loaded it: stacks through it may be wrong"
        for path in deleted_libraries(found.pid)
    ]
    request: Dict[str, object] = {"mode": "attach", "pid": found.pid, "notes": notes, **(job or {})}
    # The executable's symbols are read before the process is stopped.
    options.append(executable(found.pid))
    seen: Optional[Look] = None
    try:
        with temporary_directory() as directory:
            attach = [f"attach {found.pid}"]
            seen = look(gdb, options, attach, request, directory, timeout, afterwards=["detach"], meanwhile=meanwhile)
    finally:
        if seen is None or "detached]" not in seen.log:
            _leave_as_found(found)
    if seen.document is not None and not seen.document.get("error"):
        return seen.document
    raise CliError(_failure(found, seen))


def _failure(found: Process, seen: Look) -> str:
    """Return one sentence on a look that gave no report."""
    name = f"process {found.pid} ({printable(found.name)})"
    try:
        now = process(found.pid)
    except CliError:
        return f"{name} ended while fingdb looked at it"
    if now.state in ("Z", "X"):
        return f"{name} ended while fingdb looked at it"
    if "ptrace: " in seen.log and "detached]" not in seen.log:
        if now.tracer:
            return f"{name} is traced already, by {_tracer(now.tracer)}: only one debugger can"
        return why_refused(found)
    error = (seen.document or {}).get("error")
    return f"{name}: {error or seen.failure}"


def _leave_as_found(found: Process) -> None:
    """Set a process going, or stop it, as it was before a gdb that could not let go of it by itself.

    To attach, gdb sends every thread a SIGSTOP. Of a gdb that was killed meanwhile, some may be left that their threads
    take when they run again: then the process stops a moment after it was let go.
    """
    until = time.monotonic() + 2.0
    try:
        while process(found.pid).tracer and time.monotonic() < until:
            time.sleep(0.02)
        now = process(found.pid)
        if now.tracer:
            return
        if found.stopped:
            if not now.stopped:
                os.kill(found.pid, signal.SIGSTOP)
            return
        until = time.monotonic() + _SETTLES
        while not stops(found.pid):
            if time.monotonic() > until:
                return
            time.sleep(0.01)
        os.kill(found.pid, signal.SIGCONT)  # takes back every SIGSTOP that is still on its way
    except (CliError, OSError):
        pass  # it has ended
