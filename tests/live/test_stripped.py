"""Builds without debug information: what is told by exported functions, the unwinding table, probes and `_Py_DebugOffsets`.

The interpreters are those of this machine, really stripped. The truth is what the same build tells with its debug
information, and what the programs themselves say.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import pytest

from fingdb.debugger.fake import FakeDebugger
from fingdb.elf import open_elf
from fingdb.finalization.catalogue import is_step
from fingdb.layout import debug_offsets, getters
from fingdb.layout.cache import Cache
from fingdb.memory import Memory
from tests.live.check_scenarios import PROGRAMS
from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter
from tests.support.late_threads import sleep_for_ever
from tests.support.shared import shared_directory
from tests.support.stripped import stripped

pytestmark = [pytest.mark.live, pytest.mark.wide]

TABLE_OF_OFFSETS = (3, 13)


@pytest.fixture()
def bare(python: Interpreter) -> Interpreter:
    """The interpreter without any debug information."""
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information to compare with")
    return stripped(python)


@pytest.fixture()
def cold() -> Path:
    """A cache that never saw a build with its debug information; a build-id would bring that back."""
    return shared_directory() / "cold-cache"


def report(*words: object, cache: Optional[Path] = None, env: Optional[Dict[str, str]] = None) -> Dict[str, Any]:
    """Run `fingdb run` or `check` and return its report."""
    command, *program = map(str, words)
    target = shared_directory() / f"stripped-{os.getpid()}.json"
    target.unlink(missing_ok=True)
    done = run_fingdb(command, "--json", "-o", target, "--", *program, cache=cache, env=env)
    assert target.exists() and target.stat().st_size, done.stderr.decode()
    document: Dict[str, Any] = json.loads(target.read_bytes())
    return document


def walk(step: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    yield step
    for child in step["children"]:
        yield from walk(child)


def squashed(names: List[str]) -> List[str]:
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


def exported_steps(bare: Interpreter) -> List[str]:
    return [s.name for s in open_elf(bare.runtime).exported().values() if s.function and is_step(s.name)]


def test_steps_of_a_run_are_the_exported_ones_in_their_order(python: Interpreter, bare: Interpreter, cold: Path) -> None:
    """What a run of the whole build shows, less the steps without a name; probes name the collector as well."""
    whole = report("run", python.path, "-c", "pass")["steps"]
    few = report("run", bare.path, "-c", "pass", cache=cold)
    names = {"Py_FinalizeEx", *(step["name"] for step in few["steps"])}
    if "-debian" not in python.label:  # link-time optimisation calls copies of exported functions, which have no names
        names.update(exported_steps(bare))
    expected = [step["name"] for step in whole if step["name"] in names and not step["inlined"]]
    roots = {"_Py_Finalize": "Py_FinalizeEx"}
    expected = squashed([roots.get(name, name) for name in expected])
    told = squashed([step["name"] for step in few["steps"]])
    assert told == ([] if expected[0] == "Py_FinalizeEx" else ["Py_FinalizeEx"]) + expected
    assert all(step["state"] == "done" for step in few["steps"])
    assert few["phase"] == "after-finalize"
    probed = any(provider == "python" and name == "gc__start" for provider, name, _ in open_elf(bare.runtime).probes())
    assert ("gc_collect_main" in told) == probed
    assert few["python"]["sources"][0] == "steps from exported functions"


def test_plan_says_what_it_is_made_of(bare: Interpreter, python: Interpreter, cold: Path) -> None:
    few = json.loads(run_fingdb("plan", "--json", bare.path, cache=cold).stdout)
    assert few["source"] == "exported-functions"
    (main,) = [root for root in few["roots"] if root["name"] == "Py_FinalizeEx"]
    names = {step["name"] for step in walk(main)}
    assert names <= {*exported_steps(bare), "gc_collect_main"}
    assert {"PyGC_Collect", "PyThreadState_Clear", "PyConfig_Clear"} <= names
    text = run_fingdb("plan", bare.path, cache=cold).stdout.decode()
    assert "exported functions only: the build has no debug information" in " ".join(text.split())
    assert "`fingdb doctor` tells what brings the rest" in " ".join(text.split())
    for root in few["roots"]:
        assert root["name"] not in {step["name"] for child in root["children"] for step in walk(child)}


def test_comparison_says_that_a_side_is_poor(bare: Interpreter, python: Interpreter, tmp_path: Path) -> None:
    done = run_fingdb("compare", "--json", bare.path, python.path, cache=tmp_path)
    document = json.loads(done.stdout)
    assert done.returncode == 1 and any(note.startswith("A has no debug information") for note in document["notes"])
    (main,) = [each for each in document["finalizations"] if each["kind"] == "main"]
    # What calls the collector's main function has no name, so that it seems to stand somewhere else.
    assert {change["step"] for change in main["moved"]} <= {"gc_collect_main"} and len(main["new"]) > 10


def test_a_plan_kept_from_better_days_serves_on(python: Interpreter, tmp_path: Path) -> None:
    """A stripped file keeps its build-id; and a poor plan does not outlive the return of the debug information."""
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    bare = stripped(python, new_identity=False)
    if not open_elf(python.runtime).has_debug_info():
        pytest.skip("the debug information lies in a file that is found by the build-id of the copy, too")
    few = report("run", bare.path, "-c", "pass", cache=tmp_path)
    whole = report("run", python.path, "-c", "pass", cache=tmp_path)
    again = report("run", bare.path, "-c", "pass", cache=tmp_path)
    assert len(few["steps"]) < len(whole["steps"])
    assert [s["name"] for s in again["steps"]] == [s["name"] for s in whole["steps"]]
    assert again["python"]["layout"] == "dwarf"
    assert again["python"]["sources"][0] == "steps kept from when its debug information was there"
    assert whole["python"]["sources"] == []


def test_getters_tell_the_offsets_that_the_debug_information_tells(
    python: Interpreter, bare: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    report("run", python.path, "-c", "pass")  # fills the cache
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_directory() / "cache"))
    elf = open_elf(python.runtime)
    kept = Cache(elf.build_id).get("fields")
    assert isinstance(kept, dict)
    bare_elf = open_elf(bare.runtime)
    runtime = bare_elf.exported().get("_PyRuntime")
    section = bare_elf.section(".PyRuntime")
    address = runtime.address if runtime is not None else section.address if section is not None else 0
    told = getters.members(bare_elf, address)
    assert set(getters.NEEDED) - {"runtime.finalizing"} <= set(told)
    assert "runtime.finalizing" in told or python.version >= TABLE_OF_OFFSETS
    for name, field in told.items():
        row = kept["fields"][name]
        if row is not None:
            assert (field.offset, field.size) == (row[0], row[1]), name


def test_doctor_of_one_interpreter(python: Interpreter, bare: Interpreter, cold: Path, tmp_path: Path) -> None:
    """It looks at the file, and says what a build of one's own can be given."""
    identity = open_elf(bare.runtime).build_id
    for path in (bare.path, bare.runtime):
        done = run_fingdb("doctor", path, cache=cold)
        text = done.stdout.decode()
        assert done.returncode == 0 and "ptrace" not in text, text
        assert f"CPython {bare.version_text}" in text and "without debug information" in text
        assert identity is not None and f"build-id {identity}" in text and "of none" in text
        assert "CFLAGS=-g" in text and "not strip" in text and f"debuginfod-find debuginfo {identity}" in text
        assert os.path.basename(bare.runtime) in text.partition("objcopy --only-keep-debug")[2] or "libpython" not in bare.runtime
    whole = run_fingdb("doctor", python.path, cache=cold).stdout.decode()
    assert "with debug information" in whole and "To mend it" not in whole
    nothing = run_fingdb("doctor", "/bin/true", cache=cold)
    assert nothing.returncode == 2 and b"is no CPython from 3.8 on" in nothing.stderr
    if identity == open_elf(python.runtime).build_id:
        run_fingdb("run", python.path, "-c", "pass", cache=tmp_path)
        assert "kept" in run_fingdb("doctor", bare.path, cache=tmp_path).stdout.decode()


