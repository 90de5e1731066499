"""Runs inside gdb, for bench_heap.py: time the histogram of all objects, by each engine; write JSON.

Environment: FINGDB_BENCH_ROOT (the repository), FINGDB_BENCH_OUT, FINGDB_BENCH_RUNS.
"""

import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.environ["FINGDB_BENCH_ROOT"])

import gdb  # noqa: E402

from fingdb.commands.base import find_dependencies  # noqa: E402
from fingdb.cpython import runtime  # noqa: E402
from fingdb.cpython.heap.census import count_types  # noqa: E402
from fingdb.cpython.heap.lists import gc_lists  # noqa: E402
from fingdb.cpython.heap.objects import gc_objects  # noqa: E402
from fingdb.cpython.target import PythonTarget  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402

find_dependencies()

#: Objects that the walk with gdb.Value looks at; its time is told for all.
_SLOW = 20_000


def histogram(debugger, engine):
    """Return the number of objects: everything anew, also what was mapped or copied before."""
    os.environ["FINGDB_NUMPY"] = "1" if engine == "numpy" else "0"
    debugger._core = (None, None)
    debugger.target_changed()
    target = PythonTarget(debugger)
    interpreter = runtime.interpreter_addresses(target)[0]
    began = time.perf_counter(), time.process_time()
    objects = gc_objects(target, interpreter)
    assert not objects.problems, objects.problems
    counts = count_types(objects)  # by type and generation, as the program has types and not their names
    assert sum(sum(each.values()) for each in counts.values()) == len(objects)
    return len(objects), time.perf_counter() - began[0], time.process_time() - began[1]


def slow(debugger, count):
    """Return what a walk with gdb.Value over ``count`` objects would take."""
    target = PythonTarget(debugger)
    lists = gc_lists(target, runtime.interpreter_addresses(target)[0], [])
    heads = gdb.lookup_type("PyGC_Head").pointer(), gdb.lookup_type("PyObject").pointer()
    counts = {}
    began = time.perf_counter(), time.process_time()
    node = gdb.Value(lists[2].head).cast(heads[0])
    for _ in range(_SLOW):
        node = gdb.Value(int(node["_gc_next"]) & ~3).cast(heads[0])
        kind = int((node + 1).cast(heads[1])["ob_type"])
        counts[kind] = counts.get(kind, 0) + 1
    return [(now - then) * count / _SLOW for now, then in zip((time.perf_counter(), time.process_time()), began)]


def main():
    """Measure, write the result."""
    debugger = GdbDebugger()
    runs = int(os.environ["FINGDB_BENCH_RUNS"])
    result = {}
    for engine in ("numpy", "plain"):
        if engine == "numpy":
            try:
                import numpy  # noqa: F401
            except ImportError:
                continue
        times = [histogram(debugger, engine) for _ in range(runs)]
        result["objects"] = times[0][0]
        result[engine] = [statistics.median(t[1] for t in times), statistics.median(t[2] for t in times)]
    result["value"] = slow(debugger, result["objects"])
    with open(os.environ["FINGDB_BENCH_OUT"], "w", encoding="utf-8") as file:
        json.dump(result, file)


main()
