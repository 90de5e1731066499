"""Whether a core file's own tables are whole: its segments, and the notes on its threads.

Linux (fs/binfmt_elf.c) and gdb's gcore write segments in the order of their addresses and their contents without a
gap: what belongs to no segment, overlaps, or does not fit was changed afterwards. Any machine of 64 bits.
"""

from __future__ import annotations

import os
import struct
from typing import List, NamedTuple, Tuple

_PT_NULL, _PT_LOAD, _PT_NOTE = 0, 1, 4
_PAGE = 4096
_NT_PRSTATUS, _NT_SIGINFO = 1, 0x53494749
#: In NT_PRSTATUS: the signal as in siginfo, that of the dump, the thread's id; the ids of parent, group and session.
_SIGNALS, _IDS = struct.Struct("=iii h"), struct.Struct("=iiii")
_IDS_AT = 32
#: More of the notes is not looked at.
_MOST_NOTES = 64 << 20


class _Row(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int
    memory: int


def table_problems(path: str) -> List[str]:
    """Return what is wrong with the tables of a core file, one sentence each. Never raises."""
    try:
        with open(path, "rb") as file:
            rows, sections = _rows(file.read(64), file.fileno())
            found = _segments([row for row in rows if row.kind == _PT_LOAD], os.fstat(file.fileno()).st_size, sections)
            notes = [os.pread(file.fileno(), min(r.size, _MOST_NOTES), r.offset) for r in rows if r.kind == _PT_NOTE]
        if any(row.kind not in (_PT_NULL, _PT_LOAD, _PT_NOTE) for row in rows):
            found.append("the core's table of segments is damaged: some are of kinds that no core has")
        return found + _notes(b"".join(notes))
    except (OSError, struct.error, OverflowError, ValueError):
        return []


def _rows(head: bytes, file: int) -> Tuple[List[_Row], bool]:
    """Return (the program headers, whether the file has section headers). Raises struct.error."""
    if head[:5] != b"\x7fELF\x02":
        return [], True
    table, sections = struct.unpack_from("=QQ", head, 32)
    size, count = struct.unpack_from("=HH", head, 54)
    if size != 56:
        return [], True
    data = os.pread(file, count * size, table)
    found = [
        _Row(kind, offset, address, in_file, memory)
        for kind, _flags, offset, address, _physical, in_file, memory, _align in struct.iter_unpack(
            "=IIQQQQQQ", data[: len(data) // size * size]
        )
    ]
    return found, bool(sections)


def _segments(loads: List[_Row], size: int, sections: bool) -> List[str]:
    said = "the core's table of segments is damaged: "
    found: List[str] = []
    if any(a.address + a.memory > b.address for a, b in zip(loads, loads[1:])):
        found.append(said + "they overlap, or are not in the order of their addresses")
    if any(row.address % _PAGE or row.size > row.memory for row in loads):
        found.append(said + "some are no whole pages, or have more in the file than in memory")
    placed = sorted((row.offset, row.offset + row.size) for row in loads if row.size)
    lost = sum(max(0, b[0] - a[1]) for a, b in zip(placed, placed[1:]) if b[0] - a[1] >= _PAGE)
    if placed and not sections:
        lost += max(0, size - placed[-1][1])
    if lost >= _PAGE:
        found.append(f"{said}{lost:,} bytes of the file belong to none, so that memory is missing")
    if any(a[1] > b[0] for a, b in zip(placed, placed[1:])):
        found.append(said + "two have the same bytes of the file")
    return found


def _notes(data: bytes) -> List[str]:
    damaged = "the core's notes on its threads are damaged: "
    statuses: List[bytes] = []
    signal = 0
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("=III", data, at)
        start = at + 12 + (name_size + 3) // 4 * 4
        name = data[at + 12 : at + 12 + name_size]
        if start + size > len(data) or name_size > 256 or name_size and name[-1:] != b"\0":
            return [damaged + "their sizes do not fit"]
        if name.rstrip(b"\0") == b"CORE" and kind == _NT_PRSTATUS:
            statuses.append(data[start : start + size])
        elif name.rstrip(b"\0") == b"CORE" and kind == _NT_SIGINFO and size >= 4:
            (signal,) = struct.unpack_from("=i", data, start)
        at = start + (size + 3) // 4 * 4
    return [damaged + problem for problem in _threads(statuses, signal)]


def _threads(statuses: List[bytes], signal: int) -> List[str]:
    if any(len(status) != len(statuses[0]) or len(status) < _IDS_AT + _IDS.size for status in statuses):
        return ["they are of different lengths"]
    found: List[str] = []
    ids = [_IDS.unpack_from(status, _IDS_AT) for status in statuses]
    if len({lwp for lwp, *_process in ids}) < len(ids):
        found.append("two threads have the same id")
    if len({tuple(process) for _lwp, *process in ids}) > 1:
        found.append("they are of different processes")
    signals = [_SIGNALS.unpack_from(status) for status in statuses]
    # Only the kernel fills in the first number, the same for all threads.
    if any(told and told != at_dump or told != signals[0][0] for told, _code, _errno, at_dump in signals):
        found.append("they tell of different signals")
    elif signals and signals[0][0] and signal and signal != signals[0][0]:
        found.append(f"they tell of signal {signals[0][0]}, the signal's own note of {signal}")
    return found
