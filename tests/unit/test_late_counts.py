"""Counts of free-threaded builds, on objects made by hand: two counters, what is added where references are counted late, what
each thread counts for itself, and frames that do not count.

In the layout of a real 3.13t, and in that which Debian's headers give for a 3.14 without GIL (see test_mimalloc.py).
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Tuple

import pytest

from fingdb.cpython import objects
from fingdb.cpython.graph.describe import is_immortal
from fingdb.cpython.graph.frames import interpreter_frame_edges
from fingdb.cpython.graph.owners import Heap
from fingdb.cpython.graph.rows import LATE, VISITED
from fingdb.cpython.graph.whole import Graph
from fingdb.cpython.late_counts import counted_late, held_references
from fingdb.findings.roots import MEMORY, Roots
from fingdb.findings.whatis import impossible
from tests.unit.test_mimalloc import FreeThreaded

#: ``ob_gc_bits``: tracked, and counted late.
TRACKED, DEFERRED = 1, 64
#: What _PyObject_SetDeferredRefcount adds.
ADDED = {"3.13t": 1, "3.14t": ((1 << 63) - 1) // 8}


@pytest.fixture(params=list(ADDED))
def version(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return str(request.param)


def counted(fake: FreeThreaded, local: int, shared: int, bits: int, flags: int = 0) -> int:
    """Return a block of the page as an object with these counts."""
    address = fake.block(1)
    fake.put("object.refcnt_local", address, local)
    fake.put("object.refcnt_shared", address, shared * 4 + flags)
    fake.put("object.gc_bits", address, bits)
    return address


@pytest.mark.parametrize("local, shared, flags", [(1, 0, 0), (5, 2, 0), (7, -3, 0), (0, 4, 3)])
def test_references_that_are_counted_at_once(version: str, local: int, shared: int, flags: int) -> None:
    fake = FreeThreaded(version)
    address = counted(fake, local, shared, TRACKED, flags)
    assert objects.refcount(fake.target, address) == local + shared
    assert held_references(fake.target, address) == local + shared
    assert not impossible(local + shared)


@pytest.mark.parametrize("local, shared, flags", [(1, 0, 0), (5, 2, 0), (7, -3, 0), (0, 4, 3), (0, 1, 3)])
def test_references_that_are_counted_late(version: str, local: int, shared: int, flags: int) -> None:
    fake = FreeThreaded(version)
    address = counted(fake, local, shared + ADDED[version], TRACKED | DEFERRED, flags)
    count = objects.refcount(fake.target, address)
    assert count == local + shared + ADDED[version]
    assert held_references(fake.target, address) == local + shared
    # Such an object is alive and well, and it is not immortal.
    assert objects.is_likely_count(count) and not impossible(count) and not is_immortal(fake.target, address)


def test_immortal_objects(version: str) -> None:
    fake = FreeThreaded(version)
    address = counted(fake, 0xFFFFFFFF, 0, TRACKED | DEFERRED)
    assert is_immortal(fake.target, address)
    assert held_references(fake.target, address) == objects.refcount(fake.target, address)


@pytest.mark.parametrize("count", [0, -1, 1 << 40, 0x7FFFF7A12340, 1 << 59, 1 << 61, 0x4141414141414141])
def test_counts_that_cannot_be(count: int) -> None:
    assert not objects.is_likely_count(count)


# -- what each thread counts for itself, from 3.14 on ------------------------------------------------
class Threads:
    """Two threads whose arrays have the counts of numbers 1 to 3, and an interpreter that knows whose these are."""

    def __init__(self, fake: FreeThreaded, first: Tuple[int, ...], second: Tuple[int, ...]) -> None:
        self.fake = fake
        self.table = fake.alloc(3 * 8)
        fake.put("interp.unique_ids.table", fake.interpreter, self.table)
        fake.put("interp.unique_ids.size", fake.interpreter, 3)
        other = fake.alloc(20000)
        fake.put("thread.next", fake.thread, other)
        for thread, counts in ((fake.thread, first), (other, second)):
            values = fake.alloc(8 * len(counts) + 8)
            for index, count in enumerate(counts):
                fake.word(values + 8 * index, count)
            fake.put("thread.refcounts.values", thread, values)
            fake.put("thread.refcounts.size", thread, len(counts))

    def number(self, address: int, number: int) -> None:
        self.fake.word(self.table + 8 * (number - 1), address)


def numbered(fake: FreeThreaded, kind: str, number: int) -> int:
    """Return an object of a kind that has a number, whose own count is 2."""
    if kind == "type":
        address = fake.type("a.B", heap_name="B")
        fake.put("object.type", address, fake.type("type", 1 << 14 | 1 << 31))
        fake.put("heap_type.unique_id", address, number)
    elif kind == "code":
        address = fake.code("f", 1, b"")
        fake.put("code.unique_id", address, number)
    else:
        address = fake.object(fake.type("dict", 1 << 29))
        fake.put("dict.watcher_tag", address, number << 32 | 0x83)
    fake.put("object.refcnt_local", address, 2)
    fake.put("object.refcnt_shared", address, ADDED["3.14t"] * 4)
    fake.put("object.gc_bits", address, TRACKED | DEFERRED)
    return address


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FreeThreaded:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return FreeThreaded("3.14t")


@pytest.mark.parametrize("kind", ["type", "code", "dict"])
def test_each_thread_counts_for_itself(fake: FreeThreaded, kind: str) -> None:
    threads = Threads(fake, (100, 200, 7), (0, 50, -3))
    address = numbered(fake, kind, 3)
    threads.number(address, 3)
    assert held_references(fake.target, address) == counted_late(fake.target, address) == 2 + 7 - 3


def test_a_thread_that_counted_nothing_yet(fake: FreeThreaded) -> None:
    threads = Threads(fake, (100, 200, 7), (9,))
    address = numbered(fake, "type", 3)
    threads.number(address, 3)
    assert held_references(fake.target, address) == 2 + 7
    fake.put("thread.refcounts.values", fake.thread, 0)  # a thread that ends has given its counts to the objects
    assert held_references(fake.target, address) == 2


@pytest.mark.parametrize("number", [0, 2, 4, -1])
def test_a_number_that_is_not_the_objects(fake: FreeThreaded, number: int) -> None:
    threads = Threads(fake, (100, 200, 7), (0, 50, -3))
    address = numbered(fake, "type", number)
    threads.number(address, 3)
    assert held_references(fake.target, address) == 2


def test_only_what_is_counted_late_has_a_number(fake: FreeThreaded) -> None:
    threads = Threads(fake, (100, 200, 7), (0, 50, -3))
    address = numbered(fake, "dict", 3)
    threads.number(address, 3)
    fake.put("object.gc_bits", address, TRACKED)
    fake.put("object.refcnt_shared", address, 4)
    assert held_references(fake.target, address) == 2 + 1 and counted_late(fake.target, address) is None


def test_the_table_of_numbers_holds_nothing(fake: FreeThreaded) -> None:
    threads = Threads(fake, (), ())
    threads.number(numbered(fake, "type", 3), 3)
    roots = Roots(fake.debugger, fake.target)
    assert roots.of_place(threads.table + 2 * 8) is None
    behind = roots.of_place(threads.table + 3 * 8)
    assert behind is not None and behind.kind == MEMORY


# -- references of frames that are not counted --------------------------------------------------------
def test_frames_hold_what_they_do_not_count(fake: FreeThreaded) -> None:
    code = fake.code("f", 1, b"")
    fake.put("code.nlocalsplus", code, 0)
    late, counted_, number = fake.block(2), fake.block(3), 5 << 2 | 3
    frame = fake.alloc(128)
    start = frame + fake.layout.offset("iframe.locals")
    fake.put("iframe.code", frame, code | 1)
    fake.put("iframe.function", frame, fake.block(4) | 1)
    fake.put("iframe.stackpointer", frame, start + 4 * 8)
    for index, word in enumerate((late | 1, counted_, number, 1)):
        fake.word(start + 8 * index, word)
    edges = {edge.target: edge for edge in interpreter_frame_edges(fake.target, frame)}
    assert {target: edge.how for target, edge in edges.items()} == {
        code: LATE, fake.block(4): LATE, late: LATE, counted_: VISITED,
    }  # fmt: skip
    assert edges[late].keeps and edges[late].visited and not edges[late].owned
    assert edges[counted_].keeps and edges[counted_].owned


def test_what_a_frame_keeps_is_in_the_graph_and_not_among_the_counts(fake: FreeThreaded) -> None:
    first, second, third = fake.block(1), fake.block(2), fake.block(3)
    graph = Graph(Heap(fake.target))
    # A generator (the first) whose frame refers to both others, to one of them without counting it.
    graph._join(array("Q", (third, first, second)), array("Q", (0, 0, 2)), array("Q", (second, third)), array("Q", (0, first)))
    assert graph.targets(first) == [second, third]
    assert (graph.counted(second), graph.counted(third)) == (0, 1)
    assert list(graph.reached([first])) == [1, 1, 1]
