"""`fingdb core`: what it takes for a core, what it finds by itself, and what it says when it cannot."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
import signal
import subprocess
import time
from collections import namedtuple
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from fingdb.cli import decompress
from fingdb.cli.core_file import CoreFile
from fingdb.cli.core_program import Surroundings, find_files
from fingdb.cli.errors import CliError
from fingdb.elf import open_elf
from tests.core.scenarios import ASLEEP_FROM_3_15, SCENARIOS
from tests.support.cores import Core, NoCore, crash_core, hang_core, need_kernel_dump, program_environment
from tests.support.fingdb_cli import fingdb_command, run_fingdb
from tests.support.gdbrun import gdb_environment
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core

#: Seconds that a core may take, however damaged: the machine may be busy.
LIMIT = 90


def late_core(python: Interpreter) -> Core:
    words, environment = SCENARIOS["late-cxa-atexit"].command(python)
    return crash_core(python, "late-cxa-atexit", words, environment)


def hanging_core(python: Interpreter) -> Core:
    words, environment = SCENARIOS["join-event"].command(python)
    return hang_core(python, "join-event", words, environment)


def report(*words: "str | Path", **more: Any) -> Dict[str, Any]:
    """Return the JSON report of `fingdb core`, which must succeed."""
    done = run_fingdb("core", "--json", *words, timeout=LIMIT, **more)
    assert done.returncode in (0, 1), done.stderr.decode()
    assert done.stderr == b""
    document: Dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == int(complains(document))
    return document


def complains(document: Dict[str, Any]) -> bool:
    if any(finding["severity"] in ("warning", "error") for finding in document["findings"]):
        return True
    verdict = document["verdict"]
    return verdict is not None and verdict["kind"] not in ("unknown", "not-finalization")


def refusal(*words: "str | Path", **more: Any) -> str:
    """Return the sentence with which `fingdb core` refuses."""
    done = run_fingdb("core", *words, timeout=LIMIT, **more)
    said = done.stderr.decode()
    assert done.returncode == 2, (done.returncode, said, done.stdout)
    assert done.stdout == b""
    return one_sentence(said)


def one_sentence(said: str) -> str:
    assert said.startswith("fingdb: ") and said.endswith("\n") and said.count("\n") == 1, said
    assert "Traceback" not in said and "failed:" not in said, said
    return said[len("fingdb: ") : -1]


# -- what it finds by itself ----------------------------------------------------------------------
def test_facts_of_a_core_of_the_kernel(python: Interpreter) -> None:
    need_kernel_dump()
    made = late_core(python)
    with CoreFile(made.path) as core:
        assert core.pid == made.pid
        assert core.signal == made.signal == "SIGSEGV"
        assert core.missing == 0 and core.expected == core.size == made.size
        assert core.program == os.path.basename(python.path)[:15]
        assert core.arguments == f"{python.path} {SCENARIOS['late-cxa-atexit'].command(python)[0][1]}"[:79].strip()
        assert core.command() == python.path
        executable = core.executable()
        assert executable == os.path.realpath(python.path)
        check_modules(core)


@pytest.mark.spread
def test_facts_of_a_core_of_gcore(python: Interpreter) -> None:
    made = hanging_core(python)
    with CoreFile(made.path) as core:
        assert core.pid == made.pid
        assert core.signal is None
        assert len(core.threads) == 2
        assert core.executable() == os.path.realpath(python.path)
        check_modules(core)


def check_modules(core: CoreFile) -> None:
    modules = core.modules()
    assert any("libc.so" in module.path for module in modules)
    for module in modules:
        assert not module.deleted
        assert module.build_id == open_elf(module.path).build_id, module.path
    names = core.links()
    for module in modules:
        if module.path != core.executable():
            assert any(core.module_at(dynamic) == module for _name, dynamic in names), module.path


@pytest.mark.wide
def test_an_intact_core_lacks_nothing(python: Interpreter) -> None:
    """What `CoreFile.lost` finds makes every verdict doubtful: it must find nothing where nothing is wrong."""
    seen = 0
    for name, scenario in SCENARIOS.items():
        if name in ASLEEP_FROM_3_15 and python.version >= (3, 15):
            continue
        words, environment = scenario.command(python)
        try:
            if scenario.ends == "hang":
                made = hang_core(python, name, words, environment, scenario.settle)
            else:
                made = crash_core(python, name, words, environment)
        except NoCore:
            continue
        seen += 1
        with CoreFile(made.path) as core:
            assert core.lost() == [], name
            assert core.missing == 0 and core.signal == made.signal, name
    assert seen > 10


def test_report_of_a_crash(python: Interpreter) -> None:
    made = late_core(python)
    document = report(made.path)
    assert document["schema"] == "fingdb-report/1"
    assert document["target"] == {
        "kind": "core",
        "executable": os.path.realpath(python.path),
        "pid": made.pid,
        "core": made.path,
        "signal": "SIGSEGV",
        "exit_code": None,
    }
    assert document["python"]["version"] == python.version_text
    assert document["phase"] == "after-finalize"
    assert document["verdict"] is not None
    assert not [note for note in document["notes"] if "build" in note or "not on this machine" in note]


def test_report_of_a_hang(python: Interpreter) -> None:
    made = hanging_core(python)
    document = report(made.path)
    assert document["target"]["signal"] is None
    assert document["target"]["pid"] == made.pid
    assert document["phase"] == "thread-shutdown"


def test_text_goes_to_standard_output_or_to_the_file(any_python: Interpreter, tmp_path: Path) -> None:
    made = late_core(any_python)
    done = run_fingdb("core", made.path, timeout=LIMIT)
    assert done.returncode in (0, 1) and done.stderr == b""
    assert b"after-finalize" in done.stdout
    target = tmp_path / "report"
    again = run_fingdb("core", "--output", target, made.path, timeout=LIMIT)
    assert again.stdout == again.stderr == b""
    assert target.read_bytes() == done.stdout
    said = refusal("--output", tmp_path, made.path)
    assert "cannot write" in said


def test_a_core_whose_name_is_no_text(any_python: Interpreter, tmp_path: Path) -> None:
    """gdb's Python takes every name for UTF-8, and a terminal obeys what is in one."""
    made = late_core(any_python)
    plain = report(made.path)
    directory = os.fsencode(tmp_path) + b"/a b\x1b[31m\n\xff"
    os.mkdir(directory)
    os.symlink(made.path, directory + b"/core")
    odd = report(directory + b"/core")
    assert os.fsencode(odd["target"].pop("core")) == directory + b"/core"
    assert odd["verdict"] == plain["verdict"] and odd["target"].items() < plain["target"].items()
    text = run_fingdb("core", directory + b"/core", timeout=LIMIT).stdout
    assert rb"\x1b[31m\x0a" in text and b"\x1b" not in text


