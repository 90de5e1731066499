"""The files that ld.so has mapped into a process, from its own list (``struct r_debug`` in glibc's link.h).

This is the list that debuggers read to load symbols; read directly it costs microseconds and needs no symbols.
64-bit little-endian Linux.
"""

from __future__ import annotations

import os
import struct
from typing import Callable, List, NamedTuple, Optional, Tuple

from ..elf import SHT_DYNAMIC, ElfError, open_elf

#: Entries of the auxiliary vector (elf.h), and of the dynamic section.
AT_ENTRY, DT_DEBUG = 9, 21
#: ``r_state`` while nothing is being mapped or unmapped, and while files are being added.
CONSISTENT, ADDING = 0, 1
#: Longer lists and names are not followed.
MOST_FILES, LONGEST_NAME = 10_000, 4096
_PAGE = 4096

Read = Callable[[int, int], bytes]


class Loader(NamedTuple):
    """What ld.so tells debuggers: its state, the function that it calls at each change, and the mapped files.

    ``files`` are (name as ld.so has it, "" for the executable; bias) in the order of their loading.
    """

    state: int
    changed: int
    files: Tuple[Tuple[str, int], ...]
    #: The address of the structure itself, and of the last entry of its list.
    place: int
    last: int


def entry_point(pid: int) -> Optional[int]:
    """Return the address at which the program of a process begins, as the kernel told it; None if it cannot be had."""
    try:
        with open(f"/proc/{pid}/auxv", "rb") as file:
            raw = file.read()
    except OSError:
        return None
    for key, number in struct.iter_unpack("<QQ", raw[: len(raw) // 16 * 16]):
        if key == AT_ENTRY:
            return int(number)
    return None


def read_loader(read: Read, executable: str, bias: int) -> Optional[Loader]:
    """Return what ld.so tells, None when it has told nothing yet (or there is no ld.so).

    ``read(address, length)`` reads the process's memory, and raises what is passed on; ``bias`` is the executable's.
    """
    place = _debug_structure(read, executable, bias)
    if not place:
        return None
    _version, node, changed, state = struct.unpack("<QQQQ", read(place, 32))
    if not node:
        return None
    files: List[Tuple[str, int]] = []
    last = _follow(read, node, files)
    return Loader(state & 0xFFFFFFFF, changed, tuple(files), place, last)


def read_added(read: Read, before: Loader) -> Optional[Loader]:
    """Return what ld.so tells now that it has added files to those of ``before``: it puts them at the list's end.

    None where the list is another one. What ``read`` raises is passed on.
    """
    bias, _name, _dynamic, following = struct.unpack("<QQQQ", read(before.last, 32))
    if bias != before.files[-1][1]:
        return None
    files = list(before.files)
    last = _follow(read, following, files) if following else before.last
    return before._replace(state=read_state(read, before.place), files=tuple(files), last=last)


def _follow(read: Read, node: int, files: List[Tuple[str, int]]) -> int:
    """Add the files from an entry of the list on, and return the last entry's address."""
    seen = set()
    last = node
    while node and node not in seen and len(files) < MOST_FILES:
        seen.add(node)
        last = node
        bias, name, _dynamic, node = struct.unpack("<QQQQ", read(node, 32))
        files.append((_text(read, name) if files else "", bias))  # the first is the executable
    return last


def read_state(read: Read, place: int) -> int:
    """Return the state of the ``struct r_debug`` at ``place``; what ``read`` raises is passed on."""
    return int.from_bytes(read(place + 24, 4), "little")


def path_of(name: str) -> Optional[str]:
    """Return the path of a mapped file by ld.so's name for it, None when it is no file (the kernel's vdso)."""
    return os.path.abspath(name) if os.path.isfile(name) else None


def _debug_structure(read: Read, executable: str, bias: int) -> int:
    """Return the address of ``struct r_debug``, 0 if ld.so has not filled it in."""
    try:
        section = next((s for s in open_elf(executable).sections if s.type == SHT_DYNAMIC), None)
    except ElfError:
        return 0
    if section is None:
        return 0
    raw = read(section.address + bias, section.size // 16 * 16)
    for tag, number in struct.iter_unpack("<QQ", raw):
        if tag == DT_DEBUG:
            return int(number)
        if tag == 0:
            break
    return 0


def _text(read: Read, address: int) -> str:
    """Return a C string, read page by page so as not to reach into what is not mapped."""
    found = b""
    while address and len(found) < LONGEST_NAME:
        piece = read(address + len(found), min(256, _PAGE - (address + len(found)) % _PAGE))
        end = piece.find(b"\0")
        if end >= 0:
            return os.fsdecode(found + piece[:end])
        found += piece
    return os.fsdecode(found)
