"""The summaries against the truth: a program measures itself, stops, and is read through gdb.

`programs/truth.py` explains what it measures and why the numbers are exact; every comparison of
numbers here is for equality.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

from tests.support.gdbrun import ROOT, gdb_environment
from tests.support.interpreters import Interpreter

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = pytest.mark.live

#: From here on a build without debug information tells its offsets itself (_Py_DebugOffsets) …
TELLS_OFFSETS = (3, 13)
#: … and of these versions the shape of the collector's state is known besides.
KNOWN_COLLECTORS = ((3, 13), (3, 14), (3, 15))

#: What is left of older builds: what the code of their exported functions tells.
FUNCTIONS = "exported-functions"

Reading = Dict[str, Any]


def probe(
    python: Interpreter, directory: Path, name: str, program: Sequence[str], commands: Sequence[str] = (),
    options: Sequence[str] = (), cache: Optional[Path] = None, **env: str,
) -> List[Reading]:
    """Run gdb with a probe of `programs` as its last command and return what the probe wrote."""
    out = directory / "read.json"
    out.unlink(missing_ok=True)
    command = [os.environ.get("FINGDB_TEST_GDB", "gdb"), "-nx", "-q", "-batch", *options]
    command += ["-iex", "set debuginfod enabled off", "-iex", "set auto-load python-scripts off"]
    for line in [*commands, f"source {PROGRAMS / name}"]:
        command += ["-ex", line]
    command += ["--args", str(python.path), *program]
    env.update(FINGDB_TEST_ROOT=str(ROOT), FINGDB_TEST_OUT=str(out))
    done = subprocess.run(
        command, env=gdb_environment(env, cache), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=120,
    )
    assert out.exists(), done.stdout.decode("utf-8", "replace")
    found: List[Reading] = json.loads(out.read_text(encoding="utf-8"))
    return found


# -- one interpreter, measured to the last object ---------------------------------------------------
@dataclass
class Pairs:
    """What the program said of itself and what was read of it at the same moment.

    ``live`` has the three stops and once more the first one, read from a core; ``bare`` the three
    stops of a run whose debug information gdb did not read.
    """

    live: List[Tuple[Reading, Reading]]
    bare: List[Tuple[Reading, Reading]]

    @property
    def all(self) -> List[Tuple[Reading, Reading]]:
        """Every pair of a reading that tells everything: exported functions alone do not."""
        return [*self.live, *(pair for pair in self.bare if pair[1]["build"]["layout"] != FUNCTIONS)]


_PAIRS: Dict[str, Pairs] = {}


@pytest.fixture()
def pairs(python: Interpreter, tmp_path: Path) -> Pairs:
    """Truth and reading for one interpreter, made once."""
    if python.free_threaded and python.debug:
        pytest.skip("an assertion of CPython's own fails when gc.get_objects() has a list that is being built")
    if python.label not in _PAIRS:
        _PAIRS[python.label] = make_pairs(python, tmp_path)
    return _PAIRS[python.label]


def make_pairs(python: Interpreter, directory: Path) -> Pairs:
    # A file name that is not ASCII: code objects keep it, and it must come back as it is.
    program, core, said = directory / "träth_名.py", directory / "core", directory / "truth.json"
    shutil.copy(PROGRAMS / "truth.py", program)
    words = [str(program), str(said)]

    read = probe(python, directory, "probe_summaries.py", words, FINGDB_TEST_CORE=str(core))
    truth = json.loads(said.read_text(encoding="utf-8"))
    assert [t["label"] for t in truth] == ["deep", "frozen", "collected"]
    if "error" in read[0]:
        assert not python.has_debug_info and python.version[:2] < TELLS_OFFSETS, read[0]["error"]
        pytest.skip(f"{python.label} has no debug information")
    from_core = probe(python, directory, "probe_summaries.py", [], [f"core-file {core}"])
    core.unlink()
    live = [*zip(truth, read), (truth[0], from_core[0])]
    assert len(live) == 4

    cache = directory / "cache"  # empty: nothing is known from another run
    read = probe(python, directory, "probe_summaries.py", words, [], ["-readnever"], cache)
    truth = json.loads(said.read_text(encoding="utf-8"))
    assert len(read) == len(truth)
    return Pairs(live, list(zip(truth, read)))


def the_interpreter(read: Reading) -> Dict[str, Any]:
    assert len(read["interpreters"]) == 1
    found: Dict[str, Any] = read["interpreters"][0]
    return found


def knows_collector(python: Interpreter, read: Reading) -> bool:
    if read["build"]["layout"] == "dwarf":
        return True
    return tuple(python.version[:2]) in KNOWN_COLLECTORS and not python.free_threaded


def test_build(python: Interpreter, pairs: Pairs) -> None:
    for truth, read in pairs.all:
        assert read["build"]["version"] == truth["version"]
        assert read["build"]["debug_build"] == python.debug
        assert read["build"]["free_threaded"] is python.free_threaded
    if python.has_debug_info:
        assert {read["build"]["layout"] for _truth, read in pairs.live} == {"dwarf"}


def test_without_debug_information(python: Interpreter, pairs: Pairs) -> None:
    for truth, read in pairs.bare:
        if tuple(python.version[:2]) >= TELLS_OFFSETS:
            assert read["build"]["layout"] == "debug-offsets"
            continue
        assert read["build"]["layout"] == FUNCTIONS
        runtime, interpreter = read["runtime"], the_interpreter(read)
        assert (runtime["initialized"], runtime["core_initialized"], runtime["finalizing"]) == (True, True, 0)
        threads = interpreter["threads"]
        main = threads[0]
        assert sorted(t["thread_id"] for t in threads) == truth["idents"]
        known = {t["ident"]: t["native_id"] for t in truth["threads"]}
        assert {t["thread_id"]: t["native_id"] for t in threads if t["thread_id"] in known} == known
        assert main["current"] and all(t["debugger_id"] is not None for t in threads)
        # In 3.12 each interpreter may have a lock of its own, and no function tells where.
        assert runtime["gil_holder"] == (main["address"] if tuple(python.version[:2]) < (3, 12) else None)
        # What they do not tell is not made up.
        assert [(t["name"], t["daemon"], t["python_stack"]) for t in threads] == [(None, None, [])] * len(threads)
        assert interpreter["gc"] is None and interpreter["modules"] is None and read["modules"] == [[]]
        assert read["problems"] == ["without debug information it is not known where sys.modules lies"]


def test_nothing_went_wrong(python: Interpreter, pairs: Pairs) -> None:
    for _truth, read in pairs.all:
        interpreter = the_interpreter(read)
        assert read["problems"] == read["runtime"]["problems"] == read["quick"]["problems"] == []
        assert interpreter["problems"] == []
        assert bool(interpreter["gc"]["problems"]) != knows_collector(python, read)
        assert [t["problems"] for t in interpreter["threads"]] == [[] for _ in interpreter["threads"]]


def test_generations(python: Interpreter, pairs: Pairs) -> None:
    for truth, read in pairs.all:
        gc = the_interpreter(read)["gc"]
        if not knows_collector(python, read):
            assert gc["generations"] == []
            continue
        assert [g["index"] for g in gc["generations"]] == [0, 1, 2]
        assert [g["count"] for g in gc["generations"]] == truth["count"], truth["label"]
        assert [g["threshold"] for g in gc["generations"]] == truth["threshold"]
        assert [g["objects"] for g in gc["generations"]] == truth["objects"], truth["label"]
        assert gc["enabled"] == truth["enabled"]
        assert gc["collecting"] is False
        assert gc["frozen"] == truth["frozen"]


def test_types(python: Interpreter, pairs: Pairs) -> None:
    for truth, read in pairs.all:
        if knows_collector(python, read):
            types = the_interpreter(read)["gc"]["types"]
            assert {t["type"]: t["count"] for t in types} == truth["types"], truth["label"]
            counts = [t["count"] for t in types]
            assert counts == sorted(counts, reverse=True)


def test_threads(python: Interpreter, pairs: Pairs) -> None:
    for truth, read in pairs.all:
        threads = the_interpreter(read)["threads"]
        assert sorted(t["thread_id"] for t in threads) == truth["idents"]
        known = {t["ident"]: t for t in truth["threads"]}
        for thread in threads:
            told = known.get(thread["thread_id"])
            if told is None:  # started with _thread: the threading module does not know it
                assert (thread["name"], thread["daemon"]) == (None, None)
                assert thread["native_id"] in read["threads_of_gdb"]
            else:
                assert (thread["name"], thread["daemon"]) == (told["name"], told["daemon"])
                assert thread["native_id"] == told["native_id"]
            assert thread["debugger_id"] is not None
            assert thread["finalizing"] is False
        main = threads[0]
        assert main["name"] == "MainThread" and main["current"]
        with_gil = not python.free_threaded
        assert [t["holds_gil"] for t in threads] == [with_gil] + [False] * (len(threads) - 1)
        assert read["runtime"]["gil_holder"] == (main["address"] if with_gil else None)
        assert the_interpreter(read)["gil_enabled"] is (None if with_gil else False)
        assert the_interpreter(read)["stopped_world"] is None
        if read["build"]["layout"] == "dwarf":
            assert main["state"] == "attached"
            assert {t["state"] for t in threads[1:]} == {"detached"}


def test_python_stacks(pairs: Pairs) -> None:
    for truth, read in pairs.all:
        for thread in the_interpreter(read)["threads"]:
            stack = [[f["function"], f["file"], f["line"]] for f in thread["python_stack"]]
            assert stack == truth["stacks"][str(thread["thread_id"])], truth["label"]


def test_modules(pairs: Pairs) -> None:
    for truth, read in pairs.all:
        modules = read["modules"][0]
        assert [m["name"] for m in modules] == truth["modules"]
        assert the_interpreter(read)["modules"] == len(truth["modules"])
        by_name = {m["name"]: m for m in modules}
        assert by_name["an.entry.set.to.none"]["state"] == "none"
        assert by_name["cleared"]["state"] == "cleared"
        assert by_name["no_module"]["type"] == "Same"
        assert by_name["__main__"]["file"].endswith("träth_名.py")
        states = {m["state"] for n, m in by_name.items() if n not in ("an.entry.set.to.none", "cleared")}
        assert states == {"live"}
        assert all(m["refcount"] > 0 for m in modules)


def test_runtime_and_quick_state(python: Interpreter, pairs: Pairs) -> None:
    for truth, read in pairs.all:
        runtime, quick = read["runtime"], read["quick"]
        assert runtime["finalizing"] == 0 and runtime["interpreters"] == 1
        assert quick["modules"] == len(truth["modules"])
        assert quick["threads"] == len(truth["idents"])
        assert quick["interpreters"] == 1 and not quick["interpreter_finalizing"]
        if read["build"]["layout"] == "dwarf":
            assert runtime["initialized"] is True and runtime["core_initialized"] is True
        if knows_collector(python, read):
            assert quick["gc_counts"] == truth["count"]
            assert quick["gc_enabled"] == truth["enabled"] and quick["gc_collecting"] is False


def test_speed(pairs: Pairs) -> None:
    # Generous bounds, for a busy machine: 0.2 ms and 0.2 s where it is not.
    assert min(read["seconds"]["quick"] for _truth, read in pairs.live) < 0.01
    assert min(read["seconds"]["open"] for _truth, read in pairs.live) < 0.5


# -- a whole life -----------------------------------------------------------------------------------
#: Functions of the beginning and of the end, in no order, some of one version only; the collector's
#: are hit in the middle of a collection.
STOPS = """
    Py_InitializeFromConfig _PyGC_Init _PyGC_InitState init_interp_main Py_FinalizeEx finalize_modules
    PyImport_Cleanup _PyImport_Cleanup PyInterpreterState_Clear PyThreadState_Clear _PyGC_Fini PyInterpreterState_Delete
    _PyRuntime_Finalize deduce_unreachable move_unreachable finalize_garbage delete_garbage subtract_refs
    type_traverse _PyFaulthandler_Fini exit
