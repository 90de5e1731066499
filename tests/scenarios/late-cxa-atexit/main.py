"""A ctypes callback that libc calls after the interpreter has ended."""
import ctypes
import sys


def goodbye():
    print("bye")


callback = ctypes.CFUNCTYPE(None)(goodbye)
sys.keep_alive = callback
libc = ctypes.CDLL(None)
libc.__cxa_atexit(callback, None, None)
