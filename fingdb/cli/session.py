"""One run of a program under a gdb that nobody sees.

The launcher makes a private directory, writes there how the program is to be started, and starts gdb with its
input closed and its output in a log. The program gets the launcher's own standard streams (see
`trampoline`). When gdb has ended, its result lies in the directory.
"""

from __future__ import annotations

import fcntl
import json
import marshal
import os
import shlex
import signal
import sys
import time
from typing import Callable, Dict, List, NamedTuple, NoReturn, Optional

from .errors import CliError
from .gdb_program import explain_failure, gdb_environment, init_file, light_options, own_failure, plugin_failure
from .program import Launch
from .surroundings import RESTORED, Surroundings

#: Beyond the time given to the program, gdb gets this long (seconds) to say what it found.
GRACE = 60.0

_PTRACE_REFUSED = "ptrace: Operation not permitted"

_JOB_CONTROL = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_SENT_BY_KERNEL = 0x80  # SI_KERNEL: a key on the terminal, so the program got it too

#: Fatal signals stop in gdb, so that the step that was running can be told; all others go straight through.
SIGNAL_COMMANDS = (
    "handle all nostop print pass",
    "handle SIGINT nostop print pass",
    "handle SIGSEGV SIGBUS SIGFPE SIGILL SIGABRT SIGSYS stop print pass",
)


class Outcome(NamedTuple):
    """What a run left: the result document of `pyfin batch`, or one sentence about why there is none."""

    result: Optional[Dict[str, object]]
    failure: Optional[str]


def trace(
    gdb: str,
    launch: Launch,
    surroundings: Surroundings,
    environment: List[bytes],
    request: Dict[str, object],
    extra_options: List[str],
    meanwhile: Callable[[], None],
) -> Outcome:
    """Run a program under gdb and return what `pyfin batch` made of it.

    ``request`` goes to `pyfin batch` with the key ``result`` added; its key ``timeout`` is in seconds
    or None. ``meanwhile`` is called while gdb works. Raises CliError when nothing could be started.
    """
    directory = _private_directory()
    try:
        with _Session(directory, gdb, launch, surroundings, environment) as session:
            session.start(request, extra_options)
            meanwhile()
            timeout = request.get("timeout")
            session.wait(float(timeout) + GRACE if isinstance(timeout, (int, float)) else None)
            return session.outcome()
    finally:
        _remove(directory)


