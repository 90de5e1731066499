"""Which interpreter a word on the command line means: a path, a name on PATH, or a version of this machine."""

from __future__ import annotations

import os
import re
import subprocess

from .errors import CliError
from .program import resolve

_VERSION = re.compile(r"3\.\d+(\.\d+)?([-.a-z0-9]*)\Z")


def interpreter(name: str) -> str:
    """Return the file to look at. Raises CliError.

    A script (a version manager's shim) is asked for what it starts; ``3.12``, ``3.11.2-debian`` are what
    `find_interpreters` finds under a label that begins so, the newest of them.
    """
    path = _file_of(name)
    if "\n" in path:
        raise CliError(f"{path} has a line break in its name, which no command of gdb can have")
    return path


def _file_of(name: str) -> str:
    if "/" in name and os.path.isfile(name) and not os.access(name, os.X_OK):
        return os.path.abspath(name)  # a library
    if _VERSION.match(name) and not os.path.exists(name):
        return _of_version(name)
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


def _of_version(wanted: str) -> str:
    from .interpreters import find_interpreters

    found = find_interpreters()
    fitting = [i for i in found if i.label == wanted or i.label.startswith((f"{wanted}.", f"{wanted}-"))]
    if not fitting:
        labels = ", ".join(i.label for i in found) or "none"
        raise CliError(f"there is no Python {wanted} on this machine (found: {labels})")
    # A release build before a debug build, debug information before none, then the newest.
    return max(fitting, key=lambda i: (i.label == wanted, not i.debug, i.has_debug_info, i.version)).path
