"""``fingdb check --follow-children``: what the launcher prepares, waits for and collects."""

from __future__ import annotations

import glob
import json
import os
import sys
import time
from typing import Dict, List, Optional

from .errors import CliError
from .gdb_program import INDEX_CACHE, find_gdb, init_file, last_words, light_options
from .session import SIGNAL_COMMANDS
from .shepherd import is_python

#: Children may outlive the program; no longer (seconds) are they waited for.
LINGER = 60.0
#: When their time is over their debuggers have so long (seconds) for a report.
_GRACE = 20.0
#: Nothing is followed for longer than this.
_EVER = 7 * 86400.0


class Family:
    """The processes that one run of a program makes."""

    def __init__(self, directory: str, gdb: Optional[str], timeout: Optional[float]) -> None:
        """Prepare for a run in a directory of one's own. Raises CliError where the kernel lets nobody attach to them."""
        _need_permission()
        self._end = time.monotonic() + (timeout if timeout is not None else _EVER)
        self._directory = directory
        job = {
            "mode": "check", "until": self._end, "pid": "@PID@", "result": os.path.join(self._directory, "child-@PID@.json"),
            "follow": self.request(),
        }  # fmt: skip
        command = [find_gdb(gdb), "-nx", "-q", "-batch", *light_options(), *INDEX_CACHE]
        command += ["-x", init_file()]
        for line in SIGNAL_COMMANDS:
            command += ["-ex", line]
        command += ["-ex", f"pyfin batch {json.dumps(job)}"]
        with open(os.path.join(self._directory, "follow.json"), "w", encoding="utf-8") as file:
            json.dump({"gdb": command, "until": self._end}, file)

    def request(self) -> Dict[str, object]:
        """Return what the debugger must know."""
        return {"directory": self._directory, "python": sys.executable}

    def collect(self) -> List[Dict[str, object]]:
        """Wait for what is still followed, as long as there is time; return the reports of the Pythons among them.

        A process without a result gets a document with the key ``error`` and its ``pid``.
        """
        self._wait(min(self._end, time.monotonic() + LINGER))
        with open(os.path.join(self._directory, "stop"), "w", encoding="utf-8"):
            pass
        self._wait(time.monotonic() + _GRACE)
        found: List[Dict[str, object]] = []
        for path in sorted(glob.glob(os.path.join(self._directory, "started-*")), key=os.path.getmtime):
            pid = int(path.rpartition("-")[2])
            result = self._result(pid)
            if not _became_another(result):
                found.append(result)
        return found

    def _wait(self, deadline: float) -> None:
        while self._waiting() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _waiting(self) -> bool:
        return any(
            not os.path.exists(path.replace("/born-", "/over-"))
            for path in glob.glob(os.path.join(self._directory, "born-*"))
        )

    def _result(self, pid: int) -> Dict[str, object]:
        try:
            with open(os.path.join(self._directory, f"child-{pid}.json"), encoding="utf-8") as file:
                document = json.load(file)
            if isinstance(document, dict):
                return {**document, "pid": pid}
        except (OSError, ValueError):
            pass
        try:
            with open(os.path.join(self._directory, f"log-{pid}"), encoding="utf-8", errors="replace") as file:
                said = last_words(file.read())
        except OSError:
            said = ""
        return {"pid": pid, "error": "it was not followed to its end" + (f" ({said})" if said else "")}


def _became_another(result: Dict[str, object]) -> bool:
    """Tell whether a child was a Python by fork() only, and executed another program before anything was to be said.

    Up to 3.8 that is what `subprocess` does.
    """
    if any(result.get(key) for key in ("error", "findings", "steps", "verdict")):
        return False
    target = result.get("target")
    executable = target.get("executable") if isinstance(target, dict) else None
    return isinstance(executable, str) and not is_python(executable)


def _need_permission() -> None:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            scope = int(file.read())
    except (OSError, ValueError):
        return
    if scope and os.geteuid():
        raise CliError(
            "--follow-children needs to attach to processes, which the kernel forbids here "
            f"(kernel.yama.ptrace_scope is {scope}): run as root, or set it to 0"
        )
