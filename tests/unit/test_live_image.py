"""The image of a live process: what is copied of its memory, and when."""

from __future__ import annotations

import struct

import pytest

from fingdb.debugger.fake import FakeDebugger
from fingdb.memory import BLOCK, PAGE

np = pytest.importorskip("numpy")

from fingdb.cpython.heap.image import _LiveImage  # noqa: E402

RANGES = [(0x100000, 0x100000 + 5 * BLOCK + PAGE), (0x900000, 0x900000 + PAGE), (0xA00000, 0xA00000 + 40 * BLOCK)]


def filled(start: int, length: int) -> bytes:
    """Memory in which each word is its own address."""
    return struct.pack(f"<{length // 8}Q", *range(start, start + length, 8))


@pytest.fixture
def debugger() -> FakeDebugger:
    made = FakeDebugger()
    for start, end in RANGES:
        made.map(start, filled(start, end - start))
    return made


@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_live_image_has_what_is_asked_for(debugger: FakeDebugger, one_by_one: bool) -> None:
    image = _LiveImage(debugger, RANGES)
    wanted = np.array([a for start, end in RANGES for a in range(start, end - 64, 0x3FF8)], dtype=np.int64)
    for part in wanted[:60].reshape(-1, 1) if one_by_one else [wanted]:
        index, known = image.locate(part)
        assert known.all() and (image.flat[index] == part).all() and (image.flat[index + 7] == part + 56).all()


def test_what_lies_across_a_boundary_is_copied_as_well(debugger: FakeDebugger) -> None:
    image = _LiveImage(debugger, RANGES)
    for number in range(4):  # each block is here before it is asked for, as the one behind
        at = RANGES[0][0] + (number + 1) * BLOCK - 16
        index, known = image.locate(np.array([at], dtype=np.int64))
        assert known.all() and image.flat[index[0] : index[0] + 8].tolist() == list(range(at, at + 64, 8))


def test_neighbours_are_copied_together(debugger: FakeDebugger) -> None:
    image = _LiveImage(debugger, RANGES)
    calls = []
    into = debugger.read_into
    debugger.read_into = lambda address, buffer: calls.append((address, len(buffer))) or into(address, buffer)
    start, end = RANGES[2]
    image.locate(np.arange(start, end - 64, BLOCK, dtype=np.int64))
    assert calls[:3] == [(start, 16 * BLOCK), (start + 16 * BLOCK, 16 * BLOCK), (start + 32 * BLOCK, 8 * BLOCK)]
    # Most is here now: the rest is copied as well, and nobody asks again.
    assert sorted(calls[3:]) == [(RANGES[0][0], 5 * BLOCK + PAGE), (RANGES[1][0], PAGE)]
    image.locate(np.array([RANGES[0][0]], dtype=np.int64))
    assert len(calls) == 5


def test_one_bad_page_hides_only_what_follows_in_its_block(debugger: FakeDebugger) -> None:
    start, end = RANGES[2]
    bad = [start + 3 * BLOCK + 2 * PAGE, start + 4 * BLOCK, start + 20 * BLOCK - 8]
    debugger.unreadable.update(bad)
    image = _LiveImage(debugger, RANGES)
    wanted = np.arange(start, end - 64, PAGE, dtype=np.int64)
    index, known = image.locate(wanted)
    assert known.all()
    read = image.flat[index]
    lost = {a for each in bad for a in range(each // PAGE * PAGE, (each // BLOCK + 1) * BLOCK, PAGE)}
    assert [0 if a in lost else a for a in wanted.tolist()] == read.tolist()


def test_samples_are_rows_of_what_can_be_read(debugger: FakeDebugger) -> None:
    debugger.unreadable.add(RANGES[0][0] + BLOCK)
    for stride in (PAGE, BLOCK):
        rows, addresses = _LiveImage(debugger, RANGES).sample(stride, 8)
        good = rows[:, 0] == addresses
        assert (rows[good] == addresses[good][:, None] + 8 * np.arange(8)).all()
        assert not rows[~good].any()
        assert good.sum() > 0.9 * sum((end - start) // stride for start, end in RANGES)
