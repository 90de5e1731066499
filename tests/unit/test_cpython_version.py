"""Version and kind of a build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from fingdb.cpython import version
from fingdb.elf import ElfError, ElfSymbol, open_elf
from fingdb.layout.cache import Cache

from .fake_heap import BUILD_ID


@pytest.mark.parametrize("number, text", [
    (0x030B07F0, "3.11.7"), (0x030D00C2, "3.13.0rc2"), (0x030E00A1, "3.14.0a1"), (0x030F01B4, "3.15.1b4"),
    (sys.hexversion, sys.version.split()[0].rstrip("+")),
])
def test_hexversion(number: int, text: str) -> None:
    assert version.text_of(number) == text
    assert version.numbers_of(text) == (number >> 24, number >> 16 & 255)


@pytest.mark.parametrize("constants, found", [
    (b"\0lib/python3.8\0%.80s (%.80s) %.80s\x003.8.18\0", "3.8.18"),
    (b"\0/build/Python-3.9.18\0python3.9\0", "3.9.18"),  # merged into the end of a longer string
    (b"python3.10\x003.10.0rc2\x003.32.1\0", "3.10.0rc2"),
    (b"python3.10\x003.10.0+\0", "3.10.0+"),
    (b"python3.8\x003.2.0\x0013.8.1\x001.3.8.2\x003.8.1.2\0", ""),
    (b"", ""),
])
def test_version_among_constants(constants: bytes, found: str) -> None:
    assert version.version_in(constants) == found


@pytest.mark.parametrize("text", ["", "unknown", "python", "x3.8"])
def test_no_version(text: str) -> None:
    assert version.numbers_of(text) == (0, 0)


def test_facts_of_a_file() -> None:
    try:
        elf = open_elf(sys.executable)
    except ElfError:
        pytest.skip("the interpreter of the tests is no ELF file")
    symbols = {
        name: ElfSymbol(name, 0x1000, 8, defined, False)
        for name, defined in (("_Py_NegativeRefcount", True), ("_Py_DecRefShared", False))
    }
    facts = version.read_facts(elf, symbols, 0x2000, False)
    assert (facts.runtime, facts.debug_build, facts.free_threaded) == (0x2000, True, False)


GOOD: Dict[str, Any] = {"runtime": 0x1000, "version": "3.8.18", "debug_build": False, "free_threaded": False}


@pytest.mark.parametrize("change", [
    {}, {"runtime": 0}, {"runtime": -1}, {"runtime": "1"}, {"runtime": 1 << 60}, {"version": ""},
    {"version": "3.8." + "1" * 50}, {"version": None}, {"debug_build": 1}, {"free_threaded": None},
], ids=str)
def test_facts_from_the_cache(change: Dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = Cache(BUILD_ID)
    assert version.load(cache) is None
    cache.put("build", {**GOOD, **change})
    found = version.load(cache)
    if change:
        assert found is None
    else:
        assert found == version.BuildFacts(0x1000, "3.8.18", False, False)
        version.save(cache, found)
        assert version.load(cache) == found
    version.save(Cache(BUILD_ID), version.BuildFacts(1, "", True, True))  # a version is what makes it useful
    assert version.load(cache) == found
