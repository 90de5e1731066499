"""The window on the target's memory."""

from __future__ import annotations

import struct

import pytest

from fingdb.debugger.fake import FakeDebugger
from fingdb.memory import BLOCK, PAGE, Memory, MemoryFault

BASE = 0x10000


@pytest.fixture()
def debugger() -> FakeDebugger:
    fake = FakeDebugger()
    fake.map(BASE, bytes(range(256)) * 64)  # four pages
    return fake


def test_numbers(debugger: FakeDebugger) -> None:
    memory = Memory(debugger)
    raw = bytes([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
    debugger.poke(BASE, raw)
    assert (memory.u8(BASE), memory.i8(BASE)) == (254, -2)
    assert (memory.u16(BASE), memory.i16(BASE)) == (0xFFFE, -2)
    assert (memory.u32(BASE), memory.i32(BASE)) == (0xFFFFFFFE, -2)
    assert (memory.u64(BASE), memory.i64(BASE)) == (2**64 - 2, -2)
    assert memory.pointer(BASE) == 2**64 - 2
    assert memory.integer(BASE, 3) == 0xFFFFFE


def test_other_byte_order_and_pointer_size() -> None:
    fake = FakeDebugger(pointer_size=4, big_endian=True)
    fake.map(BASE, struct.pack(">4I", 1, 2, 0xFFFFFFFE, 4) + bytes(PAGE))
    memory = Memory(fake)
    assert memory.pointer(BASE + 4) == 2
    assert memory.i32(BASE + 8) == -2
    assert list(memory.array(BASE, 4)) == [1, 2, 0xFFFFFFFE, 4]


def test_pages_are_read_once_until_the_target_changes(debugger: FakeDebugger) -> None:
    memory = Memory(debugger)
    assert memory.u8(BASE + 1) == 1
    reads = debugger.reads
    assert memory.u8(BASE + 2) == 2
    assert debugger.reads == reads
    debugger.poke(BASE + 2, b"\x63")
    assert memory.u8(BASE + 2) == 2  # nobody said that the target changed
    debugger.changed()
    assert memory.u8(BASE + 2) == 0x63


def test_reads_across_pages(debugger: FakeDebugger) -> None:
    memory = Memory(debugger)
    expected = debugger.read(BASE, 4 * PAGE)
    assert memory.read(BASE + PAGE - 3, 6) == expected[PAGE - 3 : PAGE + 3]
    assert memory.read(BASE + 10, 3 * PAGE) == expected[10 : 10 + 3 * PAGE]
    assert memory.pointer(BASE + PAGE - 4) == int.from_bytes(expected[PAGE - 4 : PAGE + 4], "little")
    assert memory.read(BASE, 0) == b""


@pytest.mark.parametrize("address", [0, -8, BASE - 1, BASE + 4 * PAGE, 2**64 - 4, 2**64, 2**70])
def test_faults(debugger: FakeDebugger, address: int) -> None:
    memory = Memory(debugger)
    for read in (memory.pointer, memory.u64, lambda a: memory.read(a, 8), memory.cstring):
        with pytest.raises(MemoryFault):
            read(address)


def test_a_partly_unreadable_page_serves_the_rest() -> None:
    fake = FakeDebugger()
    fake.map(BASE + 100, b"A" * 200)  # as a core file may end
    memory = Memory(fake)
    assert memory.read(BASE + 100, 200) == b"A" * 200
    assert memory.u8(BASE + 299) == 65
    with pytest.raises(MemoryFault):
        memory.u8(BASE + 300)
    assert memory.read_some(BASE + 290, 500) == b"A" * 10
    assert memory.read_some(BASE, 10) == b""


def test_cstring(debugger: FakeDebugger) -> None:
    memory = Memory(debugger)
    debugger.poke(BASE + PAGE - 3, b"abcdef\0")
    assert memory.cstring(BASE + PAGE - 3) == b"abcdef"
    assert memory.cstring(BASE + PAGE - 3, 4) == b"abcd"
    debugger.poke(BASE + 4 * PAGE - 3, b"xyz")
    debugger.changed()
    assert memory.cstring(BASE + 4 * PAGE - 3, 3) == b"xyz"
    with pytest.raises(MemoryFault):
        memory.cstring(BASE + 4 * PAGE - 3)


def test_blocks_have_holes_where_nothing_can_be_read() -> None:
    fake = FakeDebugger()
    number = 3
    start = number * BLOCK
    fake.map(start + PAGE, struct.pack("<Q", 7) * (PAGE // 8))
    fake.map(start + BLOCK, struct.pack("<Q", 9) * (PAGE // 8))
    memory = Memory(fake)
    words = memory.words(number)
    assert words[0] == 0 and words[PAGE // 8] == 7 and words[2 * PAGE // 8] == 0
    assert words[BLOCK // 8] == 9  # the beginning of the next block
    assert len(memory.words(100)) == 0
    reads = fake.reads
    assert memory.words(number) is words and fake.reads == reads


def test_blocks_are_kept_for_those_who_come_back() -> None:
    fake = FakeDebugger()
    for number in range(1, 101):
        fake.map(number * BLOCK, struct.pack("<Q", number) * (PAGE // 8))
    memory = Memory(fake)
    reads = []
    for _ in range(3):
        before = fake.reads
        assert [memory.words(number)[0] for number in range(1, 101)] == list(range(1, 101))
        reads.append(fake.reads - before)
    assert reads[0] > reads[1] > reads[2] == 0  # more than are kept at first; then all are
    fake.changed()
    fake.poke(BLOCK, struct.pack("<Q", 77))
    assert memory.words(1)[0] == 77


def test_neighbouring_pages_are_fetched_together() -> None:
    fake = FakeDebugger()
    fake.map(0x100000, bytes(1 << 16))
    memory = Memory(fake)
    for page in range(16):
        memory.u8(0x100000 + page * PAGE)
    assert fake.reads < 6
