"""A program that tells everything it finds around itself. Run as a file, on every version from 3.8 on.

Prints one `name: repr` a line to the file that its first argument names.
"""

import os
import resource
import signal
import sys
from typing import Dict, List


def observations() -> Dict[str, object]:
    """Return what this process can see of how it was started."""
    seen: Dict[str, object] = {}
    seen["argv"] = sys.argv
    seen["orig_argv"] = getattr(sys, "orig_argv", None)
    seen["flags"] = str(sys.flags)
    seen["executable"] = (sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix)
    seen["path"] = sys.path
    for name in ("environ", "cmdline", "comm", "personality", "limits", "cgroup", "oom_score_adj"):
        seen[name] = _read(f"/proc/self/{name}")
    seen["exe"] = os.readlink("/proc/self/exe")
    seen["files"] = _files()
    seen["status"] = _status()
    seen["directory"] = os.getcwd()
    seen["group and session"] = (os.getpgrp(), os.getsid(0))
    seen["niceness"] = os.nice(0)
    seen["terminals"] = [os.isatty(number) for number in (0, 1, 2)]
    seen["handlers"] = [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())]
    seen["mask"] = sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    seen["core"] = resource.getrlimit(resource.RLIMIT_CORE)
    seen["timer"] = signal.getitimer(signal.ITIMER_REAL)
    return seen


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return str(error).encode()


def _files() -> List[object]:
    found: List[object] = []
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            where = os.readlink(f"/proc/self/fd/{number}")
            flags = [line for line in _read(f"/proc/self/fdinfo/{number}").splitlines() if b"flags" in line]
        except OSError:
            continue  # the directory that was listed
        # Pipes of two runs have different numbers.
        found.append((number, where.split(":")[0], flags, os.get_inheritable(number)))
    return found


def _status() -> List[bytes]:
    wanted = (
        b"SigP",
        b"SigB",
        b"SigI",
        b"SigC",
        b"Shd",
        b"Umask",
        b"Groups",
        b"Uid",
        b"Gid",
        b"Cap",
        b"NoNewPrivs",
        b"Seccomp",
        b"Threads",
    )
    return [line for line in _read("/proc/self/status").splitlines() if line.startswith(wanted)]


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8", errors="surrogateescape") as output:
        for name, value in observations().items():
            output.write(f"{name}: {value!a}\n")
