"""Objects that are kept alive in different ways; prints where each lies and who refers to it, and stops."""

import atexit
import ctypes
import gc
import json
import os
import signal
import threading


class Thing:
    """What is looked for."""


TABLE = {"inner": [None, Thing()]}
ADDRESSES = {"global": hex(id(TABLE["inner"][1]))}
READY = threading.Event()


def work(argument):
    ADDRESSES["thread local"] = hex(id(argument))
    READY.set()
    threading.Event().wait()


def enclosing():
    captured = Thing()
    ADDRESSES["closure"] = hex(id(captured))
    return lambda: captured


def garbage():
    one, other = Thing(), Thing()
    one.other, other.one = other, one
    ADDRESSES["cycle"] = hex(id(one))


def lost():
    one = Thing()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
    ADDRESSES["lost reference"] = hex(id(one))


def registered():
    one = Thing()
    ADDRESSES["callback"] = hex(id(one))
    atexit.register(print, one)


def generated():
    held = Thing()
    ADDRESSES["generator"] = hex(id(held))
    yield
    del held


def main():
    gc.disable()
    local = Thing()
    ADDRESSES["local"] = hex(id(local))
    threading.Thread(target=work, args=(Thing(),), daemon=True).start()
    READY.wait()
    global FUNCTION, GENERATOR
    FUNCTION, GENERATOR = enclosing(), generated()
    next(GENERATOR)
    garbage()
    lost()
    registered()
    referrers = {}
    for one in gc.get_objects():
        if isinstance(one, Thing):
            referrers[hex(id(one))] = sorted(type(o).__name__ for o in gc.get_referrers(one) if type(o).__name__ != "frame")
    one = None
    print(json.dumps({"addresses": ADDRESSES, "referrers": referrers}), flush=True)
    os.kill(os.getpid(), signal.SIGTRAP)
    return local


main()
