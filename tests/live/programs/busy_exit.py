"""A program whose end takes most of the ways through finalization: callbacks, an exit function, a daemon thread."""

import atexit
import ctypes
import threading

atexit.register(len, "")
# A C function for Py_AtExit that does nothing.
ctypes.pythonapi.Py_AtExit(ctypes.CDLL(None).getpid)
started = threading.Event()


def wait():
    started.set()
    threading.Event().wait()


threading.Thread(target=wait, daemon=True).start()
started.wait()


class Cycle:
    pass


cycle = Cycle()
cycle.itself = cycle
del cycle
