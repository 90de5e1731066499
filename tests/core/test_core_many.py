"""`fingdb core` on many cores, and how it ends early."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from tests.core.reports import LIMIT, complains, hanging_core, late_core, one_sentence, refusal, report
from tests.support.fingdb_cli import fingdb_command, run_fingdb
from tests.support.gdbrun import gdb_environment
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.core


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
