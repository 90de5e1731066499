"""Runs inside gdb: write what the readers say at each stop of the program (or of a core) as JSON.

Environment: FINGDB_TEST_ROOT (the repository), FINGDB_TEST_OUT (the result), FINGDB_TEST_CORE (where
to write a core at the first stop, "" for none).
"""

import json
import os
import sys
import time

sys.path.insert(0, os.environ["FINGDB_TEST_ROOT"])

import gdb  # noqa: E402

from fingdb.cpython.interpreter import read_interpreters  # noqa: E402
from fingdb.cpython.modules import read_modules  # noqa: E402
from fingdb.cpython.quick import quick_state  # noqa: E402
from fingdb.cpython.runtime import read_runtime  # noqa: E402
from fingdb.cpython.target import NoPython, PythonTarget  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402
from tests.support.plain import plain  # noqa: E402


def observe(debugger):
    try:
        return read_all(debugger)
    except NoPython as error:
        return {"error": str(error)}


def read_all(debugger):
    began = time.monotonic()
    target = PythonTarget(debugger)
    opened = time.monotonic()
    quick = quick_state(target)
    quickly = time.monotonic()
    problems = []
    record = {
        "build": plain(target.build),
        "runtime": plain(read_runtime(target)),
        "quick": plain(quick),
        "interpreters": [plain(i) for i in read_interpreters(target, problems=problems)],
        "threads_of_gdb": [t.ptid[1] for t in gdb.selected_inferior().threads()],
    }
    record["modules"] = [
        [plain(m) for m in read_modules(target, i["address"], problems) or []]
        for i in record["interpreters"]
    ]
    record["problems"] = problems
    record["seconds"] = {"open": opened - began, "quick": quickly - opened, "rest": time.monotonic() - quickly}
    return record


def main():
    debugger = GdbDebugger()
    records = []
    core = os.environ.get("FINGDB_TEST_CORE", "")
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    if gdb.selected_inferior().pid == 0:
        gdb.execute("run", to_string=True)
        while gdb.selected_inferior().pid:
            records.append(observe(debugger))
            if core:
                gdb.execute("gcore " + core, to_string=True)
                core = ""
            gdb.execute("continue", to_string=True)
    else:
        records.append(observe(debugger))
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
