"""What a core file tells by itself, without a debugger.

Kernels and gdb's gcore leave the same ELF file: notes on the process and its threads, and its memory as segments.
The layouts are those of Linux (fs/binfmt_elf.c, include/linux/elfcore.h, include/uapi/linux/elf.h). Everything in
the file is untrusted: sizes are bounded by what is there, and what cannot be read is left out.
"""

from __future__ import annotations

import os
import signal
import stat
import struct
from dataclasses import dataclass
from typing import Dict, Iterator, List, Literal, NamedTuple, Optional, Tuple

from ..elf import parse_build_id
from ..report.escape import printable as show
from .errors import CliError
from .program import MACHINES

ET_CORE = 4
_KINDS = {1: "an object file", 2: "a program", 3: "a program or a shared library"}
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE, _PT_PHDR = 1, 2, 3, 4, 6
_PF_X, _PF_W = 1, 2
#: The page of x86-64 that old programs call the kernel through.
_VSYSCALL = range(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000)
_PN_XNUM = 0xFFFF
_NT_PRSTATUS, _NT_PRPSINFO, _NT_AUXV, _NT_FILE = 1, 3, 6, 0x46494C45
_AT_PHDR, _AT_PHNUM, _AT_BASE, _AT_ENTRY, _AT_EXECFN = 3, 5, 7, 9, 31
_DT_DEBUG = 21

