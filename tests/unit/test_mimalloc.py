"""Objects in mimalloc's pages, on a heap made by hand, whole and damaged.

In the layout of a real 3.13t (mimalloc 2.1), and in that which the headers of Debian's 3.14.10 (mimalloc 2.5), compiled
with Py_GIL_DISABLED, give: there was no such build to read it from. Arenas are as in its build with a GIL.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

import pytest

from fingdb.cpython import statics
from fingdb.cpython.gc import read_gc
from fingdb.cpython.heap.abandoned import abandoned_segments
from fingdb.cpython.heap.mimalloc import Mimalloc
from fingdb.cpython.heap.objects import gc_objects
from fingdb.cpython.heap.pages import UNKNOWN_ALLOCATOR
from fingdb.cpython.heap.pymalloc import used_blocks
from fingdb.cpython.heap.verify import verify_lists
from tests.unit.fake_heap import FakeCPython

SEGMENT = 0x2000000  # segments begin at multiples of 32 MiB
SLICE = 1 << 16
SIZE = 1 << 20
GC, GC_PRE = 2, 3
COLLECTED = 1 << 14
BLOCK, CAPACITY = 64, 40


class FreeThreaded(FakeCPython):
    """One thread whose heap for objects of the collector has one page of ``CAPACITY`` blocks."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.debugger.map(SEGMENT, bytes(SIZE))
        self.thread = self.alloc(20000)
        self.subprocess = self.alloc(256)
        self.arena_table, self.arena_count = self.alloc(256), self.alloc(8)
        self.put("interp.threads.head", self.interpreter, self.thread)
        self.put("thread.mimalloc.initialized", self.thread, 1)
        self.put("mi_segment.size", SEGMENT, 512 * SLICE)
        self.put("mi_segment.slice_count", SEGMENT, 512)
        self.put("mi_segment.slice_entries", SEGMENT, 4)
        self.put("mi_page.slice_count", self.header(0), 1)  # the segment's own header
        for index in (1, 2, 3):
            self.put("mi_page.slice_count", self.header(index), 1)
        meta, self.kind = self.type("type", COLLECTED | 1 << 31), self.type("list", COLLECTED)
        for kind in (meta, self.kind):
            self.put("object.type", kind, meta)
            self.put("type.basicsize", kind, 40)
        self.heap = self.heap_of(GC)
        bias = self.target.module.bias
        self.target.statics = {
            **dict.fromkeys(statics.NAMES, 0), "mi_arenas": self.arena_table - bias, "mi_arena_count": self.arena_count - bias,
        }  # fmt: skip
        self.page = self.make_page(1, GC, BLOCK, CAPACITY)
        self.queue(self.heap, 5, self.page)

    def gc_heads(self) -> List[int]:
        return []  # its collector has no lists

    def header(self, index: int) -> int:
        """Return the address of the header of a page that begins with a slice."""
        slices = self.layout.fields["mi_segment.slices"]
        assert slices is not None
        return SEGMENT + slices.offset + index * slices.stride

    def heap_of(self, kind: int) -> int:
        heaps = self.layout.fields["thread.mimalloc.heaps"]
        assert heaps is not None
        return self.thread + heaps.offset + kind * heaps.stride

    def queue(self, heap: int, number: int, page: int) -> None:
        queues = self.layout.fields["mi_heap.queues"]
        assert queues is not None
        self.put("mi_queue.first", heap + queues.offset + number * queues.stride, page)

    def start(self, index: int, block: int = BLOCK) -> int:
        behind = 3 * block if block <= 64 else block if block <= 512 else 0
        return SEGMENT + index * SLICE + behind

    def make_page(self, index: int, tag: int, block: int, capacity: int, before: int = 0) -> int:
        """Return a page full of tracked objects."""
        page = self.header(index)
        for name, value in (("block_size", block), ("capacity", capacity), ("used", capacity), ("tag", tag)):
            self.put(f"mi_page.{name}", page, value)
        self.put("mi_page.start", page, self.start(index, block))
        for number in range(capacity):
            at = self.start(index, block) + number * block + before
            self.put("object.type", at, self.kind)
            self.put("object.gc_bits", at, 1)
        return page

    def block(self, number: int) -> int:
        return self.start(1) + number * BLOCK

    def free(self, name: str, numbers: List[int], flags: int = 0) -> None:
        """Put blocks of the page on one of its lists; what they held stays, as in a real page."""
        following = 0
        for number in reversed(numbers):
            self.word(self.block(number), following)
            following = self.block(number)
        self.put(f"mi_page.{name}", self.page, following | flags)

    def found(self) -> Tuple[List[int], List[str]]:
        """Return the addresses of all objects, and the problems."""
        objects = gc_objects(self.target, self.interpreter)
        assert objects.partial == bool(objects.problems)
        return sorted(objects.addresses), objects.problems


