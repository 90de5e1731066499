"""Runs inside gdb: write what the heap's readers say at the program's stop, or of a core, as JSON.

Environment: FINGDB_TEST_ROOT (the repository), FINGDB_TEST_OUT (the result), FINGDB_TEST_CORE (where
to write a core at the first stop, "" for none).
"""

import collections
import json
import os
import sys

sys.path.insert(0, os.environ["FINGDB_TEST_ROOT"])

import gdb  # noqa: E402

from fingdb.commands.base import find_dependencies  # noqa: E402
from fingdb.cpython import runtime  # noqa: E402
from fingdb.cpython.heap import PERMANENT, gc_objects, used_blocks  # noqa: E402
from fingdb.cpython.heap.sizes import Sizes  # noqa: E402
from fingdb.cpython.objects import name_of_type  # noqa: E402
from fingdb.cpython.target import PythonTarget  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402

find_dependencies()


def observe(debugger):
    target = PythonTarget(debugger)
    interpreter = runtime.interpreter_addresses(target)[0]
    objects = gc_objects(target, interpreter)
    counts = collections.Counter(zip(map(int, objects.generations), map(int, objects.types)))
    generations = {}
    for (generation, type_), count in counts.items():
        names = generations.setdefault(str(generation), collections.Counter())
        names[name_of_type(target, type_)] += count
    sizes = Sizes(target)
    totals, inexact, unsized = collections.Counter(), set(), 0
    for address, type_, generation in zip(*(map(int, c) for c in (objects.addresses, objects.types, objects.generations))):
        if generation == PERMANENT:
            continue
        size = sizes.size(address)
        unsized += size is None
        if address % 16 == 0 and int(type_):
            totals[name_of_type(target, type_)] += size or 0
            if not sizes.rule(type_).exact:
                inexact.add(name_of_type(target, type_))
    chosen = {}
    path = os.environ.get("FINGDB_TEST_CHOSEN")
    if path:
        with open(path, encoding="utf-8") as file:
            chosen = {text: sizes.size(int(text)) for text in json.load(file)}
    blocks = used_blocks(target)
    return {
        "generations": generations, "problems": objects.problems, "partial": objects.partial,
        "sizes": totals, "inexact": sorted(inexact), "unsized": unsized, "chosen": chosen,
        "blocks": len(blocks), "large": blocks.large, "debug_header": blocks.debug_header,
        "block_problems": blocks.problems, "block_partial": blocks.partial,
    }


def main():
    debugger = GdbDebugger()
    core = os.environ.get("FINGDB_TEST_CORE", "")
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    if gdb.selected_inferior().pid == 0:
        gdb.execute("run", to_string=True)
        records = [observe(debugger)]
        if core:
            gdb.execute("gcore " + core, to_string=True)
        gdb.execute("continue", to_string=True)
    else:
        records = [observe(debugger)]
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
