"""Core files that somebody compressed (systemd-coredump does), unpacked to a private temporary file.

gdb wants a file that it can seek in. Only as much is unpacked as the core's own headers promise, pages of
zeros become holes, and the disk is not filled up.
"""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from importlib import import_module
from typing import IO, BinaryIO, Callable, Dict, List, NamedTuple, Optional

from ..report.escape import printable
from .core_file import is_core
from .errors import CliError
from .gdb_program import which

#: This much of the disk stays free (bytes; of a small disk a twentieth).
RESERVE = 256 << 20
_CHUNK = 1 << 20
#: Read at once: where a file is damaged, what was read with the damaged part is lost.
_PIECE = 1 << 16
_PAGE = 4096
#: Bytes that tell what a file is.
_FIRST = 64


class Format(NamedTuple):
    """A compression: first bytes of its files, Python modules that know it, program, Debian package."""

    name: str
    magic: bytes
    modules: "tuple[tuple[str, str], ...]"
    program: str
    package: str


#: Modules as (module, function that opens a file for reading).
FORMATS = (
    Format("gzip", b"\x1f\x8b", (("gzip", "open"),), "gzip", "gzip"),
    Format("xz", b"\xfd7zXZ\0", (("lzma", "open"),), "xz", "xz-utils"),
    Format("zstd", b"\x28\xb5\x2f\xfd", (("compression.zstd", "open"), ("zstandard", "open")), "zstd", "zstd"),
    Format("lz4", b"\x04\x22\x4d\x18", (("lz4.frame", "open"),), "lz4", "lz4"),
)


def format_of(head: bytes) -> Optional[Format]:
    """Return the compression of a file that begins with these bytes (6 or more), None if it has none."""
    return next((known for known in FORMATS if head.startswith(known.magic)), None)


def first_bytes(path: str, packed: bool = False) -> bytes:
    """Return the first bytes of a file (empty if it cannot be read), unpacked unless ``packed``.

    Raises CliError when what it is compressed with is not installed.
    """
    head = _head(path)
    known = None if packed else format_of(head)
    if known is None:
        return head
    with _Reader(path, known) as reader:
        return reader.read(_FIRST)


def unpack(path: str, directory: str) -> str:
    """Unpack the compressed core ``path`` to a file in ``directory`` and return the file's path.

    Raises CliError with one sentence: what it is packed with is not installed, there is no core in it, or the
    disk is too full. A core that ends too early is left as it is: whoever reads it sees that it is cut short.
    """
    known = format_of(_head(path))
    assert known is not None
    target = os.path.join(directory, "core")
    with _Reader(path, known) as reader:
        first = reader.read(_CHUNK)
        if not first:
            raise CliError(f"{printable(path)} ({known.name}) is damaged or cut short: nothing of it could be unpacked")
        if not is_core(first):
            raise CliError(f"{printable(path)} ({known.name}) has no core file in it")
        try:
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0) as file:
                _copy(reader, first, file, path, directory)
        except OSError as error:
            raise CliError(f"cannot unpack {printable(path)} to {directory}: {error.strerror}") from None
    return target


def _copy(reader: "_Reader", data: bytes, file: IO[bytes], path: str, directory: str) -> None:
    expected = _expected(data)
    position = 0
    while data:
        if expected is not None:
            data = data[: expected - position]
        for at in range(0, len(data), 64 * _PAGE):
            part = data[at : at + 64 * _PAGE]
            if part.count(0) == len(part):
                file.seek(len(part), os.SEEK_CUR)
            else:
                _write(file, part)
        position += len(data)
        free = os.statvfs(directory)
        if free.f_bavail * free.f_frsize < min(RESERVE, free.f_blocks * free.f_frsize // 20):
            raise CliError(
                f"there is not enough room in {directory} to unpack {printable(path)}"
                f" ({position:,} bytes so far); set TMPDIR to a larger place"
            )
        if expected is not None and position >= expected:
            break
        data = reader.read(_CHUNK)
    file.truncate(position)


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _expected(head: bytes) -> Optional[int]:
    """Return how long the core says it is, None when its headers are not all in ``head``."""
    order = ">" if head[5] == 2 else "<"
    if head[4] != 2 or len(head) < 64:
        return None
    offset = struct.unpack_from(order + "Q", head, 32)[0]
    entry, count = struct.unpack_from(order + "HH", head, 54)
    table = head[offset : offset + count * 56]
    if entry != 56 or count == 0xFFFF or not count or len(table) < count * 56:
        return None
    return max(int(row[2] + row[5]) for row in struct.iter_unpack(order + "IIQQQQQQ", table))


def _head(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(descriptor, _FIRST)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


class _Reader:
    """A compressed file read from its beginning, by a Python module or by a program."""

    def __init__(self, path: str, known: Format) -> None:
        self._name = f"{printable(path)} ({known.name})"
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._stream = self._by_module(path, known) or self._by_program(path, known)
        self._errors = _errors(known)

    def _by_module(self, path: str, known: Format) -> Optional[BinaryIO]:
        for module, function in known.modules:
            try:
                opener: Callable[..., BinaryIO] = getattr(import_module(module), function)
                return opener(path, "rb")
            except (ImportError, AttributeError):
                continue
            except OSError as error:
                raise CliError(f"cannot read {self._name}: {error.strerror}") from None
        return None

    def _by_program(self, path: str, known: Format) -> BinaryIO:
        program = which(known.program)
        if program is None:
            raise CliError(
                f"{self._name} cannot be unpacked: the program {known.program} is not installed"
                f" (Debian: apt-get install {known.package})"
            )
        self._process = subprocess.Popen(
            [program, "-d", "-c", "-q", os.path.abspath(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        return self._process.stdout  # type: ignore[return-value]  # a buffered reader is all that is needed

    def read(self, length: int) -> bytes:
        """Return the next bytes: fewer, or none, at the end or where the file is damaged."""
        parts: List[bytes] = []
        while length > 0:
            try:
                part = self._stream.read(min(length, _PIECE))
            except self._errors:
                break
            if not part:
                break
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stream.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _errors(known: Format) -> "tuple[type[BaseException], ...]":
    """Return what reading a damaged file of that format may raise."""
    errors: Dict[str, "type[BaseException]"] = {"": zlib.error}
    for module, name in (("lzma", "LZMAError"), ("compression.zstd", "ZstdError"), ("zstandard", "ZstdError")):
        if any(module == wanted for wanted, _ in known.modules):
            try:
                errors[module] = getattr(import_module(module), name)
            except ImportError:
                continue
    # lz4.frame raises RuntimeError, gzip OSError and EOFError.
    return (*errors.values(), EOFError, OSError, RuntimeError)
