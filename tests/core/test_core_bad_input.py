"""`fingdb core` on what is no core, or not all of one: one sentence, or nothing that is surer than the whole core."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Dict

import pytest

from fingdb.cli.core_file import CoreFile
from fingdb.cli.errors import CliError
from tests.core.reports import LIMIT, late_core, one_sentence, refusal, report
from tests.support.cores import crash_core, need_kernel_dump
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core


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
