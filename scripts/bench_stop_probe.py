"""Runs inside gdb, for bench.py: what each stop of a `fingdb run` costs of our own time; written as JSON.

A list of [milliseconds, whether objects were counted]: without gdb's own work, and without its letting the program go on.
Environment: FINGDB_BENCH_ROOT (the repository), FINGDB_BENCH_PYTHON (the interpreter, whose build is known),
FINGDB_BENCH_OUT.
"""

import json
import os
import time

import gdb

gdb.execute(f"source {os.environ['FINGDB_BENCH_ROOT']}/fingdb/init.py")

from fingdb.commands import batch  # noqa: E402
from fingdb.commands.base import current_session  # noqa: E402
from fingdb.cpython import gc  # noqa: E402
from fingdb.debugger.gdb_backend.breakpoints import CallbackBreakpoint  # noqa: E402

session = current_session()
stops = []
walks = []
asked, named = CallbackBreakpoint.stop, gc.names_of


def stop(self):
    """Answer gdb as before, and note how long that took, once finalization has begun."""
    before, began = len(walks), time.perf_counter()
    try:
        return asked(self)
    finally:
        if session.tracer.traces:
            stops.append((1000 * (time.perf_counter() - began), len(walks) > before))


def names_of(*arguments):
    """Return the names of what was counted, and note that something was."""
    walks.append(None)
    return named(*arguments)


CallbackBreakpoint.stop, gc.names_of = stop, names_of
session.debugger.postpone_symbols(os.environ["FINGDB_BENCH_PYTHON"])
gdb.execute("set args -c pass")
batch.run_job(session, {"mode": "run", "result": os.devnull})
with open(os.environ["FINGDB_BENCH_OUT"], "w", encoding="utf-8") as file:
    json.dump(stops, file)
