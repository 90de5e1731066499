"""What a program finds around itself when it starts: environment, open files, signals.

Read as early as possible, before the launcher changes any of it, so that the program under
gdb can be given exactly the same.
"""

from __future__ import annotations

import os
import signal
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Set

#: Python ignores these from its start, whatever they were before.
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
#: Signals whose disposition is restored explicitly. While SIGCHLD is ignored nobody can wait for a child.
RESTORED = (*_PYTHON_IGNORES, signal.SIGCHLD)


class Surroundings(NamedTuple):
    """``environment`` has the raw entries in their order; ``files`` the inherited descriptors."""

    environment: List[bytes]
    files: FrozenSet[int]
    process_group: int
    signal_mask: FrozenSet[int]
    #: Which of RESTORED are ignored in the eyes of whoever started this process.
    ignored: FrozenSet[int]

    def variables(self) -> Dict[bytes, bytes]:
        """Return the environment by name, the first of entries of the same name as getenv does."""
        found: Dict[bytes, bytes] = {}
        for entry in self.environment:
            name, equals, value = entry.partition(b"=")
            if equals:
                found.setdefault(name, value)
        return found


def read_surroundings() -> Surroundings:
    """Return the surroundings of this process as whoever started it made them.

    ``scripts/fingdb`` is a shell script, and a shell reorders and adds to the environment. It leaves a
    copy of what it got in a file, and says so in FINGDB_ENVIRON.
    """
    copy = os.environ.pop("FINGDB_ENVIRON", "")
    ignored_mask = os.environ.pop("FINGDB_SIGIGN", "")
    if os.path.basename(copy) != f"fingdb-environ.{os.getpid()}":
        copy = ignored_mask = ""  # inherited from another run, or not ours
    ignored = {int(s) for s in _PYTHON_IGNORES if _in_mask(s, ignored_mask)}
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        ignored.add(signal.SIGCHLD)
    return Surroundings(
        environment=_environment(copy),
        files=frozenset(_inherited_files()),
        process_group=os.getpgrp(),
        signal_mask=frozenset(int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        ignored=frozenset(ignored),
    )


def discard_copy() -> None:
    """Remove the copy of the environment that `read_surroundings` was to read, when it came to nothing before that."""
    copy = os.environ.pop("FINGDB_ENVIRON", "")
    if os.path.basename(copy) == f"fingdb-environ.{os.getpid()}":
        try:
            os.unlink(copy)
        except OSError:
            pass


def with_underscore(environment: List[bytes], ours: List[Optional[str]], program: bytes) -> List[bytes]:
    """Return the environment with ``_`` as a shell would have set it for the program.

    Shells put the path of the command they start there: ours, where a bare run has the program's. An entry
    that names something else was not set by a shell for us, and stays.
    """
    names = {os.fsencode(path) for path in ours if path}
    return [b"_=" + program if e[:2] == b"_=" and e[2:] in names else e for e in environment]


def _environment(copy: str) -> List[bytes]:
    data: Optional[bytes] = None
    for path in (copy, "/proc/self/environ"):
        try:
            if path and data is None:
                with open(path, "rb") as file:
                    data = file.read()
        except OSError:
            pass
    if copy:
        try:
            os.unlink(copy)
        except OSError:
            pass
    if data is None:
        return [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in os.environ.items()]
    return data.split(b"\0")[:-1]  # each entry ends with a NUL


def _inherited_files() -> Set[int]:
    # Everything that Python itself opens is closed on exec (PEP 446); what is not was there before.
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.add(int(name))
        except OSError:
            pass  # the directory that listdir had open
    return found


def _in_mask(number: int, mask: str) -> bool:
    try:
        return bool(int(mask or "0", 16) >> (number - 1) & 1)
    except ValueError:
        return False
