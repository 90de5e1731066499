"""Two interpreters, a daemon thread and garbage: a life with something to see at every step of its end.

    python two_interpreters.py RESULT.json

The second interpreter stops (SIGSTOP) while it runs, and writes what it counted of itself to RESULT.json.
"""

import gc
import importlib
import sys
import threading
import time

INSIDE = """
import gc, json, os, signal, sys
gc.disable()
kill, me, stopped, modules, get_count = os.kill, os.getpid(), signal.SIGSTOP, sys.modules, gc.get_count
kill(me, stopped); count = get_count()
with open(RESULT, "w") as file:
    json.dump({"modules": list(modules), "count": list(count), "enabled": gc.isenabled()}, file)
"""


def interpreters():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return importlib.import_module(name)
        except ImportError:
            pass
    raise SystemExit("this build has no subinterpreters")


class Cycle:
    def __init__(self):
        self.own = self


thread = threading.Thread(target=time.sleep, args=(1000,), daemon=True, name="sleeper")
thread.start()
api = interpreters()
inner = api.create()
error = (getattr(api, "exec", None) or api.run_string)(inner, f"RESULT = {sys.argv[1]!r}\n{INSIDE}")
assert error is None, error
Cycle()
gc.collect()
