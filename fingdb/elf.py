"""ELF files read directly: symbol tables with sizes, sections, build-id, needed libraries.

A debugger's scripting interface tells no symbol sizes and answers a lookup by name by reading
debug information; the symbol table itself is small and takes milliseconds. The file is mapped
and treated as untrusted: every offset is checked against the file's size.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from functools import cached_property, lru_cache
from typing import Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple

SHT_SYMTAB, SHT_RELA, SHT_DYNAMIC, SHT_NOTE, SHT_NOBITS, SHT_DYNSYM = 2, 4, 6, 7, 8, 11
PT_LOAD = 1
STT_FUNC, STT_GNU_IFUNC = 2, 10
DT_NEEDED, DT_RPATH, DT_RUNPATH = 1, 15, 29
NT_GNU_BUILD_ID = 3
R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT = 6, 7


#: A file that could not be mapped for one of these may well be what it should be.
_NOT_ABOUT_THE_FILE = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class ElfError(Exception):
    """The file is not an ELF file that can be read; the text is one sentence."""


class ElfSymbol(NamedTuple):
    """A symbol: its address in the file's own address space, its size in bytes (0 if unknown)."""

    name: str
    address: int
    size: int
    defined: bool
    function: bool


def _is_any(_section: int, _info: int) -> bool:
    return True


def _is_defined(section: int, _info: int) -> bool:
    return section != 0


def _is_undefined(section: int, _info: int) -> bool:
    return section == 0


def _is_function(section: int, info: int) -> bool:
    return section != 0 and info & 15 in (STT_FUNC, STT_GNU_IFUNC)


class Section(NamedTuple):
    """A section header: address, file offset and size; ``present`` is false for NOBITS."""

    name: str
    type: int
    address: int
    offset: int
    size: int
    link: int
    present: bool


