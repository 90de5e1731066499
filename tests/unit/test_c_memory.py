"""Blocks of malloc, against the truth: this very process and its C library."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace
from typing import Any, Dict, Optional, Sequence, cast

import pytest

from fingdb.debugger.interface import TargetInfo, TargetKind
from fingdb.debugger.mappings import Mappings
from fingdb.findings.c_memory import CBlock, CMemory
from fingdb.memory import BLOCK


class OwnMemory:
    """The memory of this process, as a window on a target's."""

    def __init__(self) -> None:
        self._read: Dict[int, Sequence[int]] = {}

    def words(self, block: int) -> Sequence[int]:
        if block in self._read:
            return self._read[block]
        found = b""
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            for page in range(block * BLOCK, (block + 1) * BLOCK, 4096):
                try:
                    memory.seek(page)
                    found += memory.read(4096)
                except OSError:
                    found += bytes(4096)
        return self._read.setdefault(block, memoryview(found).cast("Q"))


def block_at(address: int) -> Optional[CBlock]:
    mappings = Mappings.of(TargetInfo(TargetKind.LIVE, pid=os.getpid()))
    return CMemory(cast(Any, SimpleNamespace(memory=OwnMemory())), mappings).block_at(address)


def library() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    return libc


def test_what_waits_in_the_cache_of_a_thread_is_not_in_use() -> None:
    libc = library()
    blocks = [libc.malloc(1000) for _ in range(5)]
    before = [block_at(block + 16) for block in blocks]
    if any(block is None for block in before):
        pytest.skip("this C library keeps its blocks elsewhere")
    for block in blocks[:3]:
        libc.free(ctypes.c_void_p(block))
    after = [block_at(block + 16) for block in blocks]
    for block in blocks[3:]:
        libc.free(ctypes.c_void_p(block))
    assert [(b.start, b.used) for b in before if b] == [(block, True) for block in blocks]
    assert [b.used for b in after if b] == [False, False, False, True, True]


def test_a_large_block_has_a_mapping_of_its_own() -> None:
    libc = library()
    blocks = [libc.malloc(size) for size in (1 << 26, (1 << 26) + 12345)]  # above any threshold of malloc
    found = [block_at(block + offset) for block in blocks for offset in (0, 1 << 25, (1 << 26) - 1)]
    for block in blocks:
        libc.free(ctypes.c_void_p(block))
    assert [b.start for b in found if b] == [block for block in blocks for _ in range(3)]
    assert all(b is not None and b.used and b.size >= 1 << 26 for b in found)
