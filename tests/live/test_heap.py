"""The heap's readers against the truth: a program counts and measures its own objects, stops, and is read.

`programs/heap_truth.py` explains what it measures. Every comparison is for equality.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from tests.support.gdbrun import ROOT, gdb_environment
from tests.support.interpreters import Interpreter

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = pytest.mark.live

Reading = Dict[str, Any]

#: Types whose ``__sizeof__`` counts what they own elsewhere in ways that fingdb does not know: told as "at least".
INEXACT = {"BufferedReader", "BufferedWriter", "OrderedDict", "Struct", "deque", "frame", "generator"}


def probe(
    python: Interpreter, directory: Path, name: str, program: Sequence[str], core: str = "", **env: str
) -> List[Reading]:
    """Run gdb with a probe of `programs` as its last command and return what the probe wrote."""
    out = directory / "read.json"
    out.unlink(missing_ok=True)
    command = [os.environ.get("FINGDB_TEST_GDB", "gdb"), "-nx", "-q", "-batch"]
    command += ["-iex", "set debuginfod enabled off", "-iex", "set auto-load python-scripts off"]
    if core:
        command += ["-ex", f"core-file {core}"]
    command += ["-ex", f"source {PROGRAMS / name}", "--args", str(python.path), *program]
    env.update(FINGDB_TEST_ROOT=str(ROOT), FINGDB_TEST_OUT=str(out))
    done = subprocess.run(
        command, env=gdb_environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=100,
    )
    assert out.exists(), done.stdout.decode("utf-8", "replace")
    found: List[Reading] = json.loads(out.read_text(encoding="utf-8"))
    return found


@dataclass
class Heap:
    """What a program said of itself, and what was read of it: live, and from a core file, by both engines."""

    truth: Reading
    read: List[Reading]


_HEAPS: Dict[str, Heap] = {}


@pytest.fixture()
def heap(python: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Heap:
    """Truth and reading of one interpreter, made once."""
    need_layout(python)
    if python.label not in _HEAPS:
        _HEAPS[python.label] = make_heap(python, tmp_path_factory.mktemp("heap"))
    return _HEAPS[python.label]


def need_layout(python: Interpreter) -> None:
    """Skip where objects cannot be read at all."""
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")


def need_lists(python: Interpreter) -> None:
    """Skip where the collector has no lists."""
    need_layout(python)
    if python.free_threaded:
        pytest.skip("a free-threaded build has no lists that could be damaged: its objects are in the heaps of mimalloc")


def make_heap(python: Interpreter, directory: Path, **env: str) -> Heap:
    said, core = directory / "truth.json", directory / "core"
    chosen = f"{said}.chosen"
    words = [str(PROGRAMS / "heap_truth.py"), str(said)]
    read = probe(python, directory, "probe_heap.py", words, FINGDB_TEST_CORE=str(core), FINGDB_TEST_CHOSEN=chosen, **env)
    read += probe(python, directory, "probe_heap.py", [], str(core), FINGDB_TEST_CHOSEN=chosen)
    core.unlink()
    return Heap(json.loads(said.read_text(encoding="utf-8")), read)


@pytest.mark.spread
def test_both_engines_were_at_work_and_agree(python: Interpreter, heap: Heap) -> None:
    # There is one engine for mimalloc's pages.
    engines = ["array"] * 4 if python.free_threaded else ["ndarray", "array"] * 2
    assert [read["engine"] for read in heap.read] == engines
    assert len({read["columns"] for read in heap.read}) == 1
    for read in heap.read:
        assert read["problems"] == read["block_problems"] == read["census_problems"] == []
        assert not read["partial"] and not read["block_partial"]


def test_objects_by_type_and_generation(heap: Heap) -> None:
    for read in heap.read:
        generations = dict(read["generations"])
        assert sum(generations.pop("255").values()) == heap.truth["frozen"]
        for number, truth in enumerate(heap.truth["generations"]):
            assert generations.get(str(number), {}) == truth


def test_sizes_of_all_objects_of_the_collector(heap: Heap) -> None:
    for read in heap.read:
        inexact = set(read["inexact"])
        assert inexact <= INEXACT
        for name, size in heap.truth["sizes"].items():
            if name in inexact:
                assert read["sizes"][name] <= size
            else:
                assert read["sizes"][name] == size, name


def test_sizes_of_other_objects(heap: Heap) -> None:
    for read in heap.read:
        for address, size in read["chosen"].items():
            truth, name = heap.truth["chosen"][address]
            assert size == truth, (name, hex(int(address)))


def test_blocks_in_use(heap: Heap) -> None:
    for read in heap.read:
        assert read["blocks"] + read["large"] == heap.truth["allocated"]
        assert read["astray"] == 0


def test_objects_in_no_list(heap: Heap) -> None:
    for read in heap.read:
        assert read["others"]["range"] == heap.truth["ranges"] > 4000
        assert read["listed"] + sum(read["others"].values()) + read["raw"] == read["blocks"]
        # Headers of objects are recognised, not merely words that look like one: nothing is counted that the
        # program does not have. Strings and numbers it cannot count; the types it made itself it can.
        assert not {"Slots", "Attributes", "More", "Words", "Row", "Numbers", "Made"} & set(read["others"])


def test_debug_hooks(python: Interpreter, heap: Heap) -> None:
    assert {read["debug_header"] for read in heap.read} == {16 if python.debug else 0}


@pytest.mark.pair
def test_debug_hooks_by_option(python: Interpreter, tmp_path: Path) -> None:
    need_layout(python)
    heap = make_heap(python, tmp_path, PYTHONMALLOC="debug")
    assert {read["debug_header"] for read in heap.read} == {16}
    test_both_engines_were_at_work_and_agree(python, heap)
    test_objects_by_type_and_generation(heap)
    test_blocks_in_use(heap)
    test_objects_in_no_list(heap)


@pytest.mark.pair
def test_another_allocator(python: Interpreter, tmp_path: Path) -> None:
    need_layout(python)
    if python.free_threaded:
        pytest.skip("a free-threaded build takes no other allocator than mimalloc")
    heap = make_heap(python, tmp_path, PYTHONMALLOC="malloc")
    test_objects_by_type_and_generation(heap)
    for read in heap.read:
        assert read["blocks"] == 0 and read["block_partial"]
        assert ["PYTHONMALLOC=malloc" in problem for problem in read["block_problems"]] == [True]


@pytest.mark.pair
def test_damaged_lists(python: Interpreter, tmp_path: Path) -> None:
    """Cut, in circles, crossed: the cursors, the plain walk and a third way give the same objects."""
    need_lists(python)
    core = tmp_path / "core"
    records = probe(python, tmp_path, "probe_corrupt.py", [str(PROGRAMS / "heap_small.py")], FINGDB_TEST_CORE=str(core))
    core.unlink()
    assert len(records) > 30
    for record in records:
        where = f"{record['damage']}: {record}"
        assert record["numpy"]["found"], where
        assert record["numpy"]["same"] and record["plain"]["same"], where
        assert record["numpy"]["problems"] == record["plain"]["problems"], where
        assert record["numpy"]["partial"] == record["plain"]["partial"] == (not record["whole"]), where
    harmless = {record["damage"] for record in records if record["whole"]}
    assert {"nothing", "flags of a running collection", "back links written over", "head taken out"} <= harmless
    assert not harmless & {"cut", "itself", "no link", "nowhere", "beyond", "circle"}
