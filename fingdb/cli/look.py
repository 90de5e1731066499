"""gdb on a core or a process that runs already, nobody at the keyboard: one job, its answer in a file."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from .errors import CliError
from .gdb_program import explain_failure, gdb_environment, init_file, last_words, light_options

#: Asked to end, gdb gets so long (seconds) before it is made to.
GRACE = 10.0
#: gdb may use this much address space (bytes), and so many times the size of what it reads on top of it.
MEMORY, MEMORY_FACTOR = 8 << 30, 4


class Look(NamedTuple):
    """What a look left: the document of `pyfin batch`, or a sentence about why there is none.

    ``seconds`` it took; ``log`` is what gdb itself printed.
    """

    document: Optional[Dict[str, object]]
    failure: Optional[str]
    seconds: float
    log: str


def look(
    gdb: str,
    options: List[str],
    commands: List[str],
    request: Dict[str, object],
    directory: str,
    timeout: float,
    memory: int = 0,
    stop: Optional[int] = None,
    afterwards: Sequence[str] = (),
    meanwhile: Callable[[float], None] = lambda _seconds: None,
    start: Optional[str] = None,
) -> Look:
    """Start gdb with ``options`` (they say what to look at); run ``commands``, the job ``request``, ``afterwards``.

    ``directory`` is a private one for the job's files, ``timeout`` in seconds, ``memory`` the size of what gdb
    reads in bytes; ``meanwhile`` is called while gdb works: at once, with 0, and each second with the seconds. gdb is
    started in directory ``start`` (default: an empty one). Control-C, the end of the time, and something to read on
    descriptor ``stop`` end the job: gdb lets go of a process before it ends. Raises CliError when gdb cannot be
    started, and KeyboardInterrupt (after gdb has ended) for Control-C and ``stop``.
    """
    result = os.path.join(directory, "result.json")
    log = os.path.join(directory, "log")
    if start is None:
        # Relative names of files must find nothing.
        start = os.path.join(directory, "1/2/3/4/5/6/7/8")
        os.makedirs(start)
    # The reading end of a pipe whose writing end only this process has: gdb is to end when we do.
    reading, writing = os.pipe()
    follow = ["-iex", f"python {_FOLLOW.format(fd=reading, signal=int(signal.SIGTERM))}"]
    command = [gdb, "-nx", "-q", "-batch", *light_options(), *_NO_THREAD_DB, *follow, *options, "-x", init_file()]
    job = f"pyfin batch {json.dumps(dict(request, result=result))}"
    for line in (*commands, f"python import os; os.write(1, {_LOOKING.encode()!r})", job, *afterwards):
        command += ["-ex", line]
    started = time.monotonic()
    with open(log, "wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=gdb_environment(os.environ),
                cwd=start,
                pass_fds=(reading,),
                start_new_session=True,  # out of reach of Control-C: we pass it on
            )
        except OSError as error:
            os.close(writing)
            raise CliError(f"cannot execute {gdb}: {error.strerror}") from None
        finally:
            os.close(reading)
    try:
        _limit(process.pid, memory)
        meanwhile(0.0)
        in_time = _wait(process, timeout, stop, log, meanwhile)
    except BaseException:
        _end(process, log)
        raise
    finally:
        os.close(writing)
    return _outcome(gdb, result, _read(log).replace(_LOOKING, "", 1), in_time, timeout, time.monotonic() - started)


#: libthread_db tells nothing that a verdict needs, and goes round in circles when the C library's list of threads does.
_NO_THREAD_DB = ("-iex", "set libthread-db-search-path /nonexistent")

#: What gdb has in its log when it is through with the commands before the job: it has attached.
_LOOKING = "[looking]\n"

#: When the other end of this descriptor is closed, gdb gets the signal; at that one it lets go of a process.
_FOLLOW = (
    "import fcntl, os;"
    "fcntl.fcntl({fd}, fcntl.F_SETOWN, os.getpid());"
    "fcntl.fcntl({fd}, 10, {signal});"  # F_SETSIG
    "fcntl.fcntl({fd}, fcntl.F_SETFL, os.O_ASYNC)"
)


def _limit(pid: int, memory: int) -> None:
    """Bound what gdb may use: a damaged core can promise it anything."""
    bound = MEMORY + MEMORY_FACTOR * memory
    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        _soft, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or hard > bound:
            resource.prlimit(pid, resource.RLIMIT_AS, (bound, hard))
    except (OSError, ValueError):
        pass  # gdb has ended already


def _wait(
    process: "subprocess.Popen[bytes]", timeout: float, stop: Optional[int], log: str, meanwhile: Callable[[float], None]
) -> bool:
    """Wait for gdb; after ``timeout`` seconds interrupt its job, and return False."""
    poll = select.poll()
    if stop is not None:
        poll.register(stop, select.POLLIN)
    ended = os.pidfd_open(process.pid)  # Linux 5.3
    try:
        poll.register(ended, select.POLLIN)
        began = time.monotonic()
        ready: List[int] = []
        passed = 0.0
        while not ready and passed < timeout:
            ready = [descriptor for descriptor, _event in poll.poll(1000 * min(timeout - passed, 1.0))]
            passed = time.monotonic() - began
            if not ready:
                meanwhile(passed)
    finally:
        os.close(ended)
    if ended in ready:
        process.wait()
        return True
    if ready:
        raise KeyboardInterrupt
    _end(process, log)
    return False


def _end(process: "subprocess.Popen[bytes]", log: str) -> None:
    """End gdb: asked to, it lets go of a process first; or else by force.

    Not by SIGINT, which gdb may pass on to the process that it has. While it attaches (or reads what it has attached
    to) any signal comes out as one: then by force at once. The kernel lets go of a process whose tracer is gone.
    """
    asked = (signal.SIGTERM,) if _LOOKING in _read(log) else ()
    for number in (*asked, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(GRACE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass  # asked again: less patience
    process.wait()


def _outcome(gdb: str, result: str, log: str, in_time: bool, timeout: float, seconds: float) -> Look:
    try:
        document = json.loads(_read(result))
    except (ValueError, RecursionError):
        document = None
    if not in_time:
        return Look(None, f"gdb was not done within {timeout:g} seconds, and was stopped", seconds, log)
    if isinstance(document, dict) and document:
        return Look(document, None, seconds, log)
    return Look(None, _failure(gdb, log), seconds, log)


def _failure(gdb: str, log: str) -> str:
    """Return one sentence on a gdb that left no answer."""
    if "virtual memory exhausted" in log or "MemoryError" in log:
        return "gdb would have needed more memory than it may use"
    if "internal-error" in log:
        line = next(line for line in log.splitlines() if "internal-error" in line)
        return f"gdb failed inside ({last_words(line)})"
    return explain_failure(gdb, log)


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 30).decode("utf-8", "replace")
    except OSError:
        return ""
