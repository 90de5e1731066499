"""What becomes of a thread that asks for the GIL after finalization has begun, as an interpreter itself shows it."""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache

from .interpreters import Interpreter
from .shared import locked

#: A thread comes back from a read() when modules are torn down. It is ended before long, or it stays.
_PROGRAM = """
import os, threading, time

class Last:
    def __init__(self, write_to):
        self.write_to, self.write, self.sleep, self.listdir = write_to, os.write, time.sleep, os.listdir

    def __del__(self):
        self.write(self.write_to, b"x")
        for _ in range(20):
            if len(self.listdir("/proc/self/task")) == 1:
                return
            self.sleep(0.05)
        self.write(1, b"sleeps")

read_from, write_to = os.pipe()
last = Last(write_to)
threading.Thread(target=os.read, args=(read_from, 1), daemon=True).start()
"""


@lru_cache(maxsize=None)
def sleep_for_ever(python: Interpreter) -> bool:
    """Tell whether such threads sleep for ever (PyThread_hang_thread), and are not ended by pthread_exit().

    So it is from 3.14 on, and in late releases of 3.13: the change (gh-87135) was made there too. No version tells.
    """
    with locked(f"late-threads-{python.label}") as directory:
        kept = directory / "sleeps.json"
        if not kept.exists():
            done = subprocess.run([python.path, "-c", _PROGRAM], stdout=subprocess.PIPE, timeout=60, check=True)
            kept.write_text(json.dumps(done.stdout == b"sleeps"))
        return bool(json.loads(kept.read_text()))
