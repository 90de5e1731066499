"""`fingdb core` on compressed cores."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from fingdb.cli import decompress
from fingdb.cli.errors import CliError
from tests.core.reports import LIMIT, late_core, refusal, report
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core


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
