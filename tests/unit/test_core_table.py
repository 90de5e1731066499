"""Tables of core files: whole ones, and what tells that they are not."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from fingdb.findings.core_table import table_problems

PAGE = 4096
LOAD, NOTE = 1, 4
PRSTATUS, SIGINFO = 1, 0x53494749
Row = Tuple[int, int, int, int, int]


def status(lwp: int, signal: int = 11, parent: int = 1, told: Optional[int] = None) -> bytes:
    head = struct.pack("=iiih2x", signal if told is None else told, 0, 0, signal)
    return (head + bytes(16) + struct.pack("=iiii", lwp, parent, 7, 7)).ljust(336, b"\0")


def note(kind: int, data: bytes, name: bytes = b"CORE\0") -> bytes:
    return struct.pack("=III", len(name), len(data), kind) + name.ljust(8, b"\0") + data


def whole() -> Dict[int, Row]:
    """Return three segments as (kind, offset, address, size in the file, size in memory)."""
    return {
        1: (LOAD, 2 * PAGE, 0x10000, PAGE, PAGE),
        2: (LOAD, 3 * PAGE, 0x20000, 0, PAGE),
        3: (LOAD, 3 * PAGE, 0x30000, 2 * PAGE, 2 * PAGE),
    }


def problems(
    path: Path, rows: Optional[Dict[int, Row]] = None, notes: Optional[Sequence[bytes]] = None, size: int = 5 * PAGE
) -> List[str]:
    if notes is None:
        notes = [note(PRSTATUS, status(7)), note(SIGINFO, struct.pack("=i", 11).ljust(128, b"\0")), note(PRSTATUS, status(8))]
    data = b"".join(notes)
    table = [(NOTE, PAGE, 0, len(data), 0), *(rows or whole()).values()]
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("=HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(table), 0, 0, 0)
    packed = b"".join(struct.pack("=IIQQQQQQ", k, 6, offset, at, 0, n, m, PAGE) for k, offset, at, n, m in table)
    core = path / "core"
    core.write_bytes(((head + packed).ljust(PAGE, b"\0") + data).ljust(size, b"\0"))
    return table_problems(str(core))


def test_a_whole_core(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


def test_a_segment_without_its_contents(tmp_path: Path) -> None:
    for changed in ((LOAD, 2 * PAGE, 0x10000, 0, PAGE), (0, 2 * PAGE, 0x10000, PAGE, PAGE)):
        last = {**whole(), 4: (LOAD, 5 * PAGE, 0x40000, PAGE, PAGE)}
        (said,) = problems(tmp_path, {**last, 3: (changed[0], *last[3][1:3], changed[3], 2 * PAGE)}, size=6 * PAGE)
        assert "8,192 bytes of the file belong to none" in said


def test_segments_that_were_cut_off_the_table(tmp_path: Path) -> None:
    rows = whole()
    del rows[3]
    (said,) = problems(tmp_path, rows)
    assert "8,192 bytes of the file belong to none" in said


def test_segments_that_do_not_fit(tmp_path: Path) -> None:
    assert "overlap" in problems(tmp_path, {**whole(), 2: (LOAD, 3 * PAGE, 0x2F000, 0, 2 * PAGE)})[0]
    assert "overlap" in problems(tmp_path, {**whole(), 1: (LOAD, 2 * PAGE, 0x50000, PAGE, PAGE)})[0]
    assert "no whole pages" in problems(tmp_path, {**whole(), 2: (LOAD, 3 * PAGE, 0x20007, 0, PAGE)})[0]
    assert "no whole pages" in problems(tmp_path, {**whole(), 1: (LOAD, 2 * PAGE, 0x10000, PAGE, 16)})[0]
    assert "same bytes" in problems(tmp_path, {**whole(), 1: (LOAD, 3 * PAGE, 0x10000, PAGE, PAGE)})[0]
    assert "of kinds that no core has" in problems(tmp_path, {**whole(), 2: (99, 3 * PAGE, 0x20000, 0, PAGE)})[0]


def test_notes_that_do_not_fit(tmp_path: Path) -> None:
    first = note(PRSTATUS, status(7))
    assert "sizes do not fit" in problems(tmp_path, notes=[first, struct.pack("=III", 5, 1 << 20, 1)])[0]
    assert "sizes do not fit" in problems(tmp_path, notes=[first, note(PRSTATUS, status(8), b"CORExyz")])[0]
    assert "different lengths" in problems(tmp_path, notes=[first, note(PRSTATUS, status(8) + bytes(8))])[0]


def test_threads_that_do_not_go_together(tmp_path: Path) -> None:
    first = note(PRSTATUS, status(7))
    assert "same id" in problems(tmp_path, notes=[first, first])[0]
    assert "different processes" in problems(tmp_path, notes=[first, note(PRSTATUS, status(8, parent=2))])[0]
    assert "different signals" in problems(tmp_path, notes=[first, note(PRSTATUS, status(8, signal=6))])[0]
    own = note(SIGINFO, struct.pack("=i", 6).ljust(128, b"\0"))
    assert "of signal 11, the signal's own note of 6" in problems(tmp_path, notes=[first, own])[0]


def test_what_gcore_leaves_out(tmp_path: Path) -> None:
    # Of a process that lives each thread has a signal of its own, and the kernel's number is not filled in.
    notes = [note(PRSTATUS, status(7, 19, told=0)), note(PRSTATUS, status(8, 0, told=0))]
    assert problems(tmp_path, notes=[*notes, note(SIGINFO, struct.pack("=i", 5).ljust(128, b"\0"))]) == []


def test_what_is_no_core(tmp_path: Path) -> None:
    for content in (b"", b"text", b"\x7fELF\x02" + bytes(20), b"\x7fELF\x02" + b"\xff" * 59):
        (tmp_path / "x").write_bytes(content)
        assert table_problems(str(tmp_path / "x")) == []
    assert table_problems(str(tmp_path / "absent")) == []
