"""Extension modules and embedding programs, compiled for one interpreter with its own flags.

What was compiled once in a run is used again, by all test processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Sequence, Union

import pytest

from .interpreters import Interpreter
from .shared import locked

_VARIABLES = ("CC", "CXX", "EXT_SUFFIX", "LIBDIR", "LDVERSION", "LIBPL")
_PROBE = (
    "import json, sysconfig; "
    f"found = {{n: sysconfig.get_config_var(n) for n in {_VARIABLES!r}}}; "
    "found['include'] = sysconfig.get_path('include'); "
    "found['platinclude'] = sysconfig.get_path('platinclude'); "
    "print(json.dumps(found))"
)

Source = Union[str, Path]


def build_extension(
    python: Interpreter,
    sources: Sequence[Source],
    name: str,
    flags: Sequence[str] = (),
    libraries: Sequence[str] = (),
) -> Path:
    """Compile C or C++ sources into the extension module ``name`` and return its directory.

    The directory holds nothing else: put it on PYTHONPATH. ``flags`` go to the compiler, ``libraries``
    (``-lfoo`` or paths) to the linker. Compiled with ``-g -O1``. Skips the test where the interpreter's
    headers or the compiler are missing.
    """
    config = _config(python.path)
    _need_headers(config, python)
    cplusplus = _is_cplusplus(sources)
    command = [
        *_compiler(config, cplusplus), "-shared", "-fPIC", "-g", "-O1", *_includes(config),
        *flags, *map(str, sources),
    ]  # fmt: skip
    return _build(python, command, f"{name}{config['EXT_SUFFIX']}", sources, libraries).parent


def build_library(python: Interpreter, sources: Sequence[Source], name: str, flags: Sequence[str] = ()) -> Path:
    """Compile a shared library ``name`` (``libx.so``) that may use the C API, and return its path."""
    config = _config(python.path)
    _need_headers(config, python)
    command = [
        *_compiler(config, _is_cplusplus(sources)), "-shared", "-fPIC", "-g", "-O1", *_includes(config),
        *flags, *map(str, sources),
    ]  # fmt: skip
    return _build(python, command, name, sources, ())


def build_program(
    python: Interpreter,
    sources: Sequence[Source],
    name: str,
    flags: Sequence[str] = (),
    libraries: Sequence[str] = (),
    link_python: bool = True,
) -> Path:
    """Compile a program and return its path.

    With ``link_python`` it embeds the interpreter: linked with its shared library, whose directory is in
    the program's rpath; skips the test where there is none. Otherwise it only may use the headers, as a
    program does that loads Python by dlopen.
    """
    config = _config(python.path)
    _need_headers(config, python)
    linked: List[str] = ["-ldl", "-pthread", *libraries]
    if link_python:
        directory = python_library(python).parent
        linked += [f"-L{directory}", f"-lpython{config['LDVERSION']}", f"-Wl,-rpath,{directory}"]
    command = [
        *_compiler(config, _is_cplusplus(sources)), "-g", "-O1", *_includes(config),
        *flags, *map(str, sources),
    ]  # fmt: skip
    return _build(python, command, name, sources, linked)


def python_library(python: Interpreter) -> Path:
    """Return the interpreter's shared library, as a program would link with it. Skips where there is none."""
    config = _config(python.path)
    for directory in (config["LIBDIR"], config["LIBPL"]):
        path = Path(directory) / f"libpython{config['LDVERSION']}.so"
        if path.exists():
            return path
    pytest.skip(f"{python.label} has no shared library to link with (libpython{config['LDVERSION']}.so)")


@lru_cache(maxsize=None)
def _config(path: str) -> Dict[str, str]:
    done = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, check=True, timeout=60)
    raw = json.loads(done.stdout)
    return {name: "" if value is None else str(value) for name, value in raw.items()}


def _need_headers(config: Dict[str, str], python: Interpreter) -> None:
    if not os.path.exists(os.path.join(config["include"], "Python.h")):
        pytest.skip(f"{python.label} has no headers (Debian: apt-get install python3-dev)")


def _includes(config: Dict[str, str]) -> List[str]:
    return [f"-I{directory}" for directory in dict.fromkeys((config["include"], config["platinclude"]))]


def _is_cplusplus(sources: Sequence[Source]) -> bool:
    return any(str(source).endswith((".cc", ".cpp", ".cxx")) for source in sources)


def _compiler(config: Dict[str, str], cplusplus: bool) -> List[str]:
    default = "g++" if cplusplus else "gcc"
    words = shlex.split(config["CXX" if cplusplus else "CC"]) or [default]
    for candidate in (words, [default]):
        if shutil.which(candidate[0]):
            return [*candidate, *([] if cplusplus else ["-std=gnu11"])]
    pytest.skip(f"there is no compiler ({default})")


def _build(
    python: Interpreter, command: List[str], name: str, sources: Sequence[Source], libraries: Sequence[str]
) -> Path:
    key = hashlib.sha256(repr((command, list(libraries))).encode())
    for source in sources:
        key.update(Path(source).read_bytes())
    with locked(f"build-{python.label}-{Path(name).name}-{key.hexdigest()[:16]}") as directory:
        # In a directory of its own, so that the directory can go on a path.
        product = directory / "out" / name
        if not product.exists():
            product.parent.mkdir(exist_ok=True)
            done = subprocess.run(
                [*command, "-o", str(directory / "new"), *libraries],
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
            os.replace(directory / "new", product)
        return product
