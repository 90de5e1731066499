"""Where the debug information of one interpreter comes from: the package that has it, or what else brings it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import Dict, List, Optional

from .interpreters import Interpreter

#: Packages of the interpreter itself: one `-dbg` package has the debug information of all of them.
_OF_PYTHON = re.compile(r"(?:lib)?python3\.\d+(?:-minimal|-stdlib|-dev|-nopie)?\Z")
#: Distribution -> the archive of its automatic debug packages, a line for apt.
_DEBUG_ARCHIVES = {
    "debian": "deb http://deb.debian.org/debian-debug/ {codename}-debug main",
    "ubuntu": "deb http://ddebs.ubuntu.com {codename} main restricted universe multiverse",
}
_DEBUG_FILES = "/usr/lib/debug/.build-id"


@dataclass(frozen=True)
class Package:
    """The package that a file belongs to; ``manager`` is ``dpkg`` or ``rpm``."""

    name: str
    version: str
    manager: str


def package_of(path: str) -> Optional[Package]:
    """Return the package that a file belongs to, None where it belongs to none or nobody can tell."""
    real = os.path.realpath(path)
    # Where /lib is a link into /usr, the package may know the file by either name.
    for name in dict.fromkeys((path, real, real[4:] if real.startswith("/usr/lib") else real)):
        found = _said("dpkg-query", "-S", name).partition(": ")[0].split(",")[0].partition(":")[0]
        if found:
            version = _said("dpkg-query", "-W", "-f", "${Version}", found)
            return Package(found, version, "dpkg")
    found = _said("rpm", "-qf", "--qf", "%{NAME} %{VERSION}-%{RELEASE}", real)
    if found and " " in found and "not owned" not in found:
        name, version = found.split()[:2]
        return Package(name, version, "rpm")
    return None


def ways(python: Interpreter, build_id: Optional[str], package: Optional[Package]) -> List[str]:
    """Return what brings the debug information of a build without any: commands, or sentences, the best first."""
    if package is not None and package.manager == "rpm":
        return [f"dnf debuginfo-install {package.name}-{package.version}"]
    if package is not None:
        return _debian_ways(package)
    return [*_own_build_ways(python), *_by_build_id(python, build_id)]


def _debian_ways(package: Package) -> List[str]:
    own = _OF_PYTHON.match(package.name)
    name = f"python{_minor(package.name)}-dbg" if own else f"{package.name}-dbgsym"
    candidate = _candidate(name)
    if own and (candidate or not _candidate(package.name)):
        update = "" if candidate else "apt-get update && "
        found = [f"{update}apt-get install {name}"]
        if candidate and candidate != package.version:
            found[0] = f"apt-get install {package.name} {name}"
            found.append(
                f"(the archive has {name} {candidate} and here is {package.version}: both must be of one version, and what "
                "runs, or has left a core, is of the old one)"
            )
        return found
    name = f"{package.name}-dbgsym"
    if _candidate(name):
        return [f"apt-get install {name}"]
    release = _release()
    line = _DEBUG_ARCHIVES.get(release.get("ID", ""))
    if line is None:
        return [f"install {name}, from the archive that your distribution has for such packages"]
    codename = release.get("VERSION_CODENAME") or "$(. /etc/os-release; echo $VERSION_CODENAME)"
    return [
        f'echo "{line.format(codename=codename)}" > /etc/apt/sources.list.d/debug.list',
        f"apt-get update && apt-get install {name}={package.version}",
    ]


def _own_build_ways(python: Interpreter) -> List[str]:
    if "pyenv" in python.label:
        return [f"CFLAGS=-g pyenv install --force {python.version_text}"]
    return [
        f"build Python {python.version_text} again with CFLAGS=-g, and do not strip it: no `strip`, no -s or "
        "-Wl,--strip-all for the linker (Dockerfiles have them)"
    ]


def _by_build_id(python: Interpreter, build_id: Optional[str]) -> List[str]:
    if not build_id:
        return []
    name = os.path.basename(python.runtime)
    code = f"COPY's {name}" if name.startswith("lib") else "COPY"
    place = f"{_DEBUG_FILES}/{build_id[:2]}/{build_id[2:]}.debug"
    return [
        f"or, with COPY, this very build as it was before it was stripped (build-id {build_id}): "
        "`fingdb run COPY -c pass` once, what it learns is kept by the build-id and serves the stripped one; or "
        f"objcopy --only-keep-debug {code} {place}",
        f"or, where $DEBUGINFOD_URLS names a server that has it: cp $(debuginfod-find debuginfo {build_id}) {place}",
    ]


def _minor(package: str) -> str:
    found = re.search(r"3\.\d+", package)
    return found.group() if found else "3"


def _candidate(name: str) -> str:
    """Return the version that apt would install, "" where it knows none."""
    for line in _said("apt-cache", "policy", name).splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "Candidate":
            return "" if value == "(none)" else value.strip()
    return ""


def _release() -> Dict[str, str]:
    """Return what /etc/os-release says."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            pairs = (line.strip().partition("=") for line in file)
            return {key: value.strip("\"'") for key, _, value in pairs}
    except OSError:
        return {}


def _said(*words: str) -> str:
    """Return what a command prints, "" where there is no such command or it fails."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
