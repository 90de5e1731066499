"""Runs inside gdb: take a core of a program that stops, damage its lists in a private copy of the bytes, follow them.

Three ways must give the same answer: the cursors, the plain walk, and a loop that is too simple to be wrong.
Environment: FINGDB_TEST_ROOT, FINGDB_TEST_OUT (the result, JSON), FINGDB_TEST_CORE (where to write the core).
"""

import json
import mmap
import os
import random
import struct
import sys

sys.path.insert(0, os.environ["FINGDB_TEST_ROOT"])

import gdb  # noqa: E402

from fingdb.commands.base import find_dependencies  # noqa: E402
from fingdb.cpython import runtime  # noqa: E402
from fingdb.cpython.heap.lists import gc_lists  # noqa: E402
from fingdb.cpython.heap.objects import plain_objects  # noqa: E402
from fingdb.cpython.heap.walk import header_size, walk_list  # noqa: E402
from fingdb.cpython.target import PythonTarget  # noqa: E402
from fingdb.debugger.core_memory import CoreMemory  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402

find_dependencies()

from fingdb.cpython.heap.together import numpy_objects  # noqa: E402


class Patched(CoreMemory):
    """A core whose bytes can be changed here, and nowhere else."""

    def __init__(self, path):
        super().__init__(path)
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    def offset(self, address):
        for start, end, offset in self.extents:
            if start <= address < end - 8:
                return offset + address - start
        return None

    def word(self, address):
        at = self.offset(address)
        return None if at is None else struct.unpack_from("<Q", self.data, at)[0]

    def put(self, address, value):
        struct.pack_into("<Q", self.data, self.offset(address), value)


def simple(core, lists, header):
    """Follow the links, one dictionary look-up after the other."""
    entries, whole = {}, []
    for each in lists:
        seen, node = {}, core.word(each.head) & ~3
        first, ended = node, False
        while True:
            if node == each.head or node in seen:
                back = core.word(first + 8) & ~3 if node in seen else 0
                ended = node == each.head or (node == first and back != each.head)
                break
            if node in {other.head for other in lists} or node & 7:
                break
            following = core.word(node) if core.word(node + header + 8) is not None else None
            if not following or not following & ~3:
                break
            seen[node] = core.word(node + header + 8)
            node = following & ~3
        whole.append(ended)
        for address, type_ in seen.items():
            entries.setdefault(address + header, (type_, each.generation))
    return sorted((address, *rest) for address, rest in entries.items()), all(whole)


def damages(rng, nodes, lists):
    """Yield (name, [(address, word)]) of many kinds of damage."""
    everything = [node for group in nodes for node in group]
    old = max(nodes, key=len)
    other = min((group for group in nodes if group), key=len)

    def some():
        return rng.choice(old)

    yield "nothing", []
    for _ in range(2):
        node = some()
        yield "cut", [(node, 0)]
        yield "flags of a running collection", [(n, old[i + 1] | 1) for i, n in enumerate(old[:-1]) if rng.random() < 0.3]
        yield "back links written over", [(n + 8, rng.getrandbits(40) << 2) for n in rng.sample(old, len(old) // 3)]
        yield "circle", [(old[-1], some())]
        yield "circle early", [(node, old[rng.randrange(0, max(1, old.index(node)))])]
        yield "itself", [(node, node)]
        yield "no link", [(node, some() + 4)]
        yield "between", [(node, some() + 8)]
        yield "nowhere", [(node, 0xDEADBEEF0)]
        yield "beyond", [(node, 0xFFFFFFFFFFFFFFF0)]
        yield "another list", [(node, rng.choice(other))]
        yield "another list's head", [(node, rng.choice([e.head for e in lists]))]
        yield "crossed", [(node, rng.choice(everything)), (rng.choice(everything), rng.choice(everything))]
        yield "a shorter way", [(node, old[min(len(old) - 1, old.index(node) + 1000)])]
        yield "head to the middle", [(lists[nodes.index(old)].head, some())]
        yield "head taken out", [(old[-1], old[0]), (old[0] + 8, old[-1])]
        yield "types gone", [(n + 24, rng.getrandbits(64)) for n in rng.sample(old, 50)]


def main():
    debugger = GdbDebugger()
    path = os.environ["FINGDB_TEST_CORE"]
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    gdb.execute("run", to_string=True)
    gdb.execute("gcore " + path, to_string=True)
    gdb.execute("kill", to_string=True)
    gdb.execute("core-file " + path, to_string=True)
    assert debugger.core_memory() is not None
    rng = random.Random(7)
    target = PythonTarget(debugger)
    interpreter = runtime.interpreter_addresses(target)[0]
    lists = gc_lists(target, interpreter, [])
    header = header_size(target)
    nodes = [list(walk_list(target, each.head).nodes) for each in lists]
    records = []
    for name, words in damages(rng, nodes, lists):
        core = Patched(path)
        for address, word in words:
            core.put(address, word)
        debugger._core = (debugger._core[0], core)
        debugger.target_changed()
        fresh = PythonTarget(debugger)
        expected, whole = simple(core, lists, header)
        answers = {}
        for engine, follow in (("numpy", numpy_objects), ("plain", plain_objects)):
            problems = []
            found = follow(fresh, lists, problems)
            columns = None
            if found is not None:
                columns = sorted(zip(*(map(int, c) for c in (found.addresses, found.types, found.generations))))
            answers[engine] = {
                "found": found is not None, "same": columns == expected, "objects": columns and len(columns),
                "problems": problems, "partial": found is not None and found.partial,
            }
        records.append({"damage": name, "expected": len(expected), "whole": whole, **answers})
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
