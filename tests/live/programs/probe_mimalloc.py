"""Runs inside gdb: write the blocks in use of mimalloc's main heap, and of what ended threads left, as JSON.

Environment: FINGDB_TEST_ROOT (the repository), FINGDB_TEST_OUT (the result).
"""

import json
import os
import sys

sys.path.insert(0, os.environ["FINGDB_TEST_ROOT"])

import gdb  # noqa: E402

from fingdb.cpython.heap.abandoned import segments_of_subprocess  # noqa: E402
from fingdb.cpython.heap.mimalloc import Mimalloc  # noqa: E402
from fingdb.cpython.target import PythonTarget  # noqa: E402
from fingdb.debugger.gdb_backend import GdbDebugger  # noqa: E402


def blocks_of(target, allocator, page, delayed, problems):
    words = target.memory.array(page.start, page.capacity * page.block_size // 8)
    free = allocator.free_blocks(page, words, delayed)
    if free.problem:
        problems.append(free.problem)
    return [[page.start + n * page.block_size, page.block_size] for n in range(page.capacity) if n not in free.indices]


def observe():
    target = PythonTarget(GdbDebugger())
    allocator = Mimalloc(target)
    found = {"known": allocator.known, "main": [], "left": [], "at": {}, "subprocess": False, "problems": []}
    problems = found["problems"]
    if not allocator.known:
        return found
    heap = int(gdb.parse_and_eval("(long)&_mi_heap_main"))
    delayed = allocator.delayed_blocks(heap, problems)
    subproc = 0
    for page in allocator.heap_pages(heap, problems):
        found["main"] += blocks_of(target, allocator, page, delayed, problems)
        subproc = target.value("mi_segment.subproc", page.address & ~(allocator.segment_size - 1)) or subproc
    found["subprocess"], found["starts"] = bool(subproc), target.layout.has("mi_page.start")
    if subproc:
        segments = segments_of_subprocess(target, subproc, allocator.segment_size, problems)
        for page in allocator.abandoned_pages(segments, 0, problems):
            found["left"] += blocks_of(target, allocator, page, (), problems)
    for start, _size in found["main"] + found["left"]:
        block = allocator.block_at(start + 5)
        found["at"][start] = block and [block.start, block.state]
    return found


def main():
    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    gdb.execute("run", to_string=True)
    records = [observe()]
    gdb.execute("continue", to_string=True)
    with open(os.environ["FINGDB_TEST_OUT"], "w", encoding="utf-8") as file:
        json.dump(records, file)


main()