#: Machine -> (offset of the program counter, of the stack pointer) in NT_PRSTATUS.
_REGISTERS = {62: (112 + 16 * 8, 112 + 19 * 8), 183: (112 + 32 * 8, 112 + 31 * 8)}
#: More notes than this are not read (a process of 10,000 threads has some 40 MB of them).
_MOST_NOTES = 256 << 20
#: Signals that make the kernel dump a core (signal(7)); any other one was on its way when a debugger took the core.
_DUMPING = ("QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "XCPU", "XFSZ", "SYS")
_MOST_LINKS = 10_000
_DELETED = " (deleted)"


class MappedFile(NamedTuple):
    """A part of a file that was mapped: its path as the kernel saw it, addresses, and offset in the file."""

    path: str
    start: int
    end: int
    offset: int


class CoreThread(NamedTuple):
    """A thread of the process; ``signal`` is 0 for none, ``sp`` 0 where the machine's registers are not known."""

    lwp: int
    signal: int
    pc: int
    sp: int


@dataclass(frozen=True)
class CoreModule:
    """An executable or library of the process.

    ``build_id`` was read from the core's own memory; None where that is not in the core or the file has none.
    ``deleted``: the file had been replaced or removed while the process ran.
    """

    path: str
    start: int
    end: int
    build_id: Optional[str]
    deleted: bool


class _Segment(NamedTuple):
    type: int
    writable: bool
    executable: bool
    offset: int
    address: int
    size: int
    memory_size: int


class _Header(NamedTuple):
    """A program header of an executable or library, with its address in the process."""

    type: int
    writable: bool
    address: int
    size: int


class CoreFile:
    """One core file of this machine's architecture. Raises CliError with one sentence when it is none.

    ``program`` is the process's name (at most 15 bytes) and ``arguments`` its command line (at most 79), as the
    kernel keeps them; ``signal`` what killed it, by name, None for a core taken of a running process. ``size``
    and ``expected`` are in bytes: a core that was cut short is smaller than it should be. ``name`` is what to call
    the file in sentences (default: its path).
    """

    def __init__(self, path: str, name: str = "") -> None:
        self.path = name or path
        self._file = _open(path)
        self.size = os.fstat(self._file).st_size
        self.threads: List[CoreThread] = []
        self.files: List[MappedFile] = []
        self.auxv: Dict[int, int] = {}
        self.program = ""
        self.arguments = ""
        self.pid = 0
        self._segments: List[_Segment] = []
        self._modules: Optional[List[CoreModule]] = None
        try:
            self._read_headers()
            self._read_notes()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> "CoreFile":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # -- the file -------------------------------------------------------------------------------
    def _at(self, offset: int, length: int) -> bytes:
        """Return bytes of the file, fewer at its end."""
        if offset < 0 or offset >= self.size or length <= 0:
            return b""
        try:
            return os.pread(self._file, min(length, self.size - offset), offset)
        except OSError as error:
            raise CliError(f"cannot read {show(self.path)}: {error.strerror}") from None

    def _read_headers(self) -> None:
        name = show(self.path)
        head = self._at(0, 64)
        if not head:
            raise CliError(f"{name} is empty: the core was cut to nothing (see `ulimit -c`, or the disk was full)")
        if head[:4] != b"\x7fELF"[: len(head[:4])]:
            raise CliError(f"{name} is not a core file")
        if len(head) < 64:
            raise CliError(f"{name} is too short for a core file: {len(head)} bytes are left of it")
        order: Literal["big", "little"] = "big" if head[5] == 2 else "little"
        kind, machine = (int.from_bytes(head[at : at + 2], order) for at in (16, 18))
        if kind != ET_CORE:
            raise CliError(f"{name} is {_KINDS.get(kind, 'an ELF file')}, not a core file")
        with open("/proc/self/exe", "rb") as file:
            ours = file.read(20)
        if head[4:6] != ours[4:6] or head[18:20] != ours[18:20]:
            bits = "64" if head[4] == 2 else "32"
            of = MACHINES.get(machine, f"machine {machine}")
            raise CliError(f"{name} is the core of a {bits}-bit program for {of}, which fingdb cannot read here")
        self.machine = machine
        self._order = ">" if order == "big" else "<"
        phoff, shoff = struct.unpack_from(self._order + "QQ", head, 32)
        phentsize, phnum = struct.unpack_from(self._order + "HH", head, 54)
        if phnum == _PN_XNUM:
            # More segments than the field holds: the count is in the only section header.
            section = self._at(shoff, 64)
            phnum = struct.unpack_from(self._order + "I", section, 44)[0] if len(section) == 64 else phnum
        table = self._at(phoff, phnum * 56)
        if phentsize != 56 or len(table) < phnum * 56 or not phnum:
            raise CliError(f"{name} is cut short: not even its table of segments is whole ({self.size:,} bytes)")
        for kind, flags, offset, address, _physical, size, memory, _align in struct.iter_unpack(
            self._order + "IIQQQQQQ", table
        ):
            self._segments.append(_Segment(kind, bool(flags & _PF_W), bool(flags & _PF_X), offset, address, size, memory))
        end = phoff + len(table)
        if any(s.size and s.offset < end and s.offset + s.size > phoff for s in self._segments if s.type == _PT_NOTE):
            raise CliError(f"{name} is damaged: its table of {phnum} segments runs into the notes on the process")
        self.expected = max((s.offset + s.size for s in self._segments if s.size), default=0)
        self._loads = sorted((s for s in self._segments if s.type == _PT_LOAD), key=lambda s: s.address)
        self._starts = [s.address for s in self._loads]

    @property
    def missing(self) -> int:
        """How many bytes were cut off the end of the file, 0 for a whole core."""
        return max(0, self.expected - self.size)

    # -- notes ----------------------------------------------------------------------------------
    def _read_notes(self) -> None:
        for segment in self._segments:
            if segment.type == _PT_NOTE:
                for kind, data in self._notes(self._at(segment.offset, min(segment.size, _MOST_NOTES))):
                    self._read_note(kind, data)
        if not self.threads:
            why = "is cut short: its notes" if self.missing else "is damaged: its notes"
            raise CliError(f"{show(self.path)} {why} on the process are not there")

    def _notes(self, data: bytes) -> Iterator[Tuple[int, bytes]]:
        at = 0
        while at + 12 <= len(data):
            name_size, size, kind = struct.unpack_from(self._order + "III", data, at)
            name = data[at + 12 : at + 12 + name_size].rstrip(b"\0")
            start = at + 12 + (name_size + 3) // 4 * 4
            if name == b"CORE" and start + size <= len(data):
                yield kind, data[start : start + size]
            at = start + (size + 3) // 4 * 4

    def _read_note(self, kind: int, data: bytes) -> None:
        try:
            if kind == _NT_PRSTATUS:
                self.threads.append(self._thread(data))
            elif kind == _NT_PRPSINFO and not self.pid:
                self.pid = struct.unpack_from(self._order + "i", data, 24)[0]
                self.program = _text(data[40:56])
                self.arguments = _text(data[56:136]).strip()
            elif kind == _NT_AUXV and not self.auxv:
                data = data[: len(data) // 16 * 16]
                self.auxv = {key: value for key, value in struct.iter_unpack(self._order + "QQ", data) if key}
            elif kind == _NT_FILE and not self.files:
                self.files = self._mapped_files(data)
        except struct.error:
            pass  # a note that is shorter than it should be tells nothing

    def _thread(self, data: bytes) -> CoreThread:
        number = struct.unpack_from(self._order + "h", data, 12)[0]
        lwp = struct.unpack_from(self._order + "i", data, 32)[0]
        pc = sp = 0
        places = _REGISTERS.get(self.machine)
        if places is not None:
            pc, sp = (struct.unpack_from(self._order + "Q", data, place)[0] for place in places)
        return CoreThread(lwp, number, pc, sp)

    def _mapped_files(self, data: bytes) -> List[MappedFile]:
        count, page = struct.unpack_from(self._order + "QQ", data, 0)
        count = min(count, len(data) // 24)
        names = data[16 + 24 * count :].split(b"\0")
        rows = struct.iter_unpack(self._order + "QQQ", data[16 : 16 + 24 * count])
        return [
            MappedFile(os.fsdecode(name), start, end, offset * page)
            for (start, end, offset), name in zip(rows, names)
            if start < end
        ]

    @property
    def signal(self) -> Optional[str]:
        """Name of the signal that the process died of, None when it was alive."""
        number = self.threads[0].signal
        return next((f"SIG{name}" for name in _DUMPING if getattr(signal, f"SIG{name}") == number), None)

    # -- memory ---------------------------------------------------------------------------------
    def read(self, address: int, length: int) -> bytes:
        """Return bytes of the process's memory as the core has them: fewer, or none, where it has not."""
        from bisect import bisect_right

        parts = []
        while length > 0:
            index = bisect_right(self._starts, address) - 1
            if index < 0:
                break
            segment = self._loads[index]
            inside = address - segment.address
            if inside >= segment.size:
                break
            wanted = min(length, segment.size - inside)
            part = self._at(segment.offset + inside, wanted)
            parts.append(part)
            if len(part) < wanted:
                break
            address += wanted
            length -= wanted
        return b"".join(parts)

    def covers(self, address: int) -> bool:
        """Tell whether a whole core of this process has the memory at an address."""
        from bisect import bisect_right

        index = bisect_right(self._starts, address) - 1
        return index >= 0 and address - self._loads[index].address < self._loads[index].size

    def string(self, address: int, limit: int = 4096) -> str:
        """Return the text at an address up to its NUL, "" when it cannot be read."""
        data = self.read(address, limit)
        end = data.find(b"\0")
        return os.fsdecode(data[:end]) if end >= 0 else ""

    def _word(self, address: int) -> int:
        data = self.read(address, 8)
        return int(struct.unpack(self._order + "Q", data)[0]) if len(data) == 8 else 0

    # -- files of the process -------------------------------------------------------------------
    def executable(self) -> Optional[str]:
        """Return the path of the ELF file that the process ran, None when the core does not tell.

        For a script that is its interpreter: what counts is where the program's own headers lie in memory.
        """
        for key in (_AT_PHDR, _AT_ENTRY):
            for file in self.files:
                if file.start <= self.auxv.get(key, 0) < file.end:
                    return _without_deleted(file.path)[0]
        return None

    def command(self) -> Optional[str]:
        """Return the path that was given to execve (AT_EXECFN): a script's own path for a script."""
        address = self.auxv.get(_AT_EXECFN, 0)
        return (self.string(address) or None) if address else None

    def modules(self) -> List[CoreModule]:
        """Return the executable and the libraries, in the order of their addresses."""
        if self._modules is None:
            self._modules = list(self._find_modules())
        return self._modules

    def _find_modules(self) -> Iterator[CoreModule]:
        ends: Dict[str, int] = {}
        for file in self.files:
            ends[file.path] = max(file.end, ends.get(file.path, 0))
        seen = set()
        for file in self.files:
            if file.offset or file.path in seen:
                continue
            seen.add(file.path)
            magic = self.read(file.start, 4)
            path, deleted = _without_deleted(file.path)
            if magic != b"\x7fELF" and (magic or ".so" not in os.path.basename(path)):
                continue  # data: a locale, a file that the program mapped
            yield CoreModule(path, file.start, ends[file.path], self._build_id(file.start), deleted)

    def module_at(self, address: int) -> Optional[CoreModule]:
        """Return the executable or library that covers an address, None if there is none."""
        for file in self.files:
            if file.start <= address < file.end:
                path = _without_deleted(file.path)[0]
                return next((m for m in self.modules() if m.path == path and m.start <= address < m.end), None)
        return None

    def _headers(self, base: int) -> List[_Header]:
        """Return the program headers of a file that is mapped at ``base``."""
        head = self.read(base, 64)
        if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] != 2:
            return []
        phoff = struct.unpack_from(self._order + "Q", head, 32)[0]
        phentsize, phnum = struct.unpack_from(self._order + "HH", head, 54)
        if phentsize != 56 or phnum > 256:
            return []
        return self._program_headers(base + phoff, phnum, base)

    def _program_headers(self, address: int, count: int, base: Optional[int]) -> List[_Header]:
        data = self.read(address, count * 56)
        rows = list(struct.iter_unpack(self._order + "IIQQQQQQ", data[: len(data) // 56 * 56]))
        if base is None:  # the headers themselves are the first thing that is mapped
            bias = next((address - row[3] for row in rows if row[0] == _PT_PHDR), 0)
        else:
            bias = base - min((row[3] & ~0xFFF for row in rows if row[0] == _PT_LOAD), default=base)
        return [_Header(row[0], bool(row[1] & _PF_W), bias + row[3], row[6]) for row in rows]

    def _build_id(self, base: int) -> Optional[str]:
        for header in self._headers(base):
            if header.type == _PT_NOTE:
                found = parse_build_id(self.read(header.address, min(header.size, 65536)), self._order)
                if found:
                    return found
        return None

    def lost(self) -> List[str]:
        """Return what is not in the core of memory that belongs there, a few words each.

        Every page that the program wrote to is dumped, unless the core was damaged, the disk was full, or the
        program asked to leave it out (MADV_DONTDUMP). What lies in files anyhow may be left out, and so may segments
        of which nothing is in the core (see `_left_out`).
        """
        found = [f"the stack of thread {thread.lwp}" for thread in self.threads if self._without_stack(thread)]
        found += [f"the registers of thread {thread.lwp}" for thread in self.threads if self._impossible(thread)]
        cut = [s for s in self._loads if s.writable and s.size < s.memory_size and not self._left_out(s)]
        for module in self.modules():
            loads = [h for h in self._headers(module.start) if h.type == _PT_LOAD and h.writable and h.size]
            ends = [address for h in loads for address in (h.address, h.address + h.size - 1)]
            inside = any(module.start <= segment.address < module.end for segment in cut)
            if inside or not all(self.read(address, 1) for address in ends):
                found.append(f"static data of {os.path.basename(module.path)}")
        holes = sum(not any(f.start <= segment.address < f.end for f in self.files) for segment in cut)
        if holes:
            found.append(f"{holes} of its writable segments")
        if self.interpreter():
            linked = {self.module_at(dynamic) for _name, dynamic in self.links()}
            own = self.executable()
            unlinked = sum(module not in linked and module.path != own for module in self.modules())
            if unlinked:
                # A debugger then knows nothing of them.
                found.append(f"the dynamic linker's notes on {unlinked} of its libraries")
        return found

    def _left_out(self, segment: _Segment) -> bool:
        """Tell whether whoever made the core left out a segment of memory that is in no file.

        That is memory never written to, or marked so, as the C library does with the state of its random numbers
        (vgetrandom). The next segment's part of the core then begins where its own would have.
        """
        if segment.size or any(f.start <= segment.address < f.end for f in self.files):
            return False
        offsets = {other.offset for other in self._loads if other.size and other.address > segment.address}
        return segment.offset in offsets or segment.offset == self.expected

    def _crashed(self, thread: CoreThread) -> bool:
        return self.signal is not None and thread is self.threads[0]

    def _without_stack(self, thread: CoreThread) -> bool:
        if not thread.sp or self.read(thread.sp, 1):
            return False
        if any(s.address <= thread.sp < s.address + s.memory_size for s in self._loads):
            return True
        # A stack that overflowed ends like that: with its pointer outside of all segments.
        return not self._crashed(thread)

    def _impossible(self, thread: CoreThread) -> bool:
        """Tell whether a thread that did not crash runs where there is no code."""
        if self._crashed(thread) or not thread.pc or not self.files or thread.pc in _VSYSCALL:
            return False
        if any(file.start <= thread.pc < file.end for file in self.files):
            return False
        return not any(s.executable and s.address <= thread.pc < s.address + s.memory_size for s in self._loads)

    def interpreter(self) -> str:
        """Return the path of the dynamic linker as the program asks for it, "" when it is not told."""
        for header in self._own_headers():
            if header.type == _PT_INTERP:
                return self.string(header.address)
        return ""

    @property
    def linker_address(self) -> int:
        """Where the dynamic linker is mapped, 0 when the program has none."""
        return self.auxv.get(_AT_BASE, 0)

    def _own_headers(self) -> List[_Header]:
        return self._program_headers(self.auxv.get(_AT_PHDR, 0), min(self.auxv.get(_AT_PHNUM, 0), 256), None)

    def links(self) -> List[Tuple[str, int]]:
        """Return (name, address of the dynamic section) of each loaded library, as the dynamic linker keeps them.

        The name is what the linker used to open the file: it may be relative, or lead through links. A
        debugger looks for libraries by these names. Mirrors `struct link_map` of <link.h>.
        """
        dynamic = next((header.address for header in self._own_headers() if header.type == _PT_DYNAMIC), 0)
        debug = 0
        for index in range(256 if dynamic else 0):
            tag = self._word(dynamic + 16 * index)
            if tag == _DT_DEBUG:
                debug = self._word(dynamic + 16 * index + 8)
            if tag in (0, _DT_DEBUG):
                break
        link = self._word(debug + 8) if debug else 0
        found: List[Tuple[str, int]] = []
        seen = set()
        while link and link not in seen and len(found) < _MOST_LINKS:
            seen.add(link)
            name = self._word(link + 8)
            found.append((self.string(name) if name else "", self._word(link + 16)))
            link = self._word(link + 24)
        return [(name, address) for name, address in found if name and address]


def is_core(head: bytes) -> bool:
    """Tell whether a file that begins with these bytes (18 or more) says of itself that it is an ELF core."""
    return (
        head[:4] == b"\x7fELF" and len(head) >= 18 and ET_CORE in (head[16] | head[17] << 8, head[17] | head[16] << 8)
    )


def _open(path: str) -> int:
    """Return a descriptor of a regular file. Raises CliError."""
    name = show(path) or "''"
    try:
        # A pipe would wait here for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise CliError(f"there is no file {name}") from None
    except (OSError, ValueError) as error:
        raise CliError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise CliError(f"{name} is {'a directory' if stat.S_ISDIR(mode) else 'not a regular file'}, not a core file")


def _without_deleted(path: str) -> Tuple[str, bool]:
    if path.endswith(_DELETED):
        return path[: -len(_DELETED)], True
    return path, False


def _text(data: bytes) -> str:
    return os.fsdecode(data.split(b"\0", 1)[0])
