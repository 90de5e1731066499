"""Which executable a command line really starts, found as the kernel and ``env`` find it."""

from __future__ import annotations

import errno
import os
import stat
from typing import List, Literal, Mapping, NamedTuple, Optional, Tuple

from .errors import CliError

#: The kernel looks at so many bytes of a script's first line, and follows so many scripts.
_LINE_LIMIT = 256
_DEPTH_LIMIT = 5

MACHINES = {3: "i386", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V", 21: "PowerPC64", 22: "S/390"}


class Launch(NamedTuple):
    """What to give to ``execve``, and the ELF file that it makes the kernel start.

    ``path`` and ``argv`` are those of the last ``execve`` of a bare run: a script is left to the kernel,
    so that the process looks the same from inside; only a ``#!/usr/bin/env`` is followed here, because
    a debugger would take ``env`` for the program.
    """

    path: bytes
    argv: Tuple[bytes, ...]
    elf: str
    #: The words that the ELF file gets in the end: those that the kernel adds for a script included.
    elf_argv: Tuple[bytes, ...]


def resolve(words: List[str], environment: Mapping[bytes, bytes]) -> Launch:
    """Return how to start a program with its arguments.

    ``environment`` is the program's own: its PATH counts. Raises CliError, with a sentence that names the
    file at fault, when it is missing, not executable, a directory, or nothing the kernel can start.
    """
    argv = [os.fsencode(word) for word in words]
    search = environment.get(b"PATH", os.fsencode(os.defpath))
    path = _find(argv[0], search, None)
    seen_path, seen_argv = path, argv  # what the kernel has made of it so far
    for _depth in range(_DEPTH_LIMIT + 1):
        head = _head(seen_path)
        if head[:4] == b"\x7fELF":
            _check_machine(seen_path, head)
            elf = os.fsdecode(os.path.abspath(seen_path))
            return Launch(path, tuple(argv), elf, tuple(seen_argv))
        interpreter, argument = _shebang(seen_path, head)
        script = seen_path
        seen_argv = [interpreter, *([argument] if argument else []), seen_path, *seen_argv[1:]]
        seen_path = interpreter
        _check(interpreter, script)
        if os.path.basename(interpreter) == b"env":
            followed = _env_words(seen_argv)
            if followed is not None:
                argv = seen_argv = followed
                path = seen_path = _find(argv[0], search, script)
    raise CliError(f"{show(path)} is a script of a script of a script: more of them than the kernel follows")


def refuse_privileged(launch: Launch) -> None:
    """Raise CliError when the program would have rights from its file that the kernel gives to no traced program.

    Root's debugger may trace such a program as it is.
    """
    if not os.geteuid():
        return
    status = os.stat(launch.elf)
    given = "is setuid" if status.st_mode & stat.S_ISUID and status.st_uid != os.geteuid() else ""
    if status.st_mode & stat.S_ISGID and status.st_gid != os.getegid():
        given = given or "is setgid"
    try:
        if os.getxattr(launch.elf, "security.capability"):
            given = given or "has capabilities"
    except OSError:
        pass  # it has none, or the file system knows none
    if given:
        name = show(os.fsencode(launch.elf))
        raise CliError(f"{name} {given}, and the kernel gives a traced program no such rights: run this as root")


def show(path: bytes) -> str:
    """Return a path as it may stand in a sentence: quoted when it has what does not print."""
    text = os.fsdecode(path)
    return text if text.isprintable() and text.strip() == text and text else repr(text)


def _find(name: bytes, search: bytes, script: Optional[bytes]) -> bytes:
    """Return the path that a shell would execute for a name, not made absolute."""
    asked_by = f" (asked for by the first line of {show(script)})" if script else ""
    if not name:
        raise CliError(f"the program's name is empty{asked_by}")
    if b"/" in name:
        _check(name, script)
        return name
    refused: Optional[bytes] = None
    for directory in search.split(b":"):
        candidate = os.path.join(directory, name) if directory else b"./" + name
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            refused = refused or candidate
    if refused:
        raise CliError(f"{show(refused)} is not executable (chmod +x makes it so){asked_by}")
    raise CliError(f"there is no program {show(name)} on PATH{asked_by}")


def _check(path: bytes, script: Optional[bytes]) -> None:
    asked_by = f" (asked for by the first line of {show(script)})" if script else ""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise CliError(f"there is no file {show(path)}{asked_by}") from None
        raise CliError(f"cannot look at {show(path)}: {error.strerror}{asked_by}") from None
    if os.path.isdir(path):
        raise CliError(f"{show(path)} is a directory, not a program{asked_by}")
    if not os.path.isfile(path):
        raise CliError(f"{show(path)} is not a regular file{asked_by}")
    if not os.access(path, os.X_OK):
        raise CliError(f"{show(path)} is not executable (chmod +x makes it so){asked_by}")


def _head(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LINE_LIMIT)
    except OSError as error:
        raise CliError(f"cannot read {show(path)}, as a debugger must: {error.strerror}") from None


def _check_machine(path: bytes, head: bytes) -> None:
    ours = _own_head()
    if head[4:6] == ours[4:6] and head[18:20] == ours[18:20]:
        return
    order: Literal["big", "little"] = "big" if head[5:6] == b"\x02" else "little"
    number = int.from_bytes(head[18:20], order)
    machine = MACHINES.get(number, f"machine {number}")
    bits = "64" if head[4:5] == b"\x02" else "32"
    raise CliError(f"{show(path)} is a {bits}-bit program for {machine}, which fingdb cannot run here")


def _own_head() -> bytes:
    with open("/proc/self/exe", "rb") as file:
        return file.read(20)


def _shebang(path: bytes, head: bytes) -> Tuple[bytes, Optional[bytes]]:
    """Return (interpreter, its one argument or None) of a script, read as Linux's binfmt_script does."""
    if head[:2] != b"#!":
        what = "is empty" if not head else "is neither an ELF program nor a script with a `#!` line"
        raise CliError(f"{show(path)} {what}")
    line = head[2:].split(b"\n", 1)[0]
    line = line.strip(b" \t")  # no other white space: "python3\r" is a name, as the kernel sees it
    if not line:
        raise CliError(f"the first line of {show(path)} names no interpreter")
    end = min((at for at in (line.find(b" "), line.find(b"\t")) if at >= 0), default=len(line))
    return line[:end], line[end:].strip(b" \t") or None


def _env_words(argv: List[bytes]) -> Optional[List[bytes]]:
    """Return what ``env`` executes, None when it does more than to search PATH.

    ``argv`` is env's own. ``-S`` is understood as far as plain words go.
    """
    first, rest = argv[1], argv[2:]
    if first.startswith((b"-S", b"--split-string=")):
        text = first[2:] if first.startswith(b"-S") else first[len(b"--split-string=") :]
        if any(character in text for character in b"\\\"'$#"):
            return None
        words = text.split() + rest
    else:
        words = [first, *rest]
    if not words or words[0].startswith(b"-") or b"=" in words[0]:
        return None
    return words
