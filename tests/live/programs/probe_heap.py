"""Runs inside gdb: write what the heap's readers say at the program's stop, or of a core, as JSON: by both engines.

Environment: FINGDB_TEST_ROOT (the repository), FINGDB_TEST_OUT (the result), FINGDB_TEST_CORE (where
to write a core at the first stop, "" for none), FINGDB_TEST_CHOSEN (a file with addresses of objects to measure).
"""

import collections
import json
import os
import sys

sys.path.insert(0, os.environ["FINGDB_TEST_ROOT"])

import gdb  # noqa: E402

from fingdb.commands.base import find_dependencies  # noqa: E402
from fingdb.cpython import runtime  # noqa: E402
from fingdb.cpython.heap.blocks import contents  # noqa: E402
from fingdb.cpython.heap.census import census_of  # noqa: E402
from fingdb.cpython.heap.locate import located  # noqa: E402
from fingdb.cpython.heap.objects import gc_objects  # noqa: E402
from fingdb.cpython.heap.pymalloc import used_blocks  # noqa: E402
from fingdb.cpython.heap.records import PERMANENT  # noqa: E402
from fingdb.cpython.heap.sizes import Sizes  # noqa: E402
from fingdb.cpython.objects import name_of_type  # noqa: E402
from fingdb.cpython.target import PythonTarget  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402

find_dependencies()


def observe(debugger, engine):
    os.environ["FINGDB_NUMPY"] = "1" if engine == "numpy" else "0"
    target = PythonTarget(debugger)
    interpreter = runtime.interpreter_addresses(target)[0]
    objects = gc_objects(target, interpreter)
    counts = collections.Counter(zip(map(int, objects.generations), map(int, objects.types)))
    generations = {}
    for (generation, type_), count in counts.items():
        names = generations.setdefault(str(generation), collections.Counter())
        names[name_of_type(target, type_)] += count
    living = [i for i, generation in enumerate(objects.generations) if generation != PERMANENT]
    part = type(objects)(*(column_of(c, living) for c in (objects.addresses, objects.types, objects.generations)))
    census = census_of(target, part)
    totals = collections.Counter()
    for each in census.types:
        totals[name_of_type(target, each.type)] += each.bytes
    sizes = Sizes(target)
    with open(os.environ["FINGDB_TEST_CHOSEN"], encoding="utf-8") as file:
        chosen = {text: sizes.size(int(text)) for text in json.load(file)}
    held = contents(target, map(int, objects.addresses))
    others = collections.Counter(name_of_type(target, type_) for type_ in held.types)
    blocks = used_blocks(target)
    columns = sorted(zip(map(int, objects.addresses), map(int, objects.types), map(int, objects.generations)))
    return {
        "engine": type(objects.types).__name__, "columns": hash(tuple(columns)), "objects": len(objects),
        "generations": generations, "problems": objects.problems, "partial": objects.partial,
        "sizes": totals, "inexact": sorted(name_of_type(target, t.type) for t in census.types if not t.exact),
        "census_problems": census.problems, "chosen": chosen,
        "blocks": len(blocks), "large": blocks.large, "debug_header": blocks.debug_header,
        "astray": astray(target, blocks), "block_problems": blocks.problems, "block_partial": blocks.partial,
        "others": others, "listed": held.listed, "raw": sum(held.raw.values()),
    }


def astray(target, blocks):
    """Return how many places are not told to lie in the block that they lie in, of those that lie in none any block."""
    found = located(target)
    known = sorted(zip(map(int, blocks.starts), map(int, blocks.sizes)))
    if list(found.each()) != known or found.debug_header != blocks.debug_header or found.problems != blocks.problems:
        return len(known)
    wrong = sum((found.start(start), found.start(start + size - 1)) != (start, start) for start, size in known)
    ends = [(start + size, following) for (start, size), (following, _size) in zip(known, known[1:])]
    return wrong + sum(found.start(end) is not None for end, following in ends if end < following)


def column_of(column, living):
    if hasattr(column, "dtype"):
        return column[living]
    return type(column)(column.typecode, [column[i] for i in living])


def main():
    debugger = GdbDebugger()
    core = os.environ.get("FINGDB_TEST_CORE", "")
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    records = []
    if gdb.selected_inferior().pid == 0:
        gdb.execute("run", to_string=True)
    records = [observe(debugger, "numpy"), observe(debugger, "plain")]
    if core:
        gdb.execute("gcore " + core, to_string=True)
        gdb.execute("continue", to_string=True)
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
