"""`fingdb core`: what it finds in a core by itself, and what it says of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

import pytest

from fingdb.cli.core_file import CoreFile
from fingdb.elf import open_elf
from tests.core.reports import LIMIT, hanging_core, late_core, refusal, report
from tests.core.scenarios import ASLEEP_FROM_3_15, SCENARIOS
from tests.support.cores import NoCore, crash_core, hang_core, need_kernel_dump, program_environment
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core


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


def test_programs_are_started_alike() -> None:
    assert not [name for name in program_environment({}) if name.startswith("FINGDB_")]