@pytest.fixture(params=["3.13t", "3.14t"])
def fake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FreeThreaded:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return FreeThreaded(request.param)


def numbers_but(*gone: int) -> List[int]:
    return [number for number in range(CAPACITY) if number not in gone]


def test_a_full_page(fake: FreeThreaded) -> None:
    addresses, problems = fake.found()
    assert problems == [] and addresses == [fake.block(number) for number in range(CAPACITY)]
    collector = read_gc(fake.target, fake.interpreter)
    assert collector.problems == [] and [g.objects for g in collector.generations] == [CAPACITY, 0, 0]
    assert [(t.type, t.count) for t in collector.types] == [("list", CAPACITY)]


def test_free_blocks_of_all_lists(fake: FreeThreaded) -> None:
    fake.free("free", [3, 1, 39])
    fake.free("local_free", [7])
    fake.free("thread_free", [9, 8], flags=2)
    fake.put("mi_page.used", fake.page, CAPACITY - 4)
    fake.word(fake.block(20), 0)  # freed from a full page: the heap's own list
    fake.put("mi_heap.delayed_free", fake.heap, fake.block(20))
    addresses, problems = fake.found()
    assert problems == []
    assert addresses == [fake.block(number) for number in numbers_but(3, 1, 39, 7, 9, 8, 20)]
    blocks = used_blocks(fake.target)
    assert blocks.problems == [] and sorted(blocks.starts) == addresses and set(blocks.sizes) == {BLOCK}


def test_untracked_and_frozen_objects(fake: FreeThreaded) -> None:
    fake.put("object.gc_bits", fake.block(4), 2)
    fake.put("object.gc_bits", fake.block(5), 1 | 8)
    fake.put("object.gc_bits", fake.block(6), 1 | 4)  # a collection is under way
    collector = read_gc(fake.target, fake.interpreter)
    assert collector.frozen == 1 and collector.generations[0].objects == CAPACITY - 2
    objects = gc_objects(fake.target, fake.interpreter)
    assert [g for a, g in zip(objects.addresses, objects.generations) if a == fake.block(5)] == [255]


def test_objects_with_a_header_and_debug_hooks(fake: FreeThreaded) -> None:
    fake.put("runtime.debug_allocator", 0x5000000, 1)
    fake.queue(fake.heap, 5, 0)
    page = fake.make_page(2, GC_PRE, 128, 10, before=32)
    fake.queue(fake.heap_of(GC_PRE), 9, page)
    addresses, problems = fake.found()
    assert problems == []
    assert addresses == [fake.start(2, 128) + number * 128 + 32 for number in range(10)]


def left(fake: FreeThreaded, segment: int) -> None:
    """Put a segment on the list of those that ended threads left."""
    if not fake.put("interp.mimalloc.abandoned", fake.interpreter, segment | 5):  # with a count in the low bits
        fake.put("interp.mimalloc.subproc", fake.interpreter, fake.subprocess)
        fake.put("mi_subproc.abandoned", fake.subprocess, segment)