class _Session:
    def __init__(
        self, directory: str, gdb: str, launch: Launch, surroundings: Surroundings, environment: List[bytes]
    ) -> None:
        self.directory = directory
        self.gdb = gdb
        self.launch = launch
        self.surroundings = surroundings
        self.environment = environment
        self.pid = 0
        self.overdue = False
        self.waiting: List[int] = []  # signals for a program that has not started yet
        self.ended = False

    def __enter__(self) -> "_Session":
        # Signals are taken from the queue by `wait`, so none of them can hit us half way.
        self.signals = {signal.SIGCHLD}
        for number in _FORWARDED + _JOB_CONTROL:
            if signal.getsignal(number) != signal.SIG_IGN:
                self.signals.add(number)
        signal.pthread_sigmask(signal.SIG_BLOCK, self.signals)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.pid and not self.ended:
            _kill(self.pid, signal.SIGKILL)  # takes the program with it: gdb asks the kernel for that
            self._reap(0)
        # What arrived between the end and now was for a program that is gone.
        while signal.sigtimedwait(self.signals, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self.surroundings.signal_mask)

    def start(self, request: Dict[str, object], extra_options: List[str]) -> None:
        """Start gdb."""
        streams = [n for n in range(3) if n in self.surroundings.files]
        saved = {n: _high(n) for n in streams}
        # The reading end of a pipe whose writing end only this process has: gdb asks for SIGKILL when we die.
        reading, _writing = os.pipe()
        lifeline = _high(reading)
        self._write_spec(saved, lifeline)
        request = dict(request, result=os.path.join(self.directory, "result.json"))
        command = [self.gdb, "-nx", "-q", "-batch", *light_options()]
        command += ["-iex", f"set exec-wrapper {self._wrapper()}"]
        command += ["-iex", "set disable-randomization off", "-iex", "set startup-with-shell on"]
        command += ["-iex", f"python {_FOLLOW_LAUNCHER.format(fd=lifeline)}", *extra_options]
        command += ["-x", init_file()]
        for line in SIGNAL_COMMANDS:
            command += ["-ex", line]
        command += ["-ex", f"pyfin batch {json.dumps(request)}"]
        if "executable" not in request:  # or `pyfin batch` will tell gdb, without reading symbols
            command += ["--args", self.launch.elf]
        log = os.path.join(self.directory, "log")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Not posix_spawn: glibc's leaves an internal signal ignored in whatever it starts.
        self.pid = os.fork()
        if not self.pid:
            self._become_gdb(command, log)
        for descriptor in (*saved.values(), lifeline, reading):
            os.close(descriptor)

    def _become_gdb(self, command: List[str], log: str) -> NoReturn:
        status = 127
        try:
            os.setpgid(0, 0)  # out of reach of Control-C, which is for the program
            nothing = os.open(os.devnull, os.O_RDONLY)
            written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for number, source in ((0, nothing), (1, written), (2, written)):
                os.dup2(os.dup(source), number)  # of a copy: a number onto itself would stay closed on exec
            signal.pthread_sigmask(signal.SIG_SETMASK, [])  # gdb waits for SIGCHLD
            os.execve(self.gdb, command, gdb_environment(os.environ))
        except OSError as error:
            os.write(2, f"cannot execute {self.gdb}: {error.strerror}\n".encode())
        finally:
            os._exit(status)

    def _write_spec(self, saved: Dict[int, int], lifeline: int) -> None:
        spec = {
            "path": self.launch.path,
            "argv": list(self.launch.argv),
            "environment": self.environment,
            "streams": [(n, saved.get(n)) for n in (0, 1, 2)],
            "close": [*saved.values(), lifeline],
            "process_group": self.surroundings.process_group,
            "signals": [(int(s), s in self.surroundings.ignored) for s in RESTORED],
            "mask": sorted(self.surroundings.signal_mask),
        }
        try:
            with open(os.path.join(self.directory, "spec"), "wb") as file:
                marshal.dump(spec, file)
        except OSError as error:
            raise CliError(f"cannot write into {self.directory}: {error.strerror}") from None

    def _wrapper(self) -> str:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trampoline.py")
        return shlex.join([sys.executable, "-I", "-S", "-B", script, self.directory])

    def wait(self, limit: Optional[float]) -> None:
        """Wait for gdb to end, and hand the program the signals that were meant for it."""
        deadline = None if limit is None else time.monotonic() + limit
        while not self._reap(os.WNOHANG):
            left = 3600.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                self.overdue = True
                return
            if self.waiting:
                left = min(left, 0.05)
            got = signal.sigtimedwait(self.signals, left)
            if got is not None and got.si_signo in _JOB_CONTROL:
                self._pause(got.si_signo)
            elif got is not None and got.si_signo != signal.SIGCHLD and not _went_to_all(got):
                self.waiting.append(got.si_signo)
            self._forward()

    def _reap(self, flags: int) -> bool:
        try:
            pid, _status = os.waitpid(self.pid, flags)
        except ChildProcessError:
            pid = self.pid
        self.ended = self.ended or pid == self.pid
        return self.ended

    def _forward(self) -> None:
        while self.waiting:
            pid = self._program()
            if pid is None:
                return
            _kill(pid, self.waiting.pop(0))

    def _program(self) -> Optional[int]:
        """Return the program's process id while gdb has it."""
        try:
            with open(os.path.join(self.directory, "pid"), "rb") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/status", "rb") as file:
                status = file.read()
        except (OSError, ValueError):
            return None
        return pid if b"\nTracerPid:\t%d\n" % self.pid in status else None

    def _pause(self, number: int) -> None:
        """Stop as a job stops: gdb first, which then holds the program at the signal it got too."""
        _kill(self.pid, signal.SIGSTOP)
        signal.signal(number, signal.SIG_DFL)
        _kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])  # here we stop, and go on when the shell says so
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        _kill(self.pid, signal.SIGCONT)

    def outcome(self) -> Outcome:
        """Return what gdb left."""
        failed = self._read("failed")
        if failed:
            name = os.fsdecode(self.launch.path)
            return Outcome(None, f"cannot execute {name}: {failed}")
        try:
            result = json.loads(self._read("result.json"))
        except ValueError:
            result = None
        log = self._read("log")
        if not isinstance(result, dict) and self.overdue:
            return Outcome(None, "gdb did not end in time, and was killed together with the program")
        if (not isinstance(result, dict) or result.get("error")) and _PTRACE_REFUSED in log:
            return Outcome(None, "the kernel does not let gdb trace a program here (" + _PTRACE_REFUSED + ")")
        if not isinstance(result, dict) or not result:
            return Outcome(None, explain_failure(self.gdb, log))
        ours = plugin_failure(log)
        if ours:
            result["error"] = ours  # what is missing in the report, or was not found, may be there
        failure = own_failure(log)
        notes = result.get("notes")
        if failure and isinstance(notes, list):
            notes.append(failure)  # it went on, but something may be missing
        return Outcome(result, None)

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self.directory, name), "rb") as file:
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


#: When the other end of this descriptor is closed, gdb gets the signal that cannot be refused. With gdb
#: the kernel kills the program too (PTRACE_O_EXITKILL).
_FOLLOW_LAUNCHER = (
    "import fcntl, os;"
    "fcntl.fcntl({fd}, fcntl.F_SETOWN, os.getpid());"
    "fcntl.fcntl({fd}, 10, 9);"  # F_SETSIG, SIGKILL
    "fcntl.fcntl({fd}, fcntl.F_SETFL, os.O_ASYNC)"
)


def _went_to_all(got: "signal.struct_siginfo") -> bool:
    """Tell whether the kernel sent a signal to the program as well, for it is in our process group.

    That a terminal is gone it tells the leader of the session alone.
    """
    to_leader = got.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid()
    return got.si_code == _SENT_BY_KERNEL and not to_leader


def _high(descriptor: int) -> int:
    """Return an inheritable copy of a descriptor, out of the way of those that gdb opens if so many are allowed."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100)
    except OSError:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it ended meanwhile


def _private_directory() -> str:
    problem = ""
    for parent in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp"):
        if parent:
            path = os.path.join(os.path.abspath(parent), f"fingdb-{os.getpid()}-{os.urandom(6).hex()}")
            try:
                os.mkdir(path, 0o700)
                return path
            except OSError as error:
                problem = problem or f"{parent}: {error.strerror}"
    raise CliError(f"cannot make a temporary directory ({problem})")


def _remove(directory: str) -> None:
    for name in os.listdir(directory):
        try:
            os.unlink(os.path.join(directory, name))
        except OSError:
            pass
    try:
        os.rmdir(directory)
    except OSError:
        pass
