"""How lightly gdb may start: what is already known of a build need not be read again.

Symbols and debug information of a Python take gdb most of its start. Once the plan and the field offsets of a build
are in the cache, a run needs none of them until somebody wants names for a stack. Whether that is so must itself be
told quickly: a file per executable says so, and holds good as long as neither the executable nor its runtime nor
fingdb has changed.
"""

from __future__ import annotations

import json
import os
from typing import Dict, List, NamedTuple, Optional

from .gdb_program import INDEX_CACHE

#: Sections of the cache that a run cannot do without when gdb reads no debug information.
SECTIONS = ("plan", "fields")
FORMAT = 3


class Start(NamedTuple):
    """How to start gdb: its options, and whether all that a run needs to know of the build is in the cache."""

    options: List[str]
    known: bool


def start_for(executable: str, stacks: bool = False) -> Start:
    """Return how to start gdb for an executable: reading nothing if all is known.

    ``stacks`` says that C stacks may be wanted: ``-readnever`` leaves out what unwinding needs as well, for good.
    """
    known = _is_known(executable)
    if stacks:
        return Start([*INDEX_CACHE], known)
    # gdb's own index takes longer to write than it saves: once the build is known it is not needed here.
    return Start(["-readnever"] if known else [], known)


def remember(executable: str) -> None:
    """Note that a full run of this executable went well, if that left all of its build in the cache."""
    from ..elf import ElfError, library_of, open_elf
    from ..layout.cache import Cache

    note = _note(executable)
    try:
        real = os.path.realpath(executable)
        runtime = library_of(real, "libpython") or real
        cache = Cache(open_elf(runtime).build_id, runtime)
    except ElfError:
        return
    if note is None or any(cache.get(section) is None for section in SECTIONS):
        return
    # What the note says of the cache holds while nobody else writes there: gdb would have read nothing, and nothing be known.
    kept = (cache.file_of(section) for section in SECTIONS)
    files = {path: _stamp(path) for path in (real, runtime, *kept) if path is not None}
    document = {"format": FORMAT, "executable": executable, "cache": cache_home(), "files": files, "code": _code_stamp()}
    try:
        os.makedirs(os.path.dirname(note), mode=0o700, exist_ok=True)
        with open(f"{note}.{os.getpid()}", "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.replace(f"{note}.{os.getpid()}", note)
    except (OSError, ValueError):
        pass  # a cache that cannot be written is no error


def forget(executable: str) -> None:
    """Drop the note on an executable: the next run reads everything again."""
    note = _note(executable)
    if note is not None:
        try:
            os.unlink(note)
        except OSError:
            pass


def _is_known(executable: str) -> bool:
    note = _note(executable)
    if note is None:
        return False
    try:
        with open(note, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return False
    files = document.get("files")
    if document.get("executable") != executable or document.get("code") != _code_stamp():
        return False
    if document.get("cache") != cache_home():
        return False  # copied from another cache, of whose files it speaks
    if not isinstance(files, dict) or os.path.realpath(executable) not in files:
        return False
    return all(stamp is not None and _stamp(path) == stamp for path, stamp in files.items())


def cache_home() -> Optional[str]:
    """Return the directory of fingdb's cache, None where there is no home.

    The same as `layout.cache.cache_directory`, which takes longer to import than all of this takes to run.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return os.path.join(base, "fingdb")
    home = os.path.expanduser("~")
    return os.path.join(home, ".cache", "fingdb") if os.path.isabs(home) else None


def _note(executable: str) -> Optional[str]:
    home = cache_home()
    name = executable.replace("%", "%25").replace("/", "%2F") + ".json"
    return os.path.join(home, "launch", name) if home and len(os.fsencode(name)) < 230 else None


def _stamp(path: str) -> Optional[List[int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def _code_stamp() -> Dict[str, int]:
    """Return the age of the code that reads and writes the cache: newer code may want more from it."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    stamps = {}
    for room in ("layout", "finalization", "finalization/catalogue", "cpython"):
        newest = 0
        with os.scandir(os.path.join(package, room)) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    newest = max(newest, entry.stat().st_mtime_ns)
        stamps[room] = newest
    return stamps
