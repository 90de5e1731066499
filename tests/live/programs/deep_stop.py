"""Stops itself deep in calls of the interpreter's and of extension modules, some of them loaded on the way."""

import _ctypes
import json
import os
import signal

# Files of the C library that come and go again, and one that stays.
for name, stays in ("libanl.so.1", False), ("libBrokenLocale.so.1", False), ("libresolv.so.2", True):
    try:
        handle = _ctypes.dlopen(name, 2)
        stays or _ctypes.dlclose(handle)
    except OSError:
        pass  # another C library

import zlib  # noqa: E402, F401  # an extension module in most builds


class Thing:
    def __lt__(self, other):
        os.kill(os.getpid(), signal.SIGUSR1)
        return False


json.dumps(0, default=lambda _thing: sorted([Thing(), Thing()]))
json.dumps(Thing(), default=lambda _thing: sorted([Thing(), Thing()]) and 0)
