"""Walks over a list whose objects lie on both sides of the heads, in one block of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingdb.cpython.heap.walk import header_size, walk_list
from fingdb.memory import BLOCK

from .fake_heap import HEAP, HEAP_SIZE, VERSIONS, FakeCPython

HEAD = HEAP // BLOCK * BLOCK + 2 * BLOCK - 0x8000
KINDS = (0x7000, 0x7100)


@pytest.fixture(params=(VERSIONS[0], VERSIONS[-1]))
def fake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCPython:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return FakeCPython(request.param)


def link(fake: FakeCPython, head: int, nodes: "list[int]") -> "list[int]":
    """Link objects of types by turns; return the types."""
    types = [KINDS[number % 2] for number in range(len(nodes))]
    for node, following in zip((head, *nodes), (*nodes, head)):
        fake.word(node, following)
        fake.word(following + 8, node)
    for node, kind in zip(nodes, types):
        fake.word(node + header_size(fake.target) + fake.layout.offset("object.type"), kind)
    return types


def around(count: int) -> "list[int]":
    """Addresses before and after the head by turns, in its block and in the next."""
    offsets = (-0x40, 0x40, -BLOCK // 2, BLOCK // 2)
    return [HEAD + offsets[n % 4] + (n // 4) * (0x40 if offsets[n % 4] > 0 else -0x40) for n in range(count)]


def test_a_list_that_goes_back_and_forth_around_its_head(fake: FakeCPython) -> None:
    nodes = around(400)
    assert {node // BLOCK for node in nodes} == {HEAD // BLOCK, HEAD // BLOCK + 1} and len(set(nodes)) == 400
    types = link(fake, HEAD, nodes)
    walk = walk_list(fake.target, HEAD)
    assert (list(walk.nodes), list(walk.types), walk.problem) == (nodes, types, None)


@pytest.mark.parametrize("entry", [0, 8])
def test_a_list_that_runs_into_a_head_in_the_middle_of_a_block(fake: FakeCPython, entry: int) -> None:
    nodes = around(400)
    other = HEAD + 0x10
    link(fake, HEAD, nodes)
    fake.word(nodes[299], other + entry)
    walk = walk_list(fake.target, HEAD, others=[other])
    assert list(walk.nodes) == nodes[:300]
    assert walk.problem is not None and walk.problem.startswith("the list is broken after 300 objects")


def test_a_circle_around_the_head_is_noticed(fake: FakeCPython) -> None:
    nodes = around(400)
    link(fake, HEAD, nodes)
    fake.word(nodes[-1], nodes[100])
    walk = walk_list(fake.target, HEAD)
    assert list(walk.nodes) == nodes
    assert walk.problem == f"the list runs in a circle at {nodes[100]:#x}"


def test_heap_has_room_for_the_lists() -> None:
    assert HEAP < min(around(400)) and max(around(400)) + BLOCK // 8 < HEAP + HEAP_SIZE
