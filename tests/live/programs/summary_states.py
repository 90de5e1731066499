"""Stops itself once with known threads, modules and objects, then ends.

Writes what it is to the file named by its argument.
"""

import gc
import json
import os
import signal
import sys
import threading
import types


class Thing:
    pass


def hold(started, release):
    started.set()
    release.wait()


def innermost():
    return os.kill(os.getpid(), signal.SIGUSR1)


def outer():
    return innermost()


def main():
    gc.disable()
    release = threading.Event()
    for name in ("waiting", "esc\x1b[31m\u202e"):
        started = threading.Event()
        threading.Thread(target=hold, args=(started, release), name=name, daemon=True).start()
        started.wait()
    sys.modules["a-module-of-ours"] = types.ModuleType("a-module-of-ours")
    sys.modules["set-to-none"] = None
    keep = [Thing() for _ in range(1234)]
    truth = {
        "modules": list(sys.modules),
        "threads": [t.name for t in threading.enumerate()],
        "threshold": list(gc.get_threshold()),
        "frozen": gc.get_freeze_count(),
        "lines": {"innermost": innermost.__code__.co_firstlineno + 1, "outer": outer.__code__.co_firstlineno + 1},
    }
    with open(sys.argv[1], "w") as file:
        json.dump(truth, file)
    outer()
    gc.enable()
    keep.clear()


main()
