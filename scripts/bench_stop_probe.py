"""Runs inside gdb, for bench.py: our own time at each stop of one run's finalization; written as JSON, in milliseconds.

Environment: FINGDB_BENCH_ROOT (the repository), FINGDB_BENCH_OUT.
"""

import json
import os
import time

import gdb

gdb.execute(f"source {os.environ['FINGDB_BENCH_ROOT']}/fingdb/init.py")
gdb.execute("pyfin start", to_string=True)

from fingdb.debugger.gdb_backend.breakpoints import CallbackBreakpoint  # noqa: E402

times = []
asked = CallbackBreakpoint.stop


def stop(self):
    """Answer gdb as before, and note how long that took."""
    began = time.perf_counter()
    try:
        return asked(self)
    finally:
        times.append(1000 * (time.perf_counter() - began))


CallbackBreakpoint.stop = stop
gdb.execute("continue", to_string=True)
with open(os.environ["FINGDB_BENCH_OUT"], "w", encoding="utf-8") as file:
    json.dump(times, file)
