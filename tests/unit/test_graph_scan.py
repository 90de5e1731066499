"""Words of memory that are addresses: found the same way by every engine; and blocks of malloc."""

from __future__ import annotations

import random
import struct
import sys
from typing import Dict, List, Tuple

import pytest

from fingdb.cpython.graph.ordered import Sorted, in_order
from fingdb.cpython.graph.scan import find_words
from fingdb.debugger.fake import FakeDebugger
from fingdb.debugger.interface import Interrupted
from fingdb.findings.unvisited import _reads

BASE = 0x7F0000000000


def memory(words: Dict[int, int], size: int) -> FakeDebugger:
    """Return a debugger with ``size`` bytes at BASE that hold numbers at some offsets."""
    data = bytearray(size)
    for offset, number in words.items():
        struct.pack_into("<Q", data, offset, number)
    debugger = FakeDebugger()
    debugger.map(BASE, data)
    return debugger


@pytest.mark.parametrize("count", [1, 4, 5, 300])
@pytest.mark.parametrize("numpy", [True, False])
def test_every_engine_finds_the_same_words(count: int, numpy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if numpy:
        pytest.importorskip("numpy")
    else:
        monkeypatch.setitem(sys.modules, "numpy", None)
    rng = random.Random(count)
    size = 3 << 20
    wanted = [rng.randrange(1 << 20, 1 << 47) & ~7 for _ in range(count)]
    words = {rng.randrange(0, size // 8) * 8: rng.choice(wanted) for _ in range(200)}
    debugger = memory(words, size)
    found = sorted(find_words(debugger, [(BASE, BASE + size)], wanted))
    assert found == sorted((BASE + offset, number) for offset, number in words.items())


def test_a_word_must_be_aligned_and_readable() -> None:
    debugger = memory({16: 0xABCDEF00, 36: 0xABCDEF00}, 1 << 16)
    debugger.unreadable.add(BASE + 40960)
    found = list(find_words(debugger, [(BASE, BASE + (1 << 16))], [0xABCDEF00]))
    assert found == [(BASE + 16, 0xABCDEF00)]


def test_control_c_ends_the_search() -> None:
    debugger = memory({}, 1 << 16)
    debugger.interrupted = True
    with pytest.raises(Interrupted):
        list(find_words(debugger, [(BASE, BASE + (1 << 16))], [1 << 40]))


def test_neighbours() -> None:
    numbers = Sorted([30, 10, 20])
    below: List[Tuple[int, object]] = [(number, numbers.at_or_below(number)) for number in (9, 10, 25, 99)]
    assert below == [(9, None), (10, 10), (25, 20), (99, 30)]
    assert [numbers.above(number) for number in (9, 10, 30)] == [10, 20, None]
    assert 20 in numbers and 21 not in numbers


def test_columns_in_order() -> None:
    numbers = random.Random(5)
    keys = [numbers.randrange(1 << 47) >> shift for shift in (0, 30, 40) for _ in range(500)]
    values = list(range(len(keys)))
    expected = sorted(zip(keys, values))
    found = in_order(zip(keys, values))
    assert list(zip(*found)) == expected
    assert list(zip(*in_order(zip(*found)))) == expected
    assert list(Sorted(keys).numbers) == sorted(keys)


@pytest.mark.parametrize(
    "code, reads",
    [
        ("488b7f10", False),  # mov 0x10(%rdi),%rdi
        ("488b7f08", True),  # mov 0x8(%rdi),%rdi
        ("498b7c2408", True),  # mov 0x8(%r12),%rdi
        ("488b7c2408", False),  # mov 0x8(%rsp),%rdi
        ("ffd0", False),  # call *%rax
        ("4883ec08", False),  # sub $0x8,%rsp
        ("0f1f4000", False),  # nopl 0x0(%rax)
        ("62f17c4810", True),  # not in the tables: it may
    ],
)
def test_which_instructions_may_read_the_type(code: str, reads: bool) -> None:
    assert _reads(bytes.fromhex(code), 0x401000, 8) is reads
