"""The CPython interpreters of this machine, and whether each has debug information."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from ..cpython.version import read_facts
from ..elf import ElfError, library_of, open_elf

OLDEST = (3, 8)

_PROBE = (
    "import sys, platform; v = sys.version_info; "
    "print('fingdb-probe', v[0], v[1], v[2], platform.python_version(), platform.python_implementation(), "
    "int(hasattr(sys, 'gettotalrefcount')), int(sys.prefix == sys.base_prefix), int('t' in sys.abiflags))"
)

_NAME = re.compile(r"python3(\.\d+)?t?(-dbg|d)?\Z")


@dataclass(frozen=True)
class Interpreter:
    """One build of CPython. ``runtime`` is the file with its code: a libpython or the executable."""

    path: str
    version: Tuple[int, int, int]
    #: "3.13.0", "3.15.0b1".
    version_text: str
    #: "3.11.2-debian-dbg", "3.13.5t-built": version and origin; unique among the interpreters found together.
    label: str
    #: A ``--with-pydebug`` build.
    debug: bool
    runtime: str
    has_debug_info: bool
    #: A ``--disable-gil`` build.
    free_threaded: bool = False


def find_interpreters(environment: Optional[Mapping[str, str]] = None, more: Tuple[str, ...] = ()) -> List[Interpreter]:
    """Return the CPython interpreters from 3.8 on, by version, each build once.

    Looks at ``more``, pyenv's versions, /usr/bin, /usr/local/bin, PATH and what scripts/build-free-threaded
    made. Virtual environments are left out: they are no builds of their own. Candidates that do not start are left out.
    """
    variables = os.environ if environment is None else environment
    found: Dict[str, Interpreter] = {}
    for candidate in _candidates(variables, more):
        real = os.path.realpath(candidate)
        if real not in found and _is_elf(real):
            interpreter = probe(candidate, variables)
            if interpreter is not None:
                found[real] = interpreter
    return _with_unique_labels(sorted(found.values(), key=lambda i: (i.version, i.free_threaded, i.debug, i.label, i.path)))


def probe(path: str, environment: Optional[Mapping[str, str]] = None) -> Optional[Interpreter]:
    """Return what is to be known of an interpreter, None if it is not a CPython from 3.8 on."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.decode("utf-8", "replace").split()
    if len(words) != 9 or words[0] != "fingdb-probe" or words[5] != "CPython" or words[7] != "1":
        return None
    version = (int(words[1]), int(words[2]), int(words[3]))
    if version < OLDEST:
        return None
    debug, free_threaded = words[6] == "1", words[8] == "1"
    runtime = runtime_file(path)
    return Interpreter(
        path=path,
        version=version,
        version_text=words[4],
        label=f"{words[4]}{'t' * free_threaded}-{_origin(path, environment or os.environ)}{'-dbg' if debug else ''}",
        debug=debug,
        runtime=runtime,
        has_debug_info=debug_file(runtime) is not None,
        free_threaded=free_threaded,
    )


def read_interpreter(path: str) -> Optional[Interpreter]:
    """Return what the files of an interpreter, or a libpython, tell without running it; None if it is no CPython from 3.8 on."""
    runtime = runtime_file(path)
    try:
        elf = open_elf(runtime)
        symbols = elf.exported() if elf.has_string(".dynstr", "_PyRuntime") else elf.symbols()
        symbol, section = symbols.get("_PyRuntime"), elf.section(".PyRuntime")
        if not (symbol is not None and symbol.defined) and section is None:
            return None
        facts = read_facts(elf, symbols, symbol.address if symbol is not None else 0, False)
    except ElfError:
        return None
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", facts.version)
    version = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
    if found and version < OLDEST:
        return None
    text = facts.version or "of an unknown version"
    label = f"{text}{'t' * facts.free_threaded}-{_origin(path, os.environ)}{'-dbg' if facts.debug_build else ''}"
    return Interpreter(
        path, version, facts.version or "3", label, facts.debug_build, runtime, debug_file(runtime) is not None,
        facts.free_threaded,
    )


def build_id_of(path: str) -> Optional[str]:
    """Return the build-id of a file, None if it has none."""
    try:
        return open_elf(path).build_id
    except ElfError:
        return None


def runtime_file(executable: str) -> str:
    """Return the file that holds the interpreter's code: its libpython, or the executable itself."""
    real = os.path.realpath(executable)
    try:
        return library_of(real, "libpython3.") or real
    except ElfError:
        return real


def debug_file(runtime: str) -> Optional[str]:
    """Return the file with the debug information of a build, None if it is not installed."""
    try:
        elf = open_elf(runtime)
    except ElfError:
        return None
    if elf.has_debug_info():
        return runtime
    build_id = elf.build_id
    separate = f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug" if build_id else ""
    return separate if separate and os.path.isfile(separate) else None


def _candidates(variables: Mapping[str, str], more: Tuple[str, ...]) -> Iterator[str]:
    yield from more
    yield from (path for path in _installed(variables) if _NAME.match(os.path.basename(path)))


def _installed(variables: Mapping[str, str]) -> Iterator[str]:
    for versions in _pyenv_versions(variables):
        yield from sorted(glob.glob(os.path.join(glob.escape(versions), "*", "bin", "python3.*")))
    directories = ["/usr/bin", "/usr/local/bin", *variables.get("PATH", "").split(":")]
    for directory in dict.fromkeys(d for d in directories if os.path.isabs(d) and not d.endswith("/shims")):
        names = glob.glob(os.path.join(glob.escape(directory), "python3*"))
        # "python3.11" before "python3": the first name of a build is the one that is shown.
        yield from sorted(names, key=lambda path: ("." not in os.path.basename(path), path))
    for prefix in sorted(glob.glob(os.path.join(glob.escape(built(variables)), "*", ""))):
        # Without its stamp it is being built, or was given up half way.
        if os.path.exists(os.path.join(prefix, ".ready")):
            yield os.path.join(prefix, "bin", "python" + os.path.basename(os.path.dirname(prefix)))


def _pyenv_versions(variables: Mapping[str, str]) -> Iterator[str]:
    for root in (variables.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv")):
        if root:
            yield os.path.join(root, "versions")


def built(variables: Mapping[str, str]) -> str:
    """Return the directory of the interpreters that scripts/build-free-threaded made."""
    cache = variables.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return variables.get("FINGDB_PYTHONS") or os.path.join(cache, "fingdb-pythons")


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF" and os.access(path, os.X_OK)
    except OSError:
        return False


def _origin(path: str, variables: Mapping[str, str]) -> str:
    absolute = os.path.abspath(path)
    if any(absolute.startswith(os.path.join(versions, "")) for versions in _pyenv_versions(variables)):
        return "pyenv"
    if absolute.startswith(os.path.join(built(variables), "")):
        return "built"
    if absolute.startswith("/usr/bin/"):
        return "debian" if os.path.exists("/etc/debian_version") else "system"
    return "local"


def _with_unique_labels(interpreters: List[Interpreter]) -> List[Interpreter]:
    seen: Dict[str, int] = {}
    unique = []
    for interpreter in interpreters:
        count = seen[interpreter.label] = seen.get(interpreter.label, 0) + 1
        label = interpreter.label if count == 1 else f"{interpreter.label}-{count}"
        unique.append(replace(interpreter, label=label))
    return unique