def test_a_script_is_its_interpreter(any_python: Interpreter, tmp_path: Path) -> None:
    need_kernel_dump()
    script = tmp_path / "tool with a space"
    body = Path(SCENARIOS["late-cxa-atexit"].command(any_python)[0][1]).read_text()
    script.write_text(f"#!{any_python.path}\n{body}")
    script.chmod(0o755)
    made = crash_core(any_python, "script", [str(script)])
    with CoreFile(made.path) as core:
        assert core.command() == str(script)
    document = report(made.path)
    assert document["target"]["executable"] == os.path.realpath(any_python.path)
    # The script may be named in place of its interpreter.
    assert report(made.path, script)["notes"] == document["notes"]


def test_the_executable_may_be_given(any_python: Interpreter, pythons: List[Interpreter]) -> None:
    made = late_core(any_python)
    plain = report(made.path)
    assert report(made.path, any_python.path) == plain
    assert report(any_python.path, made.path) == plain
    name = Path(any_python.path).name
    path = f"{Path(any_python.path).parent}:{os.environ['PATH']}"
    assert report(made.path, name, env={"PATH": path}, cwd="/")["verdict"] == plain["verdict"]
    # One that is not it: the core knows better.
    document = report(made.path, "/bin/sleep")
    assert document["target"] == plain["target"] and document["verdict"] == plain["verdict"]
    assert any("/bin/sleep is not the program that left the core" in note for note in document["notes"])


# -- other files than the process had --------------------------------------------------------------
def copied_python(python: Interpreter, directory: Path) -> Tuple[Path, Dict[str, str]]:
    """Return a copy of the interpreter's executable, and what it needs in its environment."""
    copy = directory / "opt" / "bin" / "python-copy"
    copy.parent.mkdir(parents=True)
    shutil.copy(os.path.realpath(python.path), copy)
    ask = [python.path, "-I", "-c", "import sys; print(sys.base_prefix, sys.base_exec_prefix, sep=':')"]
    home = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    return copy, {"PYTHONHOME": home}


