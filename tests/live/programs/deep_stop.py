"""Stops itself deep in calls of the interpreter's and of extension modules, some of them loaded on the way."""

import _ctypes  # noqa: F401
import json
import os
import signal
import zlib  # noqa: F401  # an extension module in most builds


class Thing:
    def __lt__(self, other):
        os.kill(os.getpid(), signal.SIGUSR1)
        return False


json.dumps(0, default=lambda _thing: sorted([Thing(), Thing()]))
json.dumps(Thing(), default=lambda _thing: sorted([Thing(), Thing()]) and 0)
