"""Runs inside gdb: stop at many places of a life and read everything at each, and write it as JSON.

Environment: FINGDB_TEST_ROOT (the repository), FINGDB_TEST_OUT (the result), FINGDB_TEST_STOPS (functions).
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
    record = {"at": gdb.newest_frame().name()}
    try:
        target = PythonTarget(debugger)
    except NoPython as error:
        record["error"] = str(error)
        return record
    began = time.monotonic()
    problems = []
    record["runtime"] = plain(read_runtime(target))
    record["quick"] = plain(quick_state(target))
    record["interpreters"] = [plain(i) for i in read_interpreters(target, problems=problems)]
    for interpreter in record["interpreters"]:
        found = read_modules(target, interpreter["address"], problems)
        interpreter["sys_modules"] = None if found is None else [m.state for m in found]
    record["problems"] = problems
    record["seconds"] = time.monotonic() - began
    return record


def main():
    debugger = GdbDebugger()
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    gdb.execute("starti", to_string=True)
    records = [observe(debugger)]
    gdb.execute("tbreak main", to_string=True)
    gdb.execute("continue", to_string=True)
    for name in os.environ["FINGDB_TEST_STOPS"].split():
        try:
            gdb.execute("tbreak " + name, to_string=True)
        except gdb.error:
            pass  # this version has no such function
    while gdb.selected_inferior().pid and len(records) < 200:
        records.append(observe(debugger))
        try:
            gdb.execute("continue", to_string=True)
        except gdb.error:
            break
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
