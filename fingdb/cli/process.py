"""What the kernel tells of a running process, without touching it (proc(5))."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Dict, List, Optional

from ..elf import ElfError, open_elf
from .errors import CliError

_DELETED = " (deleted)"


@dataclass(frozen=True)
class Process:
    """A process as it was when it was looked at. ``state`` is the letter of proc(5); ``tracer`` 0 for none."""

    pid: int
    name: str
    state: str
    tracer: int
    uid: int
    kernel_thread: bool

    @property
    def stopped(self) -> bool:
        """Whether it was stopped by a signal such as SIGSTOP."""
        return self.state == "T"


def process(pid: int) -> Process:
    """Return the process of that id, or the one that the thread of that id belongs to. Raises CliError."""
    fields = _status(pid)
    leader = int(fields.get("Tgid", pid))
    if leader != pid:
        fields = _status(leader)
    return Process(
        pid=leader,
        name=fields.get("Name", ""),
        state=fields.get("State", "?")[:1],
        tracer=int(fields.get("TracerPid", "0")),
        uid=int(fields.get("Uid", "0").split()[0]),
        # User processes have memory of their own.
        kernel_thread="VmSize" not in fields and fields.get("State", "?")[:1] not in ("Z", "X"),
    )


def _status(pid: int) -> Dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(":\t", 1) for line in file]
    except (FileNotFoundError, ProcessLookupError):
        raise CliError(f"there is no process {pid}") from None
    except OSError as error:
        raise CliError(f"cannot look at process {pid}: {error.strerror}") from None
    return {row[0]: row[1] for row in rows if len(row) == 2}


def stops(pid: int) -> bool:
    """Tell whether a process is stopped by a signal, or a thread of it has yet to take a SIGSTOP. Raises CliError."""
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        raise CliError(f"there is no process {pid}") from None
    for thread in threads:
        try:
            fields = _status(thread)
        except CliError:
            continue  # the thread has ended
        pending = int(fields.get("SigPnd", "0"), 16) | int(fields.get("ShdPnd", "0"), 16)
        if fields.get("State", "?")[:1] == "T" or pending >> signal.SIGSTOP - 1 & 1:
            return True
    return False


def executable(pid: int) -> str:
    """Return a path that opens the executable of a process; one that was replaced opens through /proc.

    Raises PermissionError when the kernel does not let us see it.
    """
    path = os.readlink(f"/proc/{pid}/exe")
    mine = root(pid) + path
    return f"/proc/{pid}/exe" if path.endswith(_DELETED) or not os.path.isfile(mine) else mine


def root(pid: int) -> str:
    """Return what to put before a path of the process: "" unless it lives in files of its own (a container)."""
    try:
        same = os.stat(f"/proc/{pid}/root") == os.stat("/") and os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink(
            "/proc/self/ns/mnt"
        )
    except OSError:
        return ""
    return "" if same else f"/proc/{pid}/root"


def mapped_files(pid: int) -> List[str]:
    """Return the paths of the files that are mapped into a process, as it sees them. Raises OSError."""
    found: Dict[str, None] = {}
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            words = line.rstrip("\n").split(None, 5)
            if len(words) == 6 and words[5].startswith("/"):
                found.setdefault(words[5].replace("\\012", "\n"))  # the one character that the kernel escapes
    return list(found)


def may_be_python(pid: int) -> bool:
    """Tell whether a process may have CPython in it: False only if surely not. Raises OSError."""
    before = root(pid)
    for path in mapped_files(pid):
        if "python" in os.path.basename(path).lower():
            return True
        try:
            elf = open_elf(before + path)
        except ElfError:
            if path.endswith(_DELETED):
                return True
            continue
        if elf.section(".PyRuntime") or any(elf.has_string(table, "_PyRuntime") for table in (".dynstr", ".strtab")):
            return True
    return False


def deleted_libraries(pid: int) -> List[str]:
    """Return the libraries of a process that were replaced or removed after it had loaded them."""
    try:
        files = mapped_files(pid)
    except OSError:
        return []
    return [f[: -len(_DELETED)] for f in files if f.endswith(_DELETED) and ".so" in f]


def why_refused(found: Process) -> str:
    """Return one sentence on why the kernel does not let us trace a process, with what helps."""
    who = f"the kernel does not let fingdb trace process {found.pid}"
    if found.uid != os.geteuid() and os.geteuid() != 0:
        return f"{who}, which belongs to another user: try `sudo fingdb attach {found.pid}`"
    scope = _yama()
    if scope == "3":
        return f"{who}: /proc/sys/kernel/yama/ptrace_scope is 3, which forbids it until the next boot"
    if scope in ("1", "2") and os.geteuid() != 0:
        return (
            f"{who}: /proc/sys/kernel/yama/ptrace_scope is {scope}; try `sudo fingdb attach {found.pid}`,"
            " or `sudo sysctl kernel.yama.ptrace_scope=0`"
        )
    return f"{who}: in a container it takes --cap-add=SYS_PTRACE, and a program may forbid it (PR_SET_DUMPABLE)"


def _yama() -> Optional[str]:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None
