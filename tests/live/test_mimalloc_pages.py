"""mimalloc's pages on builds with a GIL, which take it for PYTHONMALLOC=mimalloc, against the program's own count.

What builds without a GIL have in these pages is in test_free_threaded.py. Here are the pages themselves, and what threads
leave when they end: from mimalloc 2.5 on both are kept in another way, whatever the build.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from tests.live.programs.mimalloc_truth import HUGE, SIZES
from tests.live.test_summaries import PROGRAMS, probe
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

#: With arenas an ended thread's segments are marked in their maps, without they are in a list.
PLACES = {"arenas": [], "no arenas": ["set environment MIMALLOC_ARENA_RESERVE 0"]}

_READ: Dict[Tuple[str, str], Tuple[Dict[str, Any], Dict[str, Any]]] = {}


@pytest.fixture(params=list(PLACES))
def pair(python: Interpreter, request: pytest.FixtureRequest, tmp_path: Path) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """What the program said of itself, and what was read."""
    if python.version < (3, 13) or python.free_threaded:
        pytest.skip(f"{python.label} has no mimalloc besides its own allocator")
    if not python.has_debug_info:
        pytest.skip(f"{python.label} does not tell where pages are")
    key = (python.label, request.param)
    if key not in _READ:
        said = tmp_path / "truth.json"
        # Not in gdb's own environment: the Python inside gdb may not know this allocator.
        commands = ["set environment PYTHONMALLOC mimalloc", *PLACES[request.param]]
        (read,) = probe(python, tmp_path, "probe_mimalloc.py", [str(PROGRAMS / "mimalloc_truth.py"), str(said)], commands)
        _READ[key] = (json.loads(said.read_text(encoding="utf-8")), read)
    return _READ[key]


def test_every_block_of_the_heap_is_found(pair: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
    truth, read = pair
    assert read["known"] and read["problems"] == []
    assert len(read["main"]) == truth["allocated"]
    assert not set(truth["own"]) - {start for start, _size in read["main"]}


def test_what_ended_threads_left_is_found(pair: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
    truth, read = pair
    assert read["subprocess"] == read["starts"], "mimalloc 2.5 has both"
    if not read["subprocess"]:
        pytest.skip("mimalloc 2.1 of a build with a GIL has no pool of an interpreter")
    left = dict(read["left"])
    assert len(left) == len(read["left"])
    assert not {address for _length, address in truth["left"]} - set(left)
    # As many blocks of these sizes as the threads left, and none that they freed.
    for length in (*SIZES, HUGE):
        addresses = [address for size, address in truth["left"] if size == length]
        (size,) = {left[address] for address in addresses}
        assert Counter(left.values())[size] == len(addresses), length


def test_the_block_at_an_address(pair: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
    _truth, read = pair
    assert read["at"] == {str(start): [start, "used"] for start, _size in read["main"] + read["left"]}
