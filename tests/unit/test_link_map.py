"""ld.so's list of files, as it grows."""

from __future__ import annotations

import struct
from typing import Dict, List

from fingdb.debugger.link_map import ADDING, CONSISTENT, Loader, read_added

PLACE, FIRST = 0x1000, 0x2000


class Process:
    """Memory with a ``struct r_debug`` and its list."""

    def __init__(self) -> None:
        self.memory: Dict[int, bytes] = {}
        self.reads: List[int] = []
        self.state(CONSISTENT)

    def state(self, state: int) -> None:
        self.memory[PLACE] = struct.pack("<QQQQ", 1, FIRST, 0x3000, state)

    def files(self, *names: str) -> None:
        for index, name in enumerate(names):
            node, following = FIRST + index * 0x100, FIRST + (index + 1) * 0x100
            last = index == len(names) - 1
            self.memory[node] = struct.pack("<QQQQ", index << 20, node + 0x40, 0, 0 if last else following)
            self.memory[node + 0x40] = name.encode().ljust(0xC0, b"\0")

    def read(self, address: int, length: int) -> bytes:
        self.reads.append(address)
        start = max(at for at in self.memory if at <= address)
        return self.memory[start][address - start :][:length]


def told(*files: str) -> Loader:
    bias = [index << 20 for index in range(len(files))]
    return Loader(CONSISTENT, 0x3000, tuple(zip(files, bias)), PLACE, FIRST + (len(files) - 1) * 0x100)


def test_only_new_files_are_read() -> None:
    process = Process()
    process.files("", "/lib/a", "/lib/b", "/lib/c")
    before = told("", "/lib/a")
    after = read_added(process.read, before)
    assert after == told("", "/lib/a", "/lib/b", "/lib/c")
    assert FIRST not in process.reads


def test_nothing_new_is_the_same_list() -> None:
    process = Process()
    process.files("", "/lib/a")
    process.state(ADDING)
    after = read_added(process.read, told("", "/lib/a"))
    assert after is not None and after.files == told("", "/lib/a").files
    assert after.state == ADDING


def test_another_list_is_not_believed() -> None:
    process = Process()
    process.files("", "/lib/a", "/lib/b")
    before = Loader(CONSISTENT, 0x3000, (("", 0), ("/lib/x", 0x7000)), PLACE, FIRST + 0x100)
    assert read_added(process.read, before) is None
