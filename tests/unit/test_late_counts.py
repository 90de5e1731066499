"""Counts of free-threaded builds, on objects made by hand: two counters, and what is added where references are counted late.

In the layout of a real 3.13t, and in that which Debian's headers give for a 3.14 without GIL (see test_mimalloc.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fingdb.cpython import objects
from fingdb.cpython.graph.describe import is_immortal
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
    assert objects.held_references(fake.target, address) == local + shared
    assert not impossible(local + shared)


@pytest.mark.parametrize("local, shared, flags", [(1, 0, 0), (5, 2, 0), (7, -3, 0), (0, 4, 3), (0, 1, 3)])
def test_references_that_are_counted_late(version: str, local: int, shared: int, flags: int) -> None:
    fake = FreeThreaded(version)
    address = counted(fake, local, shared + ADDED[version], TRACKED | DEFERRED, flags)
    count = objects.refcount(fake.target, address)
    assert count == local + shared + ADDED[version]
    assert objects.held_references(fake.target, address) == local + shared
    # Such an object is alive and well, and it is not immortal.
    assert objects.is_likely_count(count) and not impossible(count) and not is_immortal(fake.target, address)


def test_immortal_objects(version: str) -> None:
    fake = FreeThreaded(version)
    address = counted(fake, 0xFFFFFFFF, 0, TRACKED | DEFERRED)
    assert is_immortal(fake.target, address)
    assert objects.held_references(fake.target, address) == objects.refcount(fake.target, address)


@pytest.mark.parametrize("count", [0, -1, 1 << 40, 0x7FFFF7A12340, 1 << 59, 1 << 61, 0x4141414141414141])
def test_counts_that_cannot_be(count: int) -> None:
    assert not objects.is_likely_count(count)
