"""One core file from its path to the report on it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Callable, Dict, Optional

from ..report.escape import printable
from .core_file import CoreFile
from .core_program import Surroundings, find_files
from .decompress import first_bytes, format_of, unpack
from .errors import CliError
from .gdb_program import INDEX_CACHE
from .look import look
from .temporary import temporary_directory

#: A core gets so many seconds when the user says nothing.
TIMEOUT = 120.0


@dataclass
class CoreOptions:
    """What the user says about all cores of one call; ``timeout`` in seconds for each of them."""

    gdb: str
    where: Surroundings
    executable: Optional[str] = None
    timeout: float = TIMEOUT
    #: Keys of the job for gdb in place of those of a report (`pyfin batch`).
    job: Dict[str, object] = field(default_factory=dict)


def examine(
    path: str, options: CoreOptions, stop: Optional[int] = None, meanwhile: Callable[[float], None] = lambda _seconds: None
) -> Dict[str, object]:
    """Return the report on a core file as a document of schema ``fingdb-report/1``, or what another job answers.

    ``meanwhile`` is called while gdb works (see `look`). Raises CliError with one sentence when there is none to be had,
    KeyboardInterrupt on Control-C and when there is something to read on descriptor ``stop``.
    """
    with temporary_directory() as directory:
        if format_of(first_bytes(path, packed=True)) is None:
            return _examine(path, path, options, directory, stop, meanwhile)
        with temporary_directory(room=os.stat(path).st_size * 4) as unpacked:
            return _examine(unpack(path, unpacked), path, options, directory, stop, meanwhile)


def _examine(
    file: str,
    path: str,
    options: CoreOptions,
    directory: str,
    stop: Optional[int],
    meanwhile: Callable[[float], None],
) -> Dict[str, object]:
    with CoreFile(file, path) as core:
        _need_stack(core)
        files = find_files(core, options.executable, options.where, directory)
        request: Dict[str, object] = {
            "mode": "core",
            "core": path,
            "pid": core.pid,
            "signal": core.signal,
            "notes": files.notes,
            "doubts": files.doubts,
            "damaged": files.damaged,
            **options.job,
        }
        what = [*INDEX_CACHE, *files.gdb_options, "-c", _readable(os.path.abspath(file), directory), files.executable]
        result = look(
            options.gdb,
            what,
            [],
            request,
            directory,
            options.timeout,
            memory=core.size,
            stop=stop,
            meanwhile=meanwhile,
            start=files.start,
        )
    if result.document is None:
        raise CliError(f"{printable(path)}: {result.failure}")
    error = result.document.get("error")
    if error and core.missing:
        raise CliError(
            f"{printable(path)} is cut short: {core.missing:,} of its {core.expected:,} bytes are missing, and the rest does"
            f" not tell enough: {error}"
        )
    if error:
        raise CliError(f"{printable(path)}: {error}")
    return result.document


def _readable(path: str, directory: str) -> str:
    """Return a name for a file that gdb's Python can read: it takes all names for UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        link = os.path.join(directory, "core")
        os.symlink(path, link)
        return link
    return path


def _need_stack(core: CoreFile) -> None:
    """Refuse a core that was cut off before the stack of the thread it is about.

    A stack pointer that points to no memory at all is another matter: that may be how the process crashed.
    """
    first = core.threads[0]
    if core.missing and core.covers(first.sp) and len(core.read(first.sp, 8)) < 8:
        raise CliError(
            f"{printable(core.path)} is cut short: {core.missing:,} of its {core.expected:,} bytes are missing,"
            " the stack of the thread that crashed among them (see `ulimit -c`)"
        )
