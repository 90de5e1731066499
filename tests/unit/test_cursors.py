"""The table of starting points that cursors look into."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from fingdb.cpython.heap import cursors  # noqa: E402

ADDRESSES = np.arange(0x7FFFF6000000, 0x7FFFF6000000 + 16 * 9000, 16, dtype=np.int64)


def clashing() -> list[int]:
    """Return two addresses that share a place of the smallest table, in the first way of making one."""
    places = cursors._Marks(ADDRESSES[:64], ADDRESSES[:0])._place(ADDRESSES)
    first = {}
    for address, place in zip(ADDRESSES.tolist(), places.tolist()):
        if place in first:
            return [first[place], address]
        first[place] = address
    raise AssertionError("9000 addresses have 4096 places")


def test_heads_that_clash_get_places_of_their_own() -> None:
    needed = np.array(clashing(), dtype=np.int64)
    marks = cursors._Marks(ADDRESSES[:64], needed)
    assert marks.usable
    assert marks.hit(needed).all()
    assert set(marks.kept(ADDRESSES[:64]).tolist()) <= set(ADDRESSES[:64].tolist())
    assert not marks.hit(needed + 8).any()


def test_a_table_that_cannot_hold_all_says_so() -> None:
    assert not cursors._Marks(ADDRESSES[:64], ADDRESSES).usable