""".split()

_LIVES: Dict[str, Tuple[List[Reading], Reading]] = {}


@pytest.fixture()
def life(python: Interpreter, tmp_path: Path) -> Tuple[List[Reading], Reading]:
    """What was read at each stop of a life, and what the second interpreter said of itself."""
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information, and these stops are by name")
    if python.label not in _LIVES:
        said = tmp_path / "said.json"
        words = [str(PROGRAMS / "two_interpreters.py"), str(said)]
        read = probe(python, tmp_path, "probe_everywhere.py", words, FINGDB_TEST_STOPS=" ".join(STOPS))
        _LIVES[python.label] = read, json.loads(said.read_text(encoding="utf-8"))
    return _LIVES[python.label]


def at(life: Tuple[List[Reading], Reading], *functions: str) -> Reading:
    """Return the first reading that was made in one of ``functions``."""
    for read in life[0]:
        if read["at"] is not None and read["at"].split(".")[0] in functions:
            return read
    raise AssertionError(f"no stop in {functions}: {[r['at'] for r in life[0]]}")


@pytest.mark.spread(expected=lambda python: python.free_threaded)
def test_nothing_hangs_anywhere(life: Tuple[List[Reading], Reading]) -> None:
    assert len(life[0]) > 8
    assert max(read.get("seconds", 0) for read in life[0]) < 5


def test_problems_are_told_only_of_a_dying_interpreter(life: Tuple[List[Reading], Reading]) -> None:
    for read in life[0][1:]:
        assert read["problems"] == read["runtime"]["problems"] == read["quick"]["problems"] == [], read["at"]
        for interpreter in read["interpreters"]:
            assert interpreter["problems"] == []
            assert [p for t in interpreter["threads"] for p in t["problems"]] == []
            if interpreter["main"] or not interpreter["finalizing"]:
                assert interpreter["gc"]["problems"] == [], read["at"]


def test_before_python_is_loaded_and_initialized(life: Tuple[List[Reading], Reading]) -> None:
    first = life[0][0]
    if "error" in first:  # the library is not there yet
        assert "has not loaded its CPython (libpython" in first["error"]
    for read in [r for r in life[0][:2] if "error" not in r]:
        assert read["runtime"]["initialized"] is False and read["runtime"]["finalizing"] == 0
        assert read["interpreters"] == [] and read["quick"]["modules"] is None


def test_the_second_interpreter_while_it_runs(python: Interpreter, life: Tuple[List[Reading], Reading]) -> None:
    told = life[1]
    read = next(
        r for r in life[0]
        if len(r.get("interpreters", ())) == 2 and r["interpreters"][1]["modules"] == len(told["modules"])
        and r["interpreters"][1]["threads"] and r["interpreters"][1]["threads"][0]["python_stack"]
    )
    main, inner = read["interpreters"]
    assert (main["id"], main["main"], inner["main"]) == (0, True, False)
    assert inner["id"] > 0 and not inner["finalizing"]
    assert [g["count"] for g in inner["gc"]["generations"]] == told["count"]
    assert inner["gc"]["enabled"] == told["enabled"]
    # Up to 3.8 there is one collector for all interpreters.
    assert main["gc"]["enabled"] == (tuple(python.version[:2]) > (3, 8))
    assert inner["threads"][0]["holds_gil"] is not python.free_threaded
    assert inner["threads"][0]["state"] in ("attached", None)
    assert not any(t["holds_gil"] for t in main["threads"])
    assert [f["function"] for f in inner["threads"][0]["python_stack"]] == ["<module>"]
    assert [f["line"] for f in inner["threads"][0]["python_stack"]] == [6]
    assert [(t["name"], t["daemon"]) for t in main["threads"]] == [("MainThread", False), ("sleeper", True)]


def test_when_finalization_begins(life: Tuple[List[Reading], Reading]) -> None:
    read = at(life, "Py_FinalizeEx")
    assert read["runtime"]["initialized"] is True and read["runtime"]["finalizing"] == 0
    main = read["interpreters"][0]
    assert len(read["interpreters"]) == 2
    assert [(t["name"], t["daemon"]) for t in main["threads"]] == [("MainThread", False), ("sleeper", True)]
    assert set(main["sys_modules"]) == {"live"} and read["quick"]["modules"] == len(main["sys_modules"])
    assert read["quick"]["threads"] == 2


def test_half_way_in_finalization(python: Interpreter, life: Tuple[List[Reading], Reading]) -> None:
    read = at(life, "_PyFaulthandler_Fini")  # only the end of the last interpreter comes here
    main = read["interpreters"][0]
    assert read["runtime"]["initialized"] is False
    assert read["runtime"]["finalizing"] == main["threads"][0]["address"]
    assert main["threads"][0]["finalizing"] and main["threads"][0]["holds_gil"] is not python.free_threaded


def test_in_the_middle_of_a_collection(life: Tuple[List[Reading], Reading]) -> None:
    read = at(life, "subtract_refs", "move_unreachable", "delete_garbage", "type_traverse")
    gc = read["interpreters"][0]["gc"]
    assert gc["collecting"] is True and read["quick"]["gc_collecting"] is True
    assert gc["problems"] == [] and sum(g["objects"] for g in gc["generations"]) > 0


def test_after_finalization(life: Tuple[List[Reading], Reading]) -> None:
    read = life[0][-1]
    assert read["at"].endswith("exit")
    assert read["runtime"]["initialized"] is False and read["runtime"]["core_initialized"] is False
    assert read["runtime"]["finalizing"] != 0  # it dangles, and was not followed
    assert read["interpreters"] == [] and read["quick"]["gc_counts"] == []
