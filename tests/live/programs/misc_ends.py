"""Ends in the way that its first argument names."""

import atexit
import ctypes
import os
import sys
import threading
import time


def fork():
    """The child leaves by itself and finalizes."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)


def exit_in_atexit():
    atexit.register(os._exit, 9)


def fatal_in_atexit():
    """Py_FatalError itself calls functions that are steps elsewhere."""
    atexit.register(ctypes.pythonapi.Py_FatalError, b"no more")


class Last:
    """Does something when the modules are cleared."""

    def __init__(self, action):
        self.action = action

    def __del__(self, api=ctypes.pythonapi, kill=os.kill, getpid=os.getpid):
        if self.action == "crash":
            kill(getpid(), 11)
        elif self.action == "fatal":
            api.Py_FatalError(b"no more")
        elif self.action == "pause":
            kill(getpid(), 19)



def execute():
    os.execv(sys.executable, [sys.executable, "-c", "import atexit; atexit.register(len, '')"])


def threads():
    """Daemon threads that collect all the time, so that they run through the collector's steps too."""
    import gc

    def collect():
        while True:
            gc.collect()

    for _ in range(3):
        threading.Thread(target=collect, daemon=True).start()
    time.sleep(0.2)


def control_characters():
    sys.stdout.buffer.write(b"\x1b[31m\x07\x00\xff\xfe\r\n\x9b\x90 step 1 of 2\n")
    sys.stdout.flush()


def fork_in_atexit():
    """A child is made during finalization and finalizes on its own."""
    atexit.register(fork)


def exec_in_atexit():
    atexit.register(execute)


def wait_for_ever():
    threading.Event().wait()


action = sys.argv[1]
if action == "pause_with_thread":
    threading.Thread(target=wait_for_ever, daemon=True).start()
    action = "pause"
if action in ("crash", "fatal", "pause"):
    sys.last = Last(action)
else:
    globals()[action]()
