"""A null pointer in an exit callback: the interpreter is still whole then."""
import atexit
import ctypes


@atexit.register
def save():
    ctypes.memset(0, 1, 8)
