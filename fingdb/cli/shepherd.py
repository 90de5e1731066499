"""Leads one new process to a gdb of its own. Run as a file by the gdb that follows its parent.

The process is stopped (SIGSTOP) and traced by nobody. What is a Python already, a forked child, goes to gdb as
it is. Any other is traced until it executes a Python: a child of vfork() shares its parent's memory until then,
where a debugger must not touch anything, and a shell may start a Python in the end. Its children are led the
same way. Whatever fails, the process is let go.

    shepherd.py PID fork|other DIRECTORY

``follow.json`` in the directory has ``gdb``, the words of the command in which ``@PID@`` stands for the process,
and ``until``, the time (of the monotonic clock) when to give up; a file ``stop`` says that it has come.
``started-PID`` there says that a gdb was started for a process; its result is ``child-PID.json``.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from typing import Dict, List, Optional, Set

#: So long (seconds) the debugger of the parent may take to let the process go.
PATIENCE = 20.0
#: So long (seconds) a debugger may take to write its report when the time is over.
GRACE = 15.0

_CONT, _ATTACH, _DETACH, _SETOPTIONS = 7, 16, 17, 0x4200
_FORK, _VFORK, _CLONE, _EXEC = 1, 2, 3, 4
#: PTRACE_O_TRACEFORK, TRACEVFORK, TRACEEXEC: not TRACECLONE, threads of a program that is no Python do as they like.
_OPTIONS = 1 << _FORK | 1 << _VFORK | 1 << _EXEC
_WALL = 0x40000000


class Shepherd:
    """Traces processes until they execute a Python, and starts a gdb for each that does."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        with open(os.path.join(directory, "follow.json"), encoding="utf-8") as file:
            job = json.load(file)
        self.command: List[str] = job["gdb"]
        self.until = float(job["until"])
        self.debuggers: List[subprocess.Popen[bytes]] = []
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.restype = ctypes.c_long
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._traced: Set[int] = set()
        #: Processes whose first stop has still to come: it is ptrace's own.
        self._fresh: Set[int] = set()
        self._known: Set[int] = set()
        #: Processes that were sent the SIGSTOP they are to be left in.
        self._leaving: Set[int] = set()

    def give_to_gdb(self, pid: int) -> None:
        """Start a gdb for a stopped process that nobody traces."""
        words = [word.replace("@PID@", str(pid)) for word in self.command]
        with open(os.path.join(self.directory, f"started-{pid}"), "w", encoding="utf-8"):
            pass
        with open(os.path.join(self.directory, f"log-{pid}"), "wb") as log:
            self.debuggers.append(
                subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            )

    def lead(self, pid: int) -> None:
        """Trace a stopped process, and all that it starts, until each has ended or executed a Python."""
        if self._ptrace(_ATTACH, pid):
            _let_go(pid)
            return
        self._traced.add(pid)
        self._fresh.add(pid)
        try:
            while self._traced:
                self._next()
        finally:
            for left in self._traced:
                self._ptrace(_DETACH, left)
                _let_go(left)

    def _next(self) -> None:
        """Wait for one event, and answer it."""
        flags = _WALL | os.WNOHANG
        try:
            pid, status = os.waitpid(-1, flags)
        except ChildProcessError:
            self._traced.clear()
            return
        if not pid:
            if self._over():
                raise TimeoutError
            time.sleep(0.002)
            return
        if any(debugger.pid == pid for debugger in self.debuggers):
            return
        if not os.WIFSTOPPED(status):
            self._traced.discard(pid)
            return
        self._traced.add(pid)
        self._stopped(pid, os.WSTOPSIG(status), status >> 16)

    def _stopped(self, pid: int, number: int, event: int) -> None:
        deliver = number
        if event == _EXEC:
            deliver = 0
            if is_python(f"/proc/{pid}/exe"):
                os.kill(pid, signal.SIGSTOP)  # taken before the first instruction of the new program
                self._leaving.add(pid)
        elif event:
            deliver = 0
        elif pid in self._leaving and number == signal.SIGSTOP:
            self._leaving.discard(pid)
            self._traced.discard(pid)
            self._ptrace(_DETACH, pid, signal.SIGSTOP)
            if _wait_until_free(pid):
                self.give_to_gdb(pid)
            else:
                _let_go(pid)
            return
        elif number == signal.SIGSTOP and (pid in self._fresh or self._is_new(pid)):
            self._ptrace(_SETOPTIONS, pid, _OPTIONS)
            if pid in self._fresh:
                os.kill(pid, signal.SIGCONT)  # takes back every SIGSTOP that is still on its way
            self._fresh.discard(pid)
            deliver = 0
        elif number == signal.SIGCONT:
            deliver = 0  # ours
        self._ptrace(_CONT, pid, deliver)

    def _is_new(self, pid: int) -> bool:
        """Tell whether this is the first stop of a process that a traced one has made."""
        new = pid not in self._known
        self._known.add(pid)
        return new

    def _ptrace(self, request: int, pid: int, data: int = 0) -> int:
        return int(self._libc.ptrace(request, pid, None, data))

    def _over(self) -> bool:
        return time.monotonic() > self.until or os.path.exists(os.path.join(self.directory, "stop"))

    def finish(self) -> None:
        """Wait for the debuggers; they know themselves when the time is over."""
        deadline: Optional[float] = None
        while any(debugger.poll() is None for debugger in self.debuggers):
            if deadline is None and self._over():
                deadline = time.monotonic() + GRACE
            if deadline is not None and time.monotonic() > deadline:
                for debugger in self.debuggers:
                    debugger.terminate()  # lets its process go, too
                return
            time.sleep(0.01)


def is_python(path: str) -> bool:
    """Tell whether an executable has CPython in it, or needs its library."""
    from fingdb.finalization.runtime_module import runtime_library

    try:
        return runtime_library(os.path.realpath(path)) is not None
    except (OSError, ValueError):
        return False


def _status(pid: int) -> Optional[Dict[str, str]]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            lines = [line.split(":", 1) for line in file if ":" in line]
    except OSError:
        return None
    return {name: rest.strip() for name, rest in lines}


def _wait_until_free(pid: int) -> bool:
    """Wait until a process is stopped and traced by nobody; tell whether it came to that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = _status(pid)
        if status is None or status.get("State", "Z")[0] in "ZX":
            return False
        if status.get("TracerPid") == "0" and status["State"][0] == "T":
            return True
        time.sleep(0.001)
    return False


def _let_go(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except OSError:
        pass


def main(words: List[str]) -> int:
    """Lead the process; return 0."""
    pid, kind, directory = int(words[0]), words[1], words[2]
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    os.setsid()
    shepherd: Optional[Shepherd] = None
    try:
        shepherd = Shepherd(directory)
        if not _wait_until_free(pid):
            _let_go(pid)
        elif kind == "fork":
            shepherd.give_to_gdb(pid)
        else:
            shepherd.lead(pid)
    except BaseException:
        _let_go(pid)
        raise
    finally:
        if shepherd is not None:
            shepherd.finish()
        with open(os.path.join(directory, f"over-{pid}"), "w", encoding="utf-8"):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