class Arenas:
    """Two arenas in mimalloc 2.5's table, the first unused, the second of 100 blocks, the segment being the 70th."""

    def __init__(self, fake: FreeThreaded) -> None:
        if not fake.layout.has("interp.mimalloc.subproc"):
            pytest.skip("mimalloc 2.1 keeps what ended threads left in lists only")
        self.fake = fake
        self.arena, self.map = fake.alloc(256), fake.alloc(256)
        fake.word(fake.arena_count, 2)
        fake.word(fake.arena_table + 8, self.arena)
        self.start = 0x200000000
        fake.put("mi_arena.start", self.arena, self.start)
        fake.put("mi_arena.block_count", self.arena, 100)
        fake.put("mi_arena.blocks_abandoned", self.arena, self.map)
        fake.put("interp.mimalloc.subproc", fake.interpreter, fake.subprocess)

    def segment(self, number: int, subprocess: int) -> int:
        """Make the header of a segment at a block of the arena, and mark it."""
        at = self.start + number * SEGMENT
        self.fake.debugger.map(at, bytes(1024))
        self.fake.put("mi_segment.subproc", at, subprocess)
        self.fake.word(self.map + number // 64 * 8, 1 << number % 64)
        return at

    def found(self) -> Tuple[List[int], List[str]]:
        problems: List[str] = []
        return abandoned_segments(self.fake.target, self.fake.interpreter, SEGMENT, problems), problems


def test_segments_that_are_marked_in_an_arena(fake: FreeThreaded) -> None:
    arenas = Arenas(fake)
    mine, _other = arenas.segment(70, fake.subprocess), arenas.segment(3, fake.subprocess + 8)
    assert arenas.found() == ([mine], [])
    fake.put("mi_arena.block_count", arenas.arena, 70)  # the mark is behind the end
    assert arenas.found() == ([], [])
    fake.put("mi_arena.blocks_abandoned", arenas.arena, 0)
    assert arenas.found() == ([], [])


@pytest.mark.parametrize("name, value", [("start", 0x123000), ("block_count", 0), ("block_count", 1 << 60)])
def test_a_damaged_arena(fake: FreeThreaded, name: str, value: int) -> None:
    arenas = Arenas(fake)
    fake.put(f"mi_arena.{name}", arenas.arena, value)
    found, problems = arenas.found()
    assert found == [] and len(problems) == 1 and "is damaged" in problems[0]


def test_a_count_of_arenas_that_cannot_be(fake: FreeThreaded) -> None:
    arenas = Arenas(fake)
    fake.word(fake.arena_count, 1 << 40)
    found, problems = arenas.found()
    assert found == [] and len(problems) == 1 and "there cannot be" in problems[0]


def test_arenas_that_symbols_do_not_tell(fake: FreeThreaded) -> None:
    arenas = Arenas(fake)
    fake.target.statics = dict.fromkeys(statics.NAMES, 0)
    fake.put("mi_subproc.abandoned", fake.subprocess, SEGMENT)
    found, problems = arenas.found()
    assert found == [SEGMENT] and len(problems) == 1 and "do not tell where mimalloc's arenas are" in problems[0]


def test_an_allocator_that_is_not_known(fake: FreeThreaded) -> None:
    fake.layout.fields["mi_page.block_size"] = fake.target.layout.fields["mi_page.block_size"] = None
    assert fake.found() == ([], [UNKNOWN_ALLOCATOR])
    assert used_blocks(fake.target).problems == [UNKNOWN_ALLOCATOR]
    assert UNKNOWN_ALLOCATOR in read_gc(fake.target, fake.interpreter).problems


def test_what_ended_threads_left(fake: FreeThreaded) -> None:
    fake.put("interp.threads.head", fake.interpreter, 0)
    left(fake, SEGMENT)
    assert fake.found() == ([fake.block(number) for number in range(CAPACITY)], [])
    fake.put("mi_page.tag", fake.page, 1)  # memory of another kind
    assert fake.found() == ([], [])


def test_pages_in_a_circle(fake: FreeThreaded) -> None:
    fake.put("mi_page.next", fake.page, fake.page)
    addresses, problems = fake.found()
    assert len(addresses) == CAPACITY
    (problem,) = problems
    assert "run in a circle" in problem


def test_segments_in_a_circle(fake: FreeThreaded) -> None:
    left(fake, SEGMENT)
    fake.put("mi_segment.abandoned_next", SEGMENT, SEGMENT)
    _addresses, problems = fake.found()
    assert any("run in a circle" in problem for problem in problems)


@pytest.mark.parametrize("name", ["free", "local_free", "thread_free"])
def test_a_list_of_free_blocks_that_leads_astray(fake: FreeThreaded, name: str) -> None:
    fake.free(name, [1, 2])
    fake.word(fake.block(2), 0x1234567890)
    addresses, problems = fake.found()
    assert fake.block(1) not in addresses and fake.block(2) not in addresses
    (problem,) = problems
    assert "is broken at 0x1234567890" in problem


def test_a_list_of_free_blocks_in_a_circle(fake: FreeThreaded) -> None:
    fake.free("free", [1, 2])
    fake.word(fake.block(2), fake.block(1))
    fake.put("mi_page.used", fake.page, CAPACITY - 8)
    addresses, problems = fake.found()
    assert len(addresses) == CAPACITY - 2
    assert ["counts other blocks in use" in problem for problem in problems] == [True]


@pytest.mark.parametrize(
    "name, value",
    [("capacity", 5000), ("used", CAPACITY + 1), ("block_size", 0), ("block_size", 63), ("block_size", 0xFFFFFFFF)],
)
def test_a_damaged_page(fake: FreeThreaded, name: str, value: int) -> None:
    fake.put(f"mi_page.{name}", fake.page, value)
    addresses, problems = fake.found()
    assert addresses == [] and len(problems) == 1 and "damaged" in problems[0]


@pytest.mark.parametrize("page", [8, 0x123456, SEGMENT + 8, 0xDDDDDDDDDDDDDDDD])
def test_a_queue_that_leads_nowhere(fake: FreeThreaded, page: int) -> None:
    fake.queue(fake.heap, 5, page)
    addresses, problems = fake.found()
    assert addresses == [] and len(problems) == 1


def test_what_block_an_address_is_in(fake: FreeThreaded) -> None:
    fake.free("free", [3])
    fake.put("mi_page.used", fake.page, CAPACITY - 1)
    allocator = Mimalloc(fake.target)
    states = {number: allocator.block_at(fake.block(number) + 5) for number in (2, 3, CAPACITY)}
    assert [(b.start, b.size, b.state) for b in states.values() if b is not None] == [
        (fake.block(2), BLOCK, "used"), (fake.block(3), BLOCK, "freed"), (fake.block(CAPACITY), BLOCK, "untouched"),
    ]  # fmt: skip
    assert allocator.block_at(fake.start(1) - 1) is None  # before the first block
    assert allocator.block_at(SEGMENT + 100) is None  # the segment's own header
    assert allocator.block_at(0x10000) is None and allocator.block_at(0x7FFF00000000) is None


def test_verify_names_the_first_object_without_type(fake: FreeThreaded) -> None:
    fake.put("object.type", fake.block(7), 0x4141414141414141)
    found = verify_lists(fake.target, fake.interpreter)
    (check,) = found.lists
    assert not found.consistent and (check.objects, check.bad) == (CAPACITY, 1) and check.first is not None
    assert (check.first.address, check.first.place) == (fake.block(7), 7)


def test_verify_of_a_whole_heap(fake: FreeThreaded) -> None:
    found = verify_lists(fake.target, fake.interpreter)
    assert found.consistent and not found.notes and [(c.objects, c.bad) for c in found.lists] == [(CAPACITY, 0)]


def test_verify_says_which_page_is_damaged(fake: FreeThreaded) -> None:
    fake.free("free", [1])
    fake.word(fake.block(1), 0x1234567890)
    (check,) = verify_lists(fake.target, fake.interpreter).lists
    assert check.broken is not None and "is broken at 0x1234567890" in check.broken
