"""What lies in the cache under a build's id and is not of that build, or cannot be read or written at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from fingdb.elf import open_elf
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter
from tests.support.shared import locked
from tests.support.stripped import stripped

pytestmark = pytest.mark.live

SECTIONS = ("build", "fields", "plan")


def steps(path: str, cache: Path) -> List[str]:
    """Return the steps of a run with that cache, which must go well and say nothing but its report."""
    done = run_fingdb("run", "--json", "-o", "/dev/stderr", "--", path, "-c", "pass", cache=cache)
    assert done.returncode == 0 and done.stdout == b"" and b"Traceback" not in done.stderr, done.stderr.decode()
    document: Dict[str, Any] = json.loads(done.stderr)
    return [step["name"] for step in document["steps"]]


def directory_of(python: Interpreter, cache: Path) -> Path:
    return cache / "fingdb" / str(open_elf(python.runtime).build_id)


def foreign(place: Path, other: Path) -> None:
    """Put what was learned of another build there, under this one's id."""
    for section in SECTIONS:
        if (other / f"{section}.json").exists():
            (place / f"{section}.json").write_text((other / f"{section}.json").read_text().replace(other.name, place.name))


def damaged(place: Path, _other: Path) -> None:
    for section in SECTIONS:
        (place / f"{section}.json").write_text('{"format": 2, "build_id"')


def of_another_format(place: Path, _other: Path) -> None:
    for section in SECTIONS:
        if (place / f"{section}.json").exists():
            document = json.loads((place / f"{section}.json").read_text())
            (place / f"{section}.json").write_text(json.dumps({**document, "format": 1, "data": {"of": "long ago"}}))


def in_the_way(place: Path, _other: Path) -> None:
    shutil.rmtree(place)
    place.write_text("a file where a directory should be")


CASES = [
    ("whole", foreign), ("whole", damaged), ("whole", of_another_format), ("whole", in_the_way), ("stripped", foreign),
]  # fmt: skip


def learned(python: Interpreter, other: Optional[Interpreter], cache: Path) -> List[str]:
    """Return the steps of a run, and fill ``cache`` with what was learned by it and of ``other``: once in a run of the tests."""
    with locked(f"learned-{python.path}") as directory:  # a stripped copy has the label of its original
        kept = directory / "steps.json"
        if not kept.exists():
            names = steps(python.path, directory / "cache")
            assert steps(python.path, directory / "cache") == names  # by what is kept
            if other is not None:
                steps(other.path, directory / "cache")
                assert (directory_of(other, directory / "cache") / "fields.json").exists() or not other.has_debug_info
            kept.write_text(json.dumps(names))
        shutil.copytree(directory / "cache", cache)
        expected: List[str] = json.loads(kept.read_text())
        return expected


@pytest.mark.parametrize(("kind", "way"), CASES, ids=[f"{kind}-{way.__name__}" for kind, way in CASES])
def test_a_wrong_entry_is_found_out_and_learned_anew(
    kind: str, way: Callable[[Path, Path], None], any_python: Interpreter, pythons: List[Interpreter], tmp_path: Path
) -> None:
    if kind == "stripped" and not any_python.has_debug_info:
        pytest.skip(f"{any_python.label} is stripped as it is")
    python = any_python if kind == "whole" else stripped(any_python)
    other = next((p for p in pythons if p.version[:2] != python.version[:2]), None)
    if other is None and way is foreign:
        pytest.skip("there is no other interpreter")
    cache = tmp_path / "cache"
    expected = learned(python, other, cache)
    way(directory_of(python, cache), directory_of(other, cache) if other else tmp_path)
    for _again in range(2):
        assert steps(python.path, cache) == expected


@pytest.mark.parametrize("place", ["/proc/1", "a file"])
def test_a_cache_that_cannot_be_written(place: str, any_python: Interpreter, tmp_path: Path) -> None:
    if place == "a file":
        (tmp_path / "file").write_text("")
        place = os.fspath(tmp_path / "file")
    expected = steps(any_python.path, tmp_path)
    assert steps(any_python.path, Path(place)) == expected