def test_the_table_tells_the_offsets_that_the_debug_information_tells(
    python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the table leaves out and the headers fix is right in this build, too."""
    if python.version < TABLE_OF_OFFSETS or not python.has_debug_info:
        pytest.skip(f"{python.label} has no table of offsets, or nothing to compare it with")
    report("run", python.path, "-c", "pass")  # fills the cache
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_directory() / "cache"))
    elf = open_elf(python.runtime)
    kept, runtime = Cache(elf.build_id).get("fields"), elf.exported().get("_PyRuntime")
    section = elf.section(".PyRuntime")
    address = runtime.address if runtime is not None else section.address if section is not None else 0
    fake = FakeDebugger()
    fake.map(address, elf.read(address, 4096))
    layout = debug_offsets.layout_from(debug_offsets.read(Memory(fake), address))
    assert isinstance(kept, dict) and {"iframe.locals", "code.stacksize"} <= set(layout.fields) or python.free_threaded
    for name, field in layout.fields.items():
        row = kept["fields"][name] if isinstance(kept, dict) and field is not None else None
        # Where the generations are a living interpreter tells; what is no number is found by its offset alone.
        if row is not None and field is not None and not name.startswith("gc.gen"):
            assert field.offset == row[0], name
            assert field.size == row[1] or field.kind in ("array", "struct") or name == "object.refcnt", name


def commands(bare: Interpreter, cold: Path, *words: str) -> Dict[str, str]:
    """Run `pyfin` commands in the middle of a program and return what each said."""
    lines = ["set width 200", "pyfin start"]
    for word in words:
        lines += [f"echo \\n@@{word}@@\\n", f"pyfin {word}"]
    code = "import threading, time; t = threading.Thread(target=time.sleep, args=(60,), daemon=True); t.start()"
    done = run_gdb(bare.path, ["-c", code], lines, cache=cold)
    parts = re.split(r"@@(.*?)@@", done.output)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2])}


def test_summary_commands(bare: Interpreter, cold: Path) -> None:
    said = commands(bare, cold, "status", "threads", "gc", "interpreters", "modules", "plan", "next")
    assert all("Traceback" not in text and "fingdb failed" not in text for text in said.values()), said
    assert "thread-shutdown" in said["plan"] and "PyGC_Collect" in said["plan"]
    if bare.version >= TABLE_OF_OFFSETS:
        assert "layout from _Py_DebugOffsets" in said["status"] and "initialized" in said["status"]
        assert "sleep" in said["threads"] or "Thread.run" in said["threads"]
        assert "importlib" in said["modules"]
    else:
        assert "layout from exported functions" in said["status"] and "0 main" in said["status"]
        assert "threads without a thread state" not in said["threads"]  # who is who the fs_base registers tell
        assert "no Python stacks, no modules and no objects" in " ".join(said["status"].split())
        assert "without debug information" in said["modules"]
        assert "could not be looked at" in said["gc"]
    assert "steps from exported functions" in said["status"]
    told = "(_Py_DebugOffsets)" if bare.version >= TABLE_OF_OFFSETS else "from the machine code of exported functions"
    for name in ("threads", "gc", "interpreters", "modules"):
        assert f"{told}, as the build has no debug information" in " ".join(said[name].split()), said[name]


#: What no build of these tells without its debug information, by command; "-" before what one with a table of offsets does.
LACKING = {
    "threads": ["-names of threads and which are daemons", "-Python stacks"],
    "gc": ["-where the collector's state lies", "-the types of objects"],
    "interpreters": ["-sys.modules", "-where the collector's state lies"],
    "modules": ["-sys.modules"],
    "heap": ["-the types of objects", "how large an object is beyond the fixed part of its type"],
    "objects dict": ["-the types of objects"],
    "verify": ["-the types of objects", "where the allocator's blocks are"],
}


def test_each_answer_says_what_it_was_read_with_and_what_it_lacks(
    python: Interpreter, bare: Interpreter, cold: Path
) -> None:
    asked = {name: f"{name} --json" for name in LACKING}
    said = commands(bare, cold, *asked.values())
    for name, lacking in LACKING.items():
        document, _end = json.JSONDecoder().raw_decode(said[asked[name]])
        table = bare.version >= TABLE_OF_OFFSETS
        assert ("_Py_DebugOffsets" if table else "exported functions") in document["source"]
        for words in lacking:
            assert (words.lstrip("-") in document["missing"]) != (words.startswith("-") and table), (name, words)
    whole = run_gdb(python.path, ["-c", "pass"], ["pyfin start", "echo @@", "pyfin threads --json"])
    document, _end = json.JSONDecoder().raw_decode(whole.output.split("@@")[1].lstrip())
    assert (document["source"], document["missing"]) == ("", [])


def test_what_cannot_be_looked_at_is_not_called_empty(bare: Interpreter, cold: Path) -> None:
    if bare.version >= TABLE_OF_OFFSETS:
        pytest.skip("its objects are found")
    words = ("heap --all", "objects dict", "mark here", "verify", "why 0x10000", "heap --json", "verify --json")
    said = commands(bare, cold, *words)
    assert "heap of interpreter 0  could not be looked at" in said["heap --all"]
    assert "blocks of pymalloc  could not be looked at" in said["heap --all"]
    assert "but not all could be looked at" in said["objects dict"] and "there is no object" not in said["objects dict"]
    assert "0 blocks" not in said["verify"] and "consistent" not in said["verify"]
    errors = said["verify --json"]  # they come last
    assert "there is nothing to mark" in errors
    assert "references between objects cannot be read; a build with debug information (CFLAGS=-g)" in errors
    (heap,) = json.loads(said["heap --json"])["interpreters"]
    assert heap["objects"] is None and heap["partial"]
    document, _end = json.JSONDecoder().raw_decode(said["verify --json"])
    assert document["consistent"] is None


def test_check_says_what_it_could_watch(python: Interpreter, bare: Interpreter, cold: Path) -> None:
    document = report("check", bare.path, "-c", "pass", cache=cold)
    nets = document["extra"]["nets"]
    assert "threads other than the finalizing one" in nets["watched"] and "module states" in nets["watched"]
    assert "tracemalloc" in nets["not_watched"] and not set(nets["watched"]) & set(nets["not_watched"])
    assert any(note.startswith("watched: ") and "every call of an exported function" in note for note in document["notes"])
    text = run_fingdb("check", "--", bare.path, "-c", "pass", cache=cold).stderr.decode()
    assert "nothing was touched after its end, as far as that could be watched" in " ".join(text.split())
    if python.path != bare.path:
        assert "nets" not in report("check", python.path, "-c", "pass")["extra"]


@pytest.mark.parametrize("name", ["stale-module-pointer", "stale-type-module"])
def test_modules_that_die_where_no_step_has_a_name(name: str, python: Interpreter, bare: Interpreter, cold: Path) -> None:
    (program,) = [p for p in PROGRAMS if p.name == name]
    words, env = program.command(python)
    document = report("check", bare.path, *words[1:], cache=cold, env=env)
    found = [each for each in document["findings"] if each["severity"] != "note"]
    if not found:  # nor on the whole build: in 3.14 nothing of that kind happens
        whole = report("check", *words, env=env)
        assert not [each for each in whole["findings"] if each["severity"] != "note"]
        return
    (finding,) = found
    assert finding["kind"] == "stale-module-state"
    assert finding["function"] == {"stale-module-pointer": "PyModule_GetState"}.get(name, "PyType_GetModuleState")
    assert finding["culprit"]["function"] == {"stale-module-pointer": "colour_dealloc"}.get(name, "token_dealloc")
    assert finding["after_step"] != "Py_FinalizeEx"  # it is in the midst of that


def test_sizes_that_cannot_be_told_are_least_ones(bare: Interpreter, cold: Path) -> None:
    """The table of offsets does not say which types have items, or tables elsewhere."""
    if bare.free_threaded:
        pytest.skip("where its objects are is told by nothing that it exports")
    said = commands(bare, cold, "heap")["heap"]
    if bare.version < TABLE_OF_OFFSETS:
        assert "could not be looked at" in said.splitlines()[0] and "where the collector's state lies" in said
        return
    assert "at least" in said.splitlines()[0]
    assert re.search(r"^tuple +\d+ +≥ \d+", said, re.MULTILINE)
    assert "whether it has more cannot be told without debug information" in " ".join(said.split())


#: Scenario -> kind, function, culprit's function (None: it lies in a stripped file), beginning of its library.
FOUND: Dict[str, Tuple[str, str, Optional[str], str]] = {
    "late-libc-atexit": ("touch-after-finalize", "PyGILState_Ensure", "flush_records", "tracelib."),
    "late-cxa-atexit": ("touch-after-finalize", "PyGILState_Ensure", None, "_ctypes."),
    "late-cpp-static": ("touch-after-finalize", "_Py_Dealloc", "Owned::~Owned", "registry."),
    "late-thread-local": ("touch-after-finalize", "PyErr_WriteUnraisable", "Session::~Session", "session."),
    "late-native-thread": ("late-thread", "PyGILState_Ensure", "deliver", "feeder."),
}
VERDICTS = {name: "late-thread" if name == "late-native-thread" else "late-exit-handler" for name in FOUND}


@pytest.mark.parametrize("name", sorted(FOUND))
def test_what_comes_too_late_is_found_and_blamed(name: str, python: Interpreter, bare: Interpreter, cold: Path) -> None:
    if python.debug and name == "late-cxa-atexit":
        pytest.skip("a debug build fills the callback's memory: no code of anybody runs")
    (program,) = [p for p in PROGRAMS if p.name == name]
    words, env = program.command(python)
    kind, function, culprit, library = FOUND[name]
    document = report("check", bare.path, *words[1:], cache=cold, env=env)
    (finding,) = [each for each in document["findings"] if each["severity"] != "note"]
    if python.free_threaded and function == "_Py_Dealloc":
        function = "_Py_DecRefShared"  # what the macro calls for an object that belongs to no thread any more
    if python.debug and function == "_Py_Dealloc" and python.version >= (3, 12):
        function = "_Py_DECREF_DecRefTotal"  # what Py_DECREF() calls first in a debug build
    assert (finding["kind"], finding["severity"]) == (kind, "error")
    if name == "late-cxa-atexit" and not finding["function"]:
        assert finding["culprit"] is None  # libffi's memory of the callback was gone before it got anywhere
        return
    assert finding["function"] == function
    assert os.path.basename(finding["culprit"]["library"]).startswith(library)
    assert finding["culprit"]["function"] == culprit or culprit is None
    if kind == "touch-after-finalize":
        assert (finding["phase"], finding["after_step"]) == ("after-finalize", "Py_FinalizeEx")
    verdict = document["verdict"]
    assert (verdict["kind"], verdict["confidence"]) == (VERDICTS[name], "certain")
    assert any("has no debug information" in note and "fingdb doctor" in note for note in document["notes"])


def where_seen(python: Interpreter) -> Set[str]:
    """Return the functions a late thread is seen in: where it asks for the GIL, or waits for it, or ends.

    One that got it once more before its end, or called a copy without a name (link-time optimisation), is seen there.
    """
    return {"PyEval_RestoreThread", "PyThread_hang_thread" if sleep_for_ever(python) else "PyThread_exit_thread"}


def test_daemon_threads_that_ask_for_the_gil(python: Interpreter, bare: Interpreter, cold: Path) -> None:
    """The finalizing flag tells, not the step that sets it: that has no name."""
    (program,) = [p for p in PROGRAMS if p.name == "daemon-gil"]
    words, env = program.command(python)
    document = report("check", bare.path, *words[1:], cache=cold, env=env)
    found = [each for each in document["findings"] if each["severity"] != "note"]
    assert found and {each["function"] for each in found} <= where_seen(python)
    assert all(each["phase"] != "thread-shutdown" for each in found)  # the flag was set by then
    for finding in found:
        assert (finding["kind"], finding["severity"]) == ("late-thread", "warning")
        if bare.version >= TABLE_OF_OFFSETS:
            assert finding["culprit"]["function"] == "poll"
        else:
            assert finding["culprit"] is None  # its Python stack cannot be read


#: A C function that never lets the GIL go until the finalizing flag is set: who asked before waits, and does not ask again.
ASKED_BEFORE = """
import atexit, threading, time
def poll():
    while True:
        time.sleep(0.0005)
threading.Thread(target=poll, daemon=True).start()
time.sleep(0.05)
atexit.register(sum, range(20_000_000))
"""
#: When finalization begins it waits for a thread that waits for the GIL. That one gets it, and is not late.
JOINED = """
import threading, time
def work():
    until = time.time() + 1
    while time.time() < until:
        pass
for _ in range(2):
    threading.Thread(target=work).start()
time.sleep(0.02)
"""


@pytest.mark.parametrize(("program", "late"), [(ASKED_BEFORE, 1), (JOINED, 0)], ids=["asked-before", "joined"])
def test_threads_that_wait_for_the_gil_when_finalization_begins(
    program: str, late: int, python: Interpreter, bare: Interpreter, cold: Path
) -> None:
    if python.free_threaded:
        pytest.skip("there is no GIL to wait for")
    document = report("check", bare.path, "-c", program, cache=cold)
    found = [each for each in document["findings"] if each["severity"] != "note"]
    assert [each["kind"] for each in found] == ["late-thread"] * late
    assert all(each["function"] in where_seen(python) and each["phase"] != "thread-shutdown" for each in found)