def test_an_executable_that_is_gone_or_another(any_python: Interpreter, tmp_path: Path) -> None:
    copy, environment = copied_python(any_python, tmp_path)
    main = SCENARIOS["late-cxa-atexit"].command(any_python)[0][1]
    made = crash_core(any_python, "copied", [str(copy), main], environment)
    whole = report(made.path)
    assert whole["target"]["executable"] == str(copy)
    build_id = open_elf(str(copy)).build_id
    assert build_id

    # Below another root.
    root = tmp_path / "root"
    there = Path(f"{root}{copy}")
    there.parent.mkdir(parents=True)
    copy.rename(there)
    said = refusal(made.path)
    assert str(copy) in said and "is not on this machine" in said and "--sysroot" in said
    for path in open_files_of(made):
        if path != str(copy):
            target = Path(f"{root}{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    moved = report("--sysroot", root, made.path)
    assert moved["target"]["executable"] == str(there)
    assert moved["verdict"]["kind"] == whole["verdict"]["kind"] and moved["notes"] == whole["notes"]
    assert report(made.path, there)["verdict"] == whole["verdict"]
    assert "is not below" in refusal("--sysroot", tmp_path, made.path)

    # The same code, but its build-id says that it is another build.
    data = there.read_bytes()
    assert data.count(bytes.fromhex(build_id)) == 1
    copy.write_bytes(data.replace(bytes.fromhex(build_id), bytes(len(build_id) // 2)))
    other = report(made.path)
    assert any(f"{copy} is not the build that left the core" in note for note in other["notes"])
    steps = {"certain": "likely", "likely": "possible", "possible": "possible"}
    assert other["verdict"]["kind"] == whole["verdict"]["kind"]
    assert other["verdict"]["confidence"] == steps[whole["verdict"]["confidence"]]


def open_files_of(made: Core) -> List[str]:
    with CoreFile(made.path) as core:
        return [module.path for module in core.modules()]


_USES_LIBRARY = """
import ctypes, os, sys
here = os.getcwd()
os.chdir(os.path.dirname(sys.argv[1]))
breaker = ctypes.CDLL(sys.argv[2])
os.chdir(here)
breaker.break_everything()
"""


def library(directory: Path) -> Path:
    source = directory / "breaker.c"
    source.write_text("int break_everything(void) { return *(volatile int *)16; }\n")
    built = directory / "lib" / "libbreaker.so"
    built.parent.mkdir()
    words = ["gcc", "-g", "-shared", "-fPIC", "-Wl,--build-id", "-o", str(built), str(source)]
    subprocess.run(words, check=True)
    return built


def gdb_sees(made: Core, tmp_path: Path, where: Surroundings) -> Tuple[str, List[str]]:
    """Return gdb's stack with the options that fingdb gives it, and fingdb's notes."""
    links = tmp_path / f"links{len(list(tmp_path.iterdir()))}"
    links.mkdir()
    with CoreFile(made.path) as core:
        files = find_files(core, None, where, str(links))
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", *files.gdb_options]
    words += ["-ex", "bt 3", "-ex", "info sharedlibrary", "-c", made.path, files.executable]
    done = subprocess.run(words, capture_output=True, text=True, cwd=files.start, timeout=LIMIT)
    return done.stdout, files.notes


@pytest.mark.parametrize("name", ["{library}", "./libbreaker.so", "../lib/libbreaker.so", "libbreaker.so"])
def test_libraries_are_found_by_what_was_mapped(any_python: Interpreter, tmp_path: Path, name: str) -> None:
    built = library(tmp_path)
    script = tmp_path / "main.py"
    script.write_text(_USES_LIBRARY)
    words = [any_python.path, str(script), str(built), name.format(library=built)]
    environment = {"LD_LIBRARY_PATH": "."} if "/" not in name else {}
    made = crash_core(any_python, "library", words, environment)
    stack, notes = gdb_sees(made, tmp_path, Surroundings())
    assert "break_everything" in stack.splitlines()[-1] or "in break_everything" in stack or "#0  break_" in stack
    assert str(built) in stack and notes == []

    # It is gone; and then it lies elsewhere.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    built.rename(elsewhere / built.name)
    stack, notes = gdb_sees(made, tmp_path, Surroundings())
    assert "break_everything" not in stack
    assert len(notes) == 1 and f"{built} is not on this machine" in notes[0]
    stack, notes = gdb_sees(made, tmp_path, Surroundings(None, [str(elsewhere)]))
    assert "break_everything" in stack and str(elsewhere / built.name) in stack and notes == []

    # Another build lies where it was; the right one is found by its build-id all the same.
    data = (elsewhere / built.name).read_bytes()
    build_id = bytes.fromhex(open_elf(str(elsewhere / built.name)).build_id or "")
    built.write_bytes(data.replace(build_id, bytes(len(build_id))))
    _stack, notes = gdb_sees(made, tmp_path, Surroundings())
    assert len(notes) == 1 and f"{built} is of another build" in notes[0]
    stack, notes = gdb_sees(made, tmp_path, Surroundings(None, [str(elsewhere)]))
    assert str(elsewhere / built.name) in stack and "break_everything" in stack and notes == []


# -- bad input ------------------------------------------------------------------------------------
def with_header(data: bytes, **bytes_at: int) -> bytes:
    changed = bytearray(data)
    for name, value in bytes_at.items():
        changed[int(name[1:])] = value
    return bytes(changed)


def test_bad_input_gets_one_sentence(any_python: Interpreter, tmp_path: Path) -> None:
    data = Path(late_core(any_python).path).read_bytes()
    cases = {
        "empty": (b"", "is empty"),
        "text": (b"hello\n", "is not a core file"),
        "short": (data[:40], "too short for a core file"),
        "headers only": (data[:200], "not even its table of segments is whole"),
        "arm": (with_header(data, _18=183), "core of a 64-bit program for AArch64"),
        "i386": (with_header(data, _18=3, _4=1), "core of a 32-bit program for i386"),
        "big endian": (with_header(data, _5=2, _16=0, _17=4, _18=0, _19=22), "64-bit program for S/390"),
        "no segments": (with_header(data, _56=0, _57=0), "not even its table of segments"),
        "absurd segments": (with_header(data, _56=0xFE, _57=0xFF), "absurd segments"),
        "library": (with_header(data, _16=3), "is a program or a shared library, not a core file"),
        "\x1b[31mred\u202e": (b"x", r"\x1b[31mred\u202e is not a core file"),
    }
    for name, (content, expected) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert expected in refusal(path), name
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    assert "there is no file" in refusal(tmp_path / "nonesuch")
    assert "there is no file" in refusal(tmp_path / "nonesuch", any_python.path)
    assert "not a core file" in refusal("/bin/ls")
    assert "there is no core file in" in refusal(empty_directory(tmp_path))
    assert "--sysroot names" in refusal("--sysroot", tmp_path / "nonesuch", tmp_path / "text")
    assert "--solib-path names" in refusal("--solib-path", tmp_path / "nonesuch", tmp_path / "text")
    assert "core:" in refusal()
    assert "--nonesuch" in refusal("--nonesuch", tmp_path / "text")


def empty_directory(parent: Path) -> Path:
    directory = parent / "nothing in it"
    directory.mkdir()
    (directory / "README").write_text("no core\n")
    return directory


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(b"\x7fELF")
    path.chmod(0)
    try:
        CoreFile_as_nobody(path)
    except CliError as error:
        assert "Permission denied" in str(error)
    else:
        pytest.fail("nobody could read it")


def CoreFile_as_nobody(path: Path) -> None:
    os.seteuid(65534)
    try:
        CoreFile(str(path)).close()
    finally:
        os.seteuid(0)


def test_a_core_of_another_program(tmp_path: Path, any_python: Interpreter) -> None:
    need_kernel_dump()
    made = crash_core(any_python, "sh", ["/bin/sh", "-c", "kill -SEGV $$"])
    said = refusal(made.path)
    assert "is not Python" in said


def test_truncated_cores(any_python: Interpreter, tmp_path: Path) -> None:
    data = Path(late_core(any_python).path).read_bytes()
    whole = report(late_core(any_python).path)
    points = {16, 63, 64, 1000, 4096, 8000, 12000, 16384, 20000}
    points |= {len(data) * part // 24 for part in range(1, 24)} | {len(data) - n for n in (1, 100, 4096, 20000)}
    path = tmp_path / "core"
    reported = 0
    for point in sorted(points):
        path.write_bytes(data[:point])
        started = time.monotonic()
        done = run_fingdb("core", "--json", path, timeout=LIMIT)
        said = done.stderr.decode()
        assert time.monotonic() - started < LIMIT
        if done.returncode == 2:
            sentence = one_sentence(said)
            assert "cut short" in sentence or "too short" in sentence, sentence
            continue
        reported += 1
        assert said == ""
        document = json.loads(done.stdout)
        assert any("the core is cut short" in note for note in document["notes"])
        assert_no_surer(document, whole)
    assert reported


CONFIDENCE = {"possible": 0, "likely": 1, "certain": 2}


def assert_no_surer(damaged: Dict[str, Any], whole: Dict[str, Any]) -> None:
    """A damaged core may only lose confidence: it must not lead to another verdict that sounds sure."""
    ours, theirs = damaged["verdict"], whole["verdict"]
    if ours is None or ours["kind"] == "unknown":
        return
    if ours["kind"] == theirs["kind"]:
        assert CONFIDENCE[ours["confidence"]] <= CONFIDENCE[theirs["confidence"]]
    else:
        assert ours["confidence"] == "possible", (ours, theirs)


# -- compressed -----------------------------------------------------------------------------------
def compressed(data: bytes, kind: str) -> bytes:
    if kind == "gzip":
        return gzip.compress(data)
    if kind == "xz":
        return lzma.compress(data)
    if shutil.which(kind) is None:
        pytest.skip(f"the program {kind} is not installed (Debian: apt-get install {kind})")
    return subprocess.run([kind, "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd", "lz4"])
def test_compressed_cores(any_python: Interpreter, tmp_path: Path, kind: str) -> None:
    made = late_core(any_python)
    data = Path(made.path).read_bytes()
    packed = tmp_path / f"core.{kind}"
    packed.write_bytes(compressed(data, kind))
    place = tmp_path / "tmp"
    place.mkdir()
    document = report(packed, env={"TMPDIR": str(place)})
    plain = report(made.path)
    assert document["target"].pop("core") == str(packed)
    assert plain["target"].pop("core") == made.path
    assert document == plain
    assert list(place.iterdir()) == []

    unpacked = decompress.unpack(str(packed), str(place))
    assert Path(unpacked).read_bytes() == data
    assert os.stat(unpacked).st_mode & 0o077 == 0
    assert os.stat(unpacked).st_blocks * 512 <= len(data) + 4096

    # The end is missing: what is there is looked at.
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 3])
    assert "cut short" in refusal(packed)
    packed.write_bytes(whole[:60])
    assert "is damaged or cut short: nothing of it could be unpacked" in refusal(packed)
    # No core in it.
    packed.write_bytes(compressed(b"some text\n" * 1000, kind))
    assert f"({kind}) has no core file in it" in refusal(packed)
    packed.write_bytes(compressed(b"", kind) + b"rest")
    assert "nothing of it could be unpacked" in refusal(packed)
    # Damaged from its beginning.
    packed.write_bytes(whole[:10] + bytes(1000))
    assert "nothing of it could be unpacked" in refusal(packed)


def test_what_unpacks_is_missing(any_python: Interpreter, tmp_path: Path) -> None:
    for kind, magic in (("zstd", b"\x28\xb5\x2f\xfd"), ("lz4", b"\x04\x22\x4d\x18")):
        path = tmp_path / f"core.{kind}"
        path.write_bytes(magic + bytes(100))
        gdb = shutil.which("gdb") or ""
        said = refusal("--gdb", gdb, path, env={"PATH": str(tmp_path)})
        if "nothing of it could be unpacked" in said:
            continue  # a module of this Python unpacks it (zstd from 3.14 on)
        assert f"apt-get install {kind}" in said
        # In a directory it is not passed over in silence.
        done = run_fingdb("core", "--gdb", gdb, tmp_path, env={"PATH": str(tmp_path)}, timeout=LIMIT)
        assert done.returncode == 2 and f"apt-get install {kind}" in done.stderr.decode()


def test_unpacking_leaves_room_on_the_disk(
    any_python: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "core.gz"
    packed.write_bytes(gzip.compress(Path(late_core(any_python).path).read_bytes()))
    disk = namedtuple("disk", "f_bavail f_frsize f_blocks")
    monkeypatch.setattr(os, "statvfs", lambda _path: disk(1000, 4096, 1 << 30))
    with pytest.raises(CliError, match="not enough room .* TMPDIR"):
        decompress.unpack(str(packed), str(tmp_path))


def test_a_bomb_is_not_unpacked(any_python: Interpreter, tmp_path: Path) -> None:
    data = Path(late_core(any_python).path).read_bytes()
    packed = tmp_path / "core.gz"
    packed.write_bytes(gzip.compress(data) + gzip.compress(bytes(1 << 28)))
    assert Path(decompress.unpack(str(packed), str(tmp_path))).stat().st_size == len(data)


# -- many -----------------------------------------------------------------------------------------
def test_many_cores(pythons: List[Interpreter], tmp_path: Path) -> None:
    cores = tmp_path / "cores"
    (cores / "more").mkdir(parents=True)
    made = [late_core(python) for python in pythons[:2]]
    for index, core in enumerate(made):
        os.link(core.path, cores / f"core.{index}")
    (cores / "more" / "core.9.gz").write_bytes(gzip.compress(Path(made[0].path).read_bytes()))
    hanging = hanging_core(pythons[0])
    os.link(hanging.path, cores / "core.hang")
    (cores / "README").write_text("cores\n")
    (cores / "python").symlink_to(pythons[0].path)
    names = [*(f"core.{index}" for index in range(len(made))), "core.hang", "more/core.9.gz"]
    paths = [str(cores / name) for name in names]

    done = run_fingdb("core", "--json", cores, timeout=LIMIT * 2)
    assert done.stderr == b""
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["target"]["core"] for document in documents] == paths
    for document, path in zip(documents, paths):
        group = document.pop("group")
        assert group["kind"] == document["verdict"]["kind"]
        assert document == report(path)
    assert done.returncode == max(complains(document) for document in documents)
    groups = {json.dumps(json.loads(line)["group"], sort_keys=True) for line in done.stdout.splitlines()}

    # Text: one line each, below the group's title.
    text = run_fingdb("core", *paths, timeout=LIMIT * 2).stdout.decode()
    for path in paths:
        assert len([line for line in text.splitlines() if path in line.split()]) == 1
    assert text.count(" core\n") + text.count(" cores\n") == len(groups)

    # One that cannot be read does not end the others.
    (cores / "core.cut").write_bytes(Path(made[0].path).read_bytes()[:10000])
    target = tmp_path / "lines"
    again = run_fingdb("core", "--json", "-j", "3", "-o", target, cores, timeout=LIMIT * 2)
    assert again.returncode == 2 and again.stdout == b""
    assert "core.cut" in one_sentence(again.stderr.decode())
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(lines) == len(paths) + 1
    (failed,) = [line for line in lines if "error" in line]
    assert failed["target"]["core"] == str(cores / "core.cut")


def test_control_c_ends_everything(any_python: Interpreter, tmp_path: Path) -> None:
    made = late_core(any_python)
    slow = tmp_path / "gdb"
    slow.write_text(f"#!/bin/sh\necho $$ >>{tmp_path}/pids\nexec sleep 100\n")
    slow.chmod(0o755)
    for index in range(4):
        os.link(made.path, tmp_path / f"core.{index}")
    place = tmp_path / "tmp"
    place.mkdir()
    for number, words in ((signal.SIGINT, [str(tmp_path)]), (signal.SIGTERM, [made.path])):
        process = subprocess.Popen(
            [*fingdb_command(), "core", "--gdb", str(slow), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=gdb_environment({"TMPDIR": str(place)}),
        )
        pids = tmp_path / "pids"
        deadline = time.monotonic() + 30
        while not (pids.exists() and pids.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 128 + number, stderr
        assert stdout == b"" and b"Traceback" not in stderr
        assert list(place.iterdir()) == []
        for pid in pids.read_text().split():
            assert not os.path.exists(f"/proc/{pid}")
        pids.unlink()


def test_time_limit(any_python: Interpreter, tmp_path: Path) -> None:
    slow = tmp_path / "gdb"
    slow.write_text("#!/bin/sh\nexec sleep 100\n")
    slow.chmod(0o755)
    said = refusal("--gdb", slow, "--timeout", "0.5", late_core(any_python).path)
    assert "not done within 0.5 seconds" in said


def test_programs_are_started_alike() -> None:
    assert not [name for name in program_environment({}) if name.startswith("FINGDB_")]
