"""Runs inside gdb: write which objects and blocks a free-threaded build has at each stop, as JSON.

Environment: FINGDB_TEST_ROOT (the repository), FINGDB_TEST_OUT (the result), FINGDB_TEST_CORE (where
to write a core at the second stop, "" for none).
"""

import json
import os
import sys

sys.path.insert(0, os.environ["FINGDB_TEST_ROOT"])

import gdb  # noqa: E402

from fingdb.cpython import runtime  # noqa: E402
from fingdb.cpython.gc import read_gc  # noqa: E402
from fingdb.cpython.heap.objects import gc_objects  # noqa: E402
from fingdb.cpython.heap.pymalloc import used_blocks  # noqa: E402
from fingdb.cpython.heap.records import PERMANENT  # noqa: E402
from fingdb.cpython.target import PythonTarget  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402


def observe(debugger):
    target = PythonTarget(debugger)
    interpreter = runtime.interpreter_addresses(target)[0]
    collector = read_gc(target, interpreter)
    objects = gc_objects(target, interpreter)
    blocks = used_blocks(target)
    return {
        "types": {t.type: t.count for t in collector.types},
        "objects": collector.generations[0].objects,
        "frozen": collector.frozen,
        "addresses": [a for a, g in zip(objects.addresses, objects.generations) if g != PERMANENT],
        "problems": collector.problems + objects.problems,
        "partial": objects.partial,
        "blocks": len(blocks),
        "block_problems": blocks.problems,
    }


def main():
    debugger = GdbDebugger()
    core = os.environ.get("FINGDB_TEST_CORE", "")
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    records = []
    if gdb.selected_inferior().pid == 0:
        gdb.execute("run", to_string=True)
        while gdb.selected_inferior().pid:
            records.append(observe(debugger))
            if core and len(records) == 2:
                gdb.execute("gcore " + core, to_string=True)
            gdb.execute("continue", to_string=True)
    else:
        records.append(observe(debugger))
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
