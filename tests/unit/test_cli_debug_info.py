"""`fingdb doctor PYTHON`: where it says that debug information comes from."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Dict

import pytest

from fingdb.cli import debug_info
from fingdb.cli.debug_info import Package, package_of, ways
from fingdb.cli.interpreters import Interpreter

BUILD_ID = "ab" * 20


def interpreter(path: str, label: str, runtime: str = "") -> Interpreter:
    return Interpreter(path, (3, 12, 1), "3.12.1", label, False, runtime or path, False)


@pytest.fixture()
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Dict[str, str]":
    """Commands in place of the machine's own: what each prints for its last word; it fails for any other."""
    answers: Dict[str, str] = {}
    monkeypatch.setattr(debug_info, "_said", lambda *words: answers.get(f"{words[0]} {words[-1]}", ""))
    monkeypatch.setattr(debug_info, "_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    return answers


def policy(version: str) -> str:
    return f"x:\n  Installed: (none)\n  Candidate: {version}\n  Version table:\n"


def test_package_of_a_file(tools: Dict[str, str]) -> None:
    tools["dpkg-query /usr/bin/python3.12"] = "python3.12-minimal: /usr/bin/python3.12"
    tools["dpkg-query python3.12-minimal"] = "3.12.1-2"
    assert package_of("/usr/bin/python3.12") == Package("python3.12-minimal", "3.12.1-2", "dpkg")
    assert package_of("/opt/bin/python3.12") is None
    tools["dpkg-query /lib/x/libpython3.12.so.1.0"] = "libpython3.12:amd64: /lib/x/libpython3.12.so.1.0"
    found = package_of("/usr/lib/x/libpython3.12.so.1.0")
    assert found is not None and found.name == "libpython3.12"
    tools["rpm /opt/bin/python3.12"] = "python3.12 3.12.1-1.fc39"
    assert package_of("/opt/bin/python3.12") == Package("python3.12", "3.12.1-1.fc39", "rpm")


def test_ways_of_a_distribution(tools: Dict[str, str]) -> None:
    python = interpreter("/usr/bin/python3.12", "3.12.1-debian")
    ours = Package("python3.12-minimal", "3.12.1-2", "dpkg")
    assert ways(python, BUILD_ID, ours) == ["apt-get update && apt-get install python3.12-dbg"]
    tools["apt-cache python3.12-dbg"] = policy("3.12.1-2")
    assert ways(python, BUILD_ID, ours) == ["apt-get install python3.12-dbg"]
    assert ways(python, BUILD_ID, Package("libpython3.12", "3.12.1-2", "dpkg")) == ["apt-get install python3.12-dbg"]
    tools["apt-cache python3.12-dbg"] = policy("3.12.9-1")
    first, why = ways(python, BUILD_ID, ours)
    assert first == "apt-get install python3.12-minimal python3.12-dbg" and "3.12.9-1 and here is 3.12.1-2" in why
    assert ways(python, BUILD_ID, Package("python3.12", "3.12.1-1.fc39", "rpm")) == [
        "dnf debuginfo-install python3.12-3.12.1-1.fc39"
    ]


def test_the_archive_of_automatic_debug_packages(tools: Dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    python = interpreter("/usr/bin/python3.12", "3.12.1-debian")
    tools["apt-cache python3.12-minimal"] = policy("3.12.1-2")  # and no python3.12-dbg beside it
    for package in ("python3.12-minimal", "pypackaged"):
        source, install = ways(python, BUILD_ID, Package(package, "3.12.1-2", "dpkg"))
        assert '"deb http://deb.debian.org/debian-debug/ bookworm-debug main"' in source
        assert install == f"apt-get update && apt-get install {package}-dbgsym=3.12.1-2"
    tools["apt-cache pypackaged-dbgsym"] = policy("3.12.1-2")
    assert ways(python, BUILD_ID, Package("pypackaged", "3.12.1-2", "dpkg")) == ["apt-get install pypackaged-dbgsym"]
    monkeypatch.setattr(debug_info, "_release", lambda: {"ID": "other"})
    (only,) = ways(python, BUILD_ID, Package("python3.12-minimal", "3.12.1-2", "dpkg"))
    assert "python3.12-minimal-dbgsym" in only


def test_ways_of_a_build_of_ones_own(tools: Dict[str, str]) -> None:
    first, copy, server = ways(interpreter("/home/x/bin/python3.12", "3.12.1-pyenv"), BUILD_ID, None)
    assert first == "CFLAGS=-g pyenv install --force 3.12.1"
    place = f"/usr/lib/debug/.build-id/ab/{BUILD_ID[2:]}.debug"
    assert BUILD_ID in copy and f"objcopy --only-keep-debug COPY {place}" in copy and "fingdb run COPY" in copy
    assert f"debuginfod-find debuginfo {BUILD_ID}" in server and place in server
    shared = ways(interpreter("/opt/bin/python3.12", "3.12.1-local", "/opt/lib/libpython3.12.so.1.0"), BUILD_ID, None)
    assert "--strip-all" in shared[0] and "COPY's libpython3.12.so.1.0" in shared[1]
    assert len(ways(interpreter("/opt/bin/python3.12", "3.12.1-local"), None, None)) == 1


def test_a_command_that_is_not_there_or_fails_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debug_info._said("dpkg-query", "-S", "/bin/sh") == ""
    tool = tmp_path / "dpkg-query"
    tool.write_text("#!/bin/sh\necho words\nexit 1\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert debug_info._said(os.fspath(tool), "-S", "/bin/sh") == ""
    assert package_of("/nowhere/python3") is None