class ElfFile:
    """One ELF file, mapped. Raises ElfError when it is not one, and OSError when memory or descriptors are used up."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                self._data: mmap.mmap = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else _bad(path)
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) in _NOT_ABOUT_THE_FILE:
                raise  # nobody must take it for a file that is no ELF file
            raise ElfError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
        if self._data[:4] != b"\x7fELF" or len(self._data) < 64:
            raise ElfError(f"{path} is not an ELF file")
        self.is_64 = self._data[4] == 2
        self._end = ">" if self._data[5] == 2 else "<"
        self._read_header()

    # -- reading --------------------------------------------------------------------------------
    def _unpack(self, layout: str, offset: int) -> Tuple[int, ...]:
        try:
            return struct.unpack_from(self._end + layout, self._data, offset)
        except struct.error:
            raise ElfError(f"{self.path} is truncated or damaged") from None

    def _read_header(self) -> None:
        if self.is_64:
            fields = self._unpack("HHIQQQIHHHHHH", 16)
        else:
            fields = self._unpack("HHIIIIIHHHHHH", 16)
        self.type, self.machine = fields[0], fields[1]
        #: Address of the first instruction that runs, in the file's own address space.
        self.entry = fields[3]
        self._phoff, self._shoff = fields[4], fields[5]
        self._phentsize, self._phnum, self._shentsize, self._shnum, self._shstrndx = fields[8:13]

    # Of most files in a process nothing but the build-id is ever asked.
    @cached_property
    def _section_headers(self) -> List[Tuple[int, ...]]:
        layout = "IIQQQQIIQQ" if self.is_64 else "IIIIIIIIII"
        count = self._shnum if self._shoff else 0
        try:
            return [self._unpack(layout, self._shoff + index * self._shentsize) for index in range(count)]
        except ElfError:
            return []  # core files and sstripped programs may have none

    @cached_property
    def sections(self) -> List[Section]:
        """The sections, none where the file has no table of them or a damaged one."""
        raw = self._section_headers
        names = raw[self._shstrndx] if self._shstrndx < len(raw) else None
        table = self._data[names[4] : names[4] + names[5]] if names and names[4] + names[5] <= len(self._data) else b""
        return [
            Section(_string_in(table, name), kind, address, offset, size, link, kind != SHT_NOBITS)
            for name, kind, _flags, address, offset, size, link, _info, _align, _entsize in raw
        ]

    def _string(self, table: int, size: int, index: int) -> str:
        if index >= size or table + size > len(self._data):
            return ""
        end = self._data.find(b"\0", table + index, table + size)
        return self._data[table + index : end if end >= 0 else table + size].decode("utf-8", "replace")

    # -- questions ------------------------------------------------------------------------------
    def section(self, name: str) -> Optional[Section]:
        """Return the section of that name, None if there is none."""
        for section in self.sections:
            if section.name == name:
                return section
        return None

    def section_bytes(self, name: str) -> bytes:
        """Return the contents of a section, empty if it is absent or not in the file."""
        section = self.section(name)
        if section is None or not section.present:
            return b""
        return self._data[section.offset : section.offset + section.size]

    def has_debug_info(self) -> bool:
        """Tell whether the file itself carries DWARF."""
        return any(s.name in (".debug_info", ".zdebug_info") and s.present and s.size for s in self.sections)

    def segments(self) -> List[Tuple[int, int, int, int]]:
        """Return (address, memory size, file offset, file size) of each loaded segment."""
        return self._segments

    @cached_property
    def _segments(self) -> List[Tuple[int, int, int, int]]:
        found = []
        for index in range(self._phnum):
            at = self._phoff + index * self._phentsize
            if self.is_64:
                kind, _flags, offset, vaddr, _paddr, filesz, memsz, _align = self._unpack("IIQQQQQQ", at)
            else:
                kind, offset, vaddr, _paddr, filesz, memsz, _flags, _align = self._unpack("IIIIIIII", at)
            if kind == PT_LOAD:
                found.append((vaddr, memsz, offset, filesz))
        return found

    def mappings(self) -> Iterator[Tuple[int, int, int, int]]:
        """Yield (address, memory size, file size, flags) of each loaded segment: 1 executable, 2 writable, 4 readable."""
        for index in range(self._phnum):
            at = self._phoff + index * self._phentsize
            if self.is_64:
                kind, flags, _offset, vaddr, _paddr, filesz, memsz, _align = self._unpack("IIQQQQQQ", at)
            else:
                kind, _offset, vaddr, _paddr, filesz, memsz, flags, _align = self._unpack("IIIIIIII", at)
            if kind == PT_LOAD:
                yield vaddr, memsz, filesz, flags

    def read(self, address: int, length: int) -> bytes:
        """Return bytes at an address of the file's own address space; shorter or empty if not there."""
        for vaddr, _memsz, offset, filesz in self.segments():
            if vaddr <= address < vaddr + filesz:
                start = offset + address - vaddr
                return self._data[start : start + min(length, vaddr + filesz - address)]
        return b""

    @property
    def build_id(self) -> Optional[str]:
        """The GNU build-id in hexadecimal, None without one."""
        for _name, kind, _flags, _address, offset, size, *_others in self._section_headers:
            if kind == SHT_NOTE:
                found = parse_build_id(self._data[offset : offset + size], self._end)
                if found:
                    return found
        return None

    def has_string(self, table: str, name: str) -> bool:
        """Tell whether a string table holds exactly ``name``: a cheap test before reading symbols."""
        section = self.section(table)
        if section is None or not section.present:
            return False
        needle = b"\0" + name.encode() + b"\0"
        return self._data.find(needle, section.offset, section.offset + section.size) >= 0

    def defines(self, name: str) -> bool:
        """Tell whether one of the file's own symbol tables defines ``name``, without reading them whole."""
        return self._find_defined(name, (SHT_SYMTAB, SHT_DYNSYM)) is not None

    def find(self, name: str) -> Optional[ElfSymbol]:
        """Return the defined symbol ``name`` of either table without reading them whole, None if there is none."""
        return self._find_defined(name, (SHT_SYMTAB, SHT_DYNSYM))

    def find_exported(self, name: str) -> Optional[ElfSymbol]:
        """Return the defined symbol ``name`` of the dynamic table without reading all of it, None if there is none."""
        return self._find_defined(name, (SHT_DYNSYM,))

    def _find_defined(self, name: str, kinds: Tuple[int, ...]) -> Optional[ElfSymbol]:
        needle = name.encode() + b"\0"
        for section in self.sections:
            if section.type not in kinds or not section.present or section.link >= len(self.sections):
                continue
            strings = self.sections[section.link]
            end = strings.offset + strings.size
            at = self._data.find(needle, strings.offset, end)
            while at >= 0:  # a name may be the end of a longer one
                symbol = self._defined_at(section, at - strings.offset)
                if symbol is not None:
                    value, size, info = symbol
                    return ElfSymbol(name, value, size, True, _is_function(1, info))
                at = self._data.find(needle, at + 1, end)
        return None

    def _defined_at(self, table: Section, name: int) -> Optional[Tuple[int, int, int]]:
        """Return (value, size, info) of the defined symbol whose name is at ``name`` in the string table."""
        layout = self._end + ("IBBHQQ" if self.is_64 else "IIIBBH")
        entry = struct.calcsize(layout)
        needle = struct.pack(self._end + "I", name)
        end = table.offset + table.size
        at = self._data.find(needle, table.offset, end)
        while 0 <= at <= end - entry:
            if (at - table.offset) % entry == 0:
                fields = struct.unpack_from(layout, self._data, at)
                info, shndx, value, size = (
                    (fields[1], fields[3], fields[4], fields[5]) if self.is_64
                    else (fields[3], fields[5], fields[1], fields[2])
                )
                if shndx:
                    return value, size, info
            at = self._data.find(needle, at + 1, end)
        return None

    def symbols(self, functions: bool = False) -> Dict[str, ElfSymbol]:
        """Return all symbols, or all defined ``functions``, by name; defined ones win over undefined ones, .symtab over .dynsym.

        Local symbols that share a name (``_init``) keep the first.
        """
        found: Dict[str, ElfSymbol] = {}
        for kind in (SHT_SYMTAB, SHT_DYNSYM):
            for section in self.sections:
                if section.type == kind and section.present:
                    for symbol in self._table(section, _is_function if functions else _is_any):
                        old = found.get(symbol.name)
                        if old is None or (symbol.defined and not old.defined):
                            found[symbol.name] = symbol
        return found

    def exported(self) -> Dict[str, ElfSymbol]:
        """Return the defined symbols of the dynamic table by name."""
        found: Dict[str, ElfSymbol] = {}
        for section in self.sections:
            if section.type == SHT_DYNSYM and section.present:
                for symbol in self._table(section, _is_defined):
                    found.setdefault(symbol.name, symbol)
        return found

    @cached_property
    def imported(self) -> FrozenSet[str]:
        """The names that the file is linked with and does not define (undefined in its dynamic table)."""
        return frozenset(
            symbol.name
            for section in self.sections if section.type == SHT_DYNSYM and section.present
            for symbol in self._table(section, _is_undefined)
        )

    def _table(self, section: Section, wanted: Callable[[int, int], bool]) -> Iterator[ElfSymbol]:
        """Yield the symbols for which ``wanted(section index, info)`` holds: names are costly, there are thousands."""
        if section.link >= len(self.sections):
            return
        strings = self.sections[section.link]
        names = self._data[strings.offset : strings.offset + strings.size]
        raw = self._data[section.offset : section.offset + section.size]
        layout = self._end + ("IBBHQQ" if self.is_64 else "IIIBBH")
        entry = struct.calcsize(layout)
        raw = raw[: len(raw) - len(raw) % entry]
        for fields in struct.iter_unpack(layout, raw):
            if self.is_64:
                name, info, _other, shndx, value, size = fields
            else:
                name, value, size, info, _other, shndx = fields
            if name == 0 or name >= len(names):
                continue
            if not wanted(shndx, info):
                continue
            end = names.find(b"\0", name)
            text = names[name : end if end >= 0 else len(names)].decode("utf-8", "replace")
            # Versioned names ("PyX@@VER") do not occur in CPython's own tables, "name@VER" in libc's.
            yield ElfSymbol(text, value, size, shndx != 0, info & 15 in (STT_FUNC, STT_GNU_IFUNC))

    def unwind_ranges(self) -> List[Tuple[int, int]]:
        """Return (address, size) of each stretch of code that .eh_frame_hdr lists, by address; empty without one.

        These are the functions and their parts, whether they have a name or not: what unwinds the stack survives
        stripping. Understands the table as GNU ld and lld write it (sorted, 32 bits relative to itself).
        """
        header = self.section(".eh_frame_hdr")
        if header is None or not header.present or header.size < 12 or self._end != "<":
            return []
        version, _frame, count_encoding, table_encoding = self._unpack("BBBB", header.offset)
        if (version, count_encoding, table_encoding) != (1, 0x03, 0x3B):
            return []
        (count,) = self._unpack("I", header.offset + 8)
        count = min(count, (header.size - 12) // 8)
        pairs = struct.iter_unpack("<ii", self._data[header.offset + 12 : header.offset + 12 + 8 * count])
        found = []
        for start, entry in pairs:
            address, described = header.address + start, self.read(header.address + entry + 8, 8)
            # A description: its length, its CIE, the address (relative), the size.
            relative, size = struct.unpack("<iI", described) if len(described) == 8 else (0, 0)
            if header.address + entry + 8 + relative == address:
                found.append((address, size))
        return found

    def offset_slots(self) -> Dict[int, str]:
        """Return address -> symbol of each slot of the global offset table that gets a symbol's address (x86-64)."""
        slots: Dict[int, str] = {}
        for section in self.sections:
            if section.type != SHT_RELA or not section.present or not self.is_64 or section.link >= len(self.sections):
                continue
            table = self.sections[section.link]
            if table.type != SHT_DYNSYM or table.link >= len(self.sections):
                continue
            strings = self.sections[table.link]
            for at in range(section.offset, section.offset + section.size - 23, 24):
                place, info, _addend = self._unpack("QQq", at)
                if info & 0xFFFFFFFF in (R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT):
                    (name,) = self._unpack("I", table.offset + 24 * (info >> 32))
                    slots[place] = self._string(strings.offset, strings.size, name)
        return slots

    def linkage_stubs(self) -> Dict[int, str]:
        """Return address -> name of the function of each stub of the procedure linkage table (x86-64)."""
        slots = self.offset_slots()
        stubs: Dict[int, str] = {}
        for section in self.sections:
            if section.name.startswith(".plt") and section.present:
                code = self._data[section.offset : section.offset + section.size]
                at = code.find(b"\xff\x25")  # jmp *SLOT(%rip)
                while 0 <= at <= len(code) - 6:
                    (distance,) = struct.unpack_from("<i", code, at + 2)
                    name_of = slots.get(section.address + at + 6 + distance)
                    if name_of:
                        # Entries have 16 bytes (8 in .plt.got) and may begin with endbr64 or bnd.
                        size = 8 if section.name == ".plt.got" and at % 16 in (0, 8) else 16
                        stubs[section.address + at // size * size] = name_of
                    at = code.find(b"\xff\x25", at + 1)
        return stubs

    def probes(self) -> List[Tuple[str, str, int]]:
        """Return (provider, name, address) of each statically defined probe (.note.stapsdt, SystemTap's format)."""
        base = self.section(".stapsdt.base")
        notes = self.section_bytes(".note.stapsdt")
        found: List[Tuple[str, str, int]] = []
        at = 0
        while self.is_64 and at + 12 <= len(notes):
            namesz, descsz, _kind = struct.unpack_from(self._end + "III", notes, at)
            start = at + 12 + (namesz + 3) // 4 * 4
            described = notes[start : start + descsz]
            at = start + (descsz + 3) // 4 * 4
            if len(described) < 26:
                continue
            address, linked_base, _semaphore = struct.unpack_from(self._end + "QQQ", described)
            words = described[24:].split(b"\0")
            if len(words) >= 2:
                moved = base.address - linked_base if base is not None else 0
                found.append((words[0].decode("ascii", "replace"), words[1].decode("ascii", "replace"), address + moved))
        return found

    def _dynamic(self) -> Iterator[Tuple[int, str]]:
        for section in self.sections:
            if section.type != SHT_DYNAMIC or not section.present or section.link >= len(self.sections):
                continue
            strings = self.sections[section.link]
            step, layout = (16, "QQ") if self.is_64 else (8, "II")
            for at in range(section.offset, section.offset + section.size, step):
                tag, value = self._unpack(layout, at)
                if tag == 0:
                    break
                if tag in (DT_NEEDED, DT_RPATH, DT_RUNPATH):
                    yield tag, self._string(strings.offset, strings.size, value)

    @property
    def needed(self) -> List[str]:
        """Names of the libraries it needs (DT_NEEDED)."""
        return [text for tag, text in self._dynamic() if tag == DT_NEEDED]

    @property
    def runpath(self) -> List[str]:
        """Directories of DT_RUNPATH or DT_RPATH with $ORIGIN replaced."""
        origin = os.path.dirname(os.path.realpath(self.path))
        for tag, text in self._dynamic():
            if tag in (DT_RPATH, DT_RUNPATH):
                return [d.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for d in text.split(":") if d]
        return []


def _bad(path: str) -> mmap.mmap:
    raise ElfError(f"{path} is empty")


def _string_in(table: bytes, index: int) -> str:
    """Return the string that begins there in a table of strings, "" outside of it."""
    end = table.find(b"\0", index)
    return table[index : end if end >= 0 else len(table)].decode("utf-8", "replace")


def parse_build_id(notes: bytes, byte_order: str = "<") -> Optional[str]:
    """Return the GNU build-id in a run of ELF notes as hexadecimal, None if there is none."""
    at = 0
    while at + 12 <= len(notes):
        namesz, descsz, kind = struct.unpack_from(byte_order + "III", notes, at)
        name = notes[at + 12 : at + 12 + namesz]
        start = at + 12 + (namesz + 3) // 4 * 4
        if kind == NT_GNU_BUILD_ID and name == b"GNU\0":
            return notes[start : start + descsz].hex()
        at = start + (descsz + 3) // 4 * 4
    return None


@lru_cache(maxsize=128)
def _open_cached(path: str, _stamp: Tuple[int, int]) -> ElfFile:
    return ElfFile(path)


def open_elf(path: str) -> ElfFile:
    """Return the ElfFile of a path, kept as long as the file does not change. Raises ElfError."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise ElfError(f"cannot read {path}: {error.strerror}") from None
    return _open_cached(path, (stat.st_mtime_ns, stat.st_size))


def library_of(executable: str, prefix: str) -> Optional[str]:
    """Return the path of the needed library whose name starts with ``prefix``, as ld.so would find it.

    Looks in RUNPATH, LD_LIBRARY_PATH, beside the executable's ``../lib`` and in the system's usual
    directories; None if it is not there. Raises ElfError.
    """
    elf = open_elf(executable)
    machine = {62: "x86_64-linux-gnu", 183: "aarch64-linux-gnu"}.get(elf.machine, "")
    directories = elf.runpath + os.environ.get("LD_LIBRARY_PATH", "").split(":")
    directories += ["/lib/" + machine, "/usr/lib/" + machine, "/usr/local/lib"]
    directories += ["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    for name in elf.needed:
        if name.startswith(prefix):
            for directory in directories:
                path = os.path.join(directory, name)
                if directory and os.path.isfile(path):
                    return path
    return None
