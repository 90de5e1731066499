"""When gdb may start without reading debug information."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from fingdb.cli import light
from fingdb.elf import open_elf
from fingdb.layout.cache import Cache

FULL = light.Start([], False)
NOTHING_READ = light.Start(["-readnever"], True)


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An executable of our own whose build is in a cache of our own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "program"
    shutil.copy(os.path.realpath("/bin/true"), path)
    for section in light.SECTIONS:
        Cache(open_elf(str(path)).build_id, str(path)).put(section, {})
    return str(path)


def note_of(executable: str) -> Path:
    return Path(light._note(executable) or "")


def test_what_is_remembered_is_known_until_it_is_forgotten(executable: str) -> None:
    assert light.start_for(executable) == FULL
    light.remember(executable)
    assert light.start_for(executable) == NOTHING_READ
    light.forget(executable)
    assert light.start_for(executable) == FULL


def test_stacks_need_debug_information_and_gdbs_index(executable: str) -> None:
    light.remember(executable)
    assert light.start_for(executable, stacks=True) == light.Start(["-iex", "set index-cache enabled on"], True)


def test_a_build_that_is_not_in_the_cache_is_not_remembered(
    executable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    light.remember(executable)
    assert light.start_for(executable) == FULL


def test_a_copy_of_the_cache_is_known_when_a_run_left_its_own_note(
    executable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light.remember(executable)
    shutil.copytree(tmp_path / "cache", tmp_path / "copy")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "copy"))
    assert light.start_for(executable) == FULL  # the note speaks of the other's files
    light.remember(executable)
    assert light.start_for(executable) == NOTHING_READ


def test_another_program_at_the_same_place_is_not_known(executable: str) -> None:
    light.remember(executable)
    shutil.copy(os.path.realpath("/bin/false"), executable)
    assert light.start_for(executable) == FULL


def test_another_program_behind_the_same_link_is_not_known(executable: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(executable)
    light.remember(str(link))
    assert light.start_for(str(link)) == NOTHING_READ
    link.unlink()
    link.symlink_to(os.path.realpath("/bin/false"))
    assert light.start_for(str(link)) == FULL


def test_newer_code_reads_everything_again(executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    light.remember(executable)
    monkeypatch.setattr(light, "_code_stamp", lambda: {"layout": 1})
    assert light.start_for(executable) == FULL


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "files": 3}', "[" * 100_000])
def test_a_damaged_note_is_no_note(executable: str, text: str) -> None:
    light.remember(executable)
    note_of(executable).write_text(text)
    assert light.start_for(executable) == FULL


def test_a_note_without_files_is_no_note(executable: str) -> None:
    light.remember(executable)
    document = json.loads(note_of(executable).read_text())
    document["files"] = {}
    note_of(executable).write_text(json.dumps(document))
    assert light.start_for(executable) == FULL


def test_a_cache_that_cannot_be_written_is_no_error(
    executable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache" / "fingdb" / "launch").write_text("a file in the way")
    light.remember(executable)
    assert light.start_for(executable) == FULL
    light.forget(executable)
    light.remember("/no/such/program")
    light.remember(sys.executable + "/" * 300)
