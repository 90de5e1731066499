"""`PythonTarget`: CPython inside the debugger's target, found and ready to be read."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple

from ..debugger.interface import Debugger, DebuggerError, MemoryFault, Module, TargetKind
from ..elf import ElfError, ElfFile, open_elf
from ..layout import debug_offsets, getters
from ..layout import layout as layouts
from ..layout.cache import Cache
from ..layout.layout import Layout, from_debug_information
from ..memory import Memory
from ..model.report import PythonBuild
from . import version as versions
from .version import BuildFacts

#: ELF section that holds `_PyRuntime` from 3.13 on; it survives stripping.
RUNTIME_SECTION = ".PyRuntime"
OLDEST = (3, 8)


class NoPython(DebuggerError):
    """There is no CPython in the target that fingdb could read; the text is one sentence."""


class NoLayout(NoPython):
    """There is a CPython, and nothing tells where its structures have their members; ``build`` is what is known of it."""

    def __init__(self, sentence: str, build: PythonBuild) -> None:
        super().__init__(sentence)
        self.build = build


class Corrupt(DebuggerError):
    """What was read cannot be what it should be; the text is one sentence."""


#: What a reader of this room must expect of every read.
Unreadable = (MemoryFault, Corrupt)


def _nothing(_count: int) -> None:
    """Tell nobody."""


class PythonTarget:
    """CPython in the debugger's current target.

    ``memory`` and ``layout`` read it, ``runtime`` is the address of ``_PyRuntime`` in the process,
    ``module`` the file that defines it, ``build`` what is known of the build. Addresses hold for
    the process it was made for: make another one when the program runs again.
    Raises NoPython when there is no Python, one older than 3.8, or no layout for it.
    """

    def __init__(self, debugger: Debugger) -> None:
        self.debugger = debugger
        self.module, self.facts = find_runtime(debugger)
        self.runtime = self.module.bias + self.facts.runtime
        self.memory = Memory(debugger)
        #: What cannot be read for want of debug information, and what would help, in a sentence; None for a whole build.
        self.gap: Optional[str] = None
        self.layout = self._find_layout()
        self._slots: Dict[str, Optional[Tuple[int, int, bool, int, int]]] = {}
        self.type_flags: Dict[int, int] = {}
        self.type_names: Dict[int, str] = {}
        #: Addresses of static variables in the runtime's file, by name: see `statics`.
        self.statics: Optional[Dict[str, int]] = None
        #: Told from time to time how many objects a walk over a list has come by.
        self.walked: Callable[[int], None] = _nothing
        self._seen = self.memory.generation
        self.build = PythonBuild(
            self.facts.version or "unknown",
            self.facts.debug_build,
            self.facts.free_threaded or self.layout.has("object.thread"),
            self.layout.source,
        )

    @property
    def version(self) -> Tuple[int, int]:
        """Major and minor version, (0, 0) if unknown."""
        return versions.numbers_of(self.facts.version)

    @property
    def runtime_size(self) -> int:
        """Size of ``_PyRuntime`` in bytes as the file tells it without debug information, 0 if unknown."""
        try:
            elf = open_elf(self.module.path)
            symbol, section = elf.find_exported("_PyRuntime"), elf.section(RUNTIME_SECTION)
        except ElfError:
            return 0
        if symbol is not None and symbol.size:
            return symbol.size
        return section.size if section is not None and section.address == self.facts.runtime else 0

    # -- members --------------------------------------------------------------------------------
    def value(self, name: str, address: int) -> Optional[int]:
        """Return the number or pointer of logical field ``name`` in the structure at ``address``.

        None when the build has no such field. Raises MemoryFault.
        """
        try:
            slot = self._slots[name]
        except KeyError:
            slot = self._slots[name] = self._slot(name)
        if slot is None:
            return None
        offset, size, signed, shift, mask = slot
        if address < 4096:
            # Nothing is ever mapped there: a null pointer need not be asked of the debugger.
            raise MemoryFault(address + offset, size)
        number = self.memory.integer(address + offset, size, signed)
        return number >> shift & mask if mask else number

    def number(self, name: str, address: int) -> int:
        """Return `value` where the build must have the field. Raises MemoryFault, or Corrupt if not."""
        found = self.value(name, address)
        if found is None:
            if self.layout.source == getters.SOURCE:
                raise Corrupt(f"without debug information it is not known where {name} lies")
            raise Corrupt(f"this build of CPython has no {name}")
        return found

    def _slot(self, name: str) -> Optional[Tuple[int, int, bool, int, int]]:
        field = self.layout.field(name)
        if field is None:
            return None
        mask = (1 << field.bit_size) - 1 if field.bit_size else 0
        return field.offset, field.size, field.kind == "int" and not mask, field.bit_offset, mask

    def forget_stale(self) -> None:
        """Drop what was derived from an earlier state of the target (names and flags of types)."""
        if self._seen != self.memory.generation:
            self._seen = self.memory.generation
            self.type_flags.clear()
            self.type_names.clear()

    # -- layout ---------------------------------------------------------------------------------
    def _find_layout(self) -> Layout:
        cache = Cache(self.module.build_id, self.module.path)
        cached = layouts.load(cache)
        if cached is not None:
            return cached
        layout = from_debug_information(self.debugger)
        if layout.usable:
            layouts.save(cache, layout)
            return layout
        return self._stripped_layout()

    def _stripped_layout(self) -> Layout:
        """Return the layout of a build without debug information. Raises NoLayout."""
        try:
            told = getters.members(open_elf(self.module.path), self.facts.runtime)
        except ElfError:
            told = {}
        problem = ""
        if self.version >= (3, 13) or not self.facts.version:
            try:
                layout = debug_offsets.layout_from(debug_offsets.read(self.memory, self.runtime))
                getters.complete(layout, told)
                self.gap = self._gap(
                    "its structures are read with the table of offsets in _PyRuntime, which leaves out much"
                )
                return layout
            except (debug_offsets.BadOffsets, getters.Contradiction) as error:
                problem = f" and {error}"
        least = getters.layout_from(told)
        if least is not None:
            self.gap = self._gap(
                "only what its exported functions tell can be read: the runtime's flags, interpreters and thread "
                "states, but no Python stacks, no modules and no objects", problem,
            )
            return least
        build = PythonBuild(
            self.facts.version or "unknown", self.facts.debug_build, self.facts.free_threaded, "none"
        )
        raise NoLayout(self._gap("its structures cannot be read", problem), build)

    def _gap(self, what: str, problem: str = "") -> str:
        name = f"CPython {self.facts.version}" if self.facts.version else "this CPython"
        path = os.path.normpath(self.module.path)
        return f"{path} ({name}) has no debug information{problem}: {what}; {self.remedy}"

    @property
    def remedy(self) -> str:
        """What brings the debug information of this build, in a sentence."""
        path = os.path.normpath(self.module.path)
        if path.startswith(("/usr/", "/lib")) and not path.startswith("/usr/local/"):
            package = "python{}.{}-dbg".format(*self.version) if self.facts.version else "python3-dbg"
            brings = f"its debug information brings the rest (Debian and Ubuntu: {package}, Fedora: debuginfo-install python3)"
        else:
            brings = "a build with debug information (CFLAGS=-g) that is not stripped brings the rest"
        return f"{brings}, see `fingdb doctor PYTHON`"


# -- finding the runtime --------------------------------------------------------------------------
def find_runtime(debugger: Debugger) -> Tuple[Module, BuildFacts]:
    """Return the module that defines ``_PyRuntime`` and what its file tells of the build.

    Raises NoPython.
    """
    kind = debugger.target().kind
    if kind == TargetKind.NONE:
        raise NoPython(f"there is no program; {debugger.hints.program}")
    modules = list(debugger.modules())
    for module in _likely_first(modules):
        cache = Cache(module.build_id, module.path)
        facts = versions.load(cache)
        if facts is None:
            facts = _facts_of(module, debugger.big_endian)
            if facts is not None:
                versions.save(cache, facts)
        if facts is not None:
            if facts.version and versions.numbers_of(facts.version) < OLDEST:
                raise NoPython(_too_old(module.path, facts.version))
            return module, facts
    raise NoPython(_no_python(modules, kind))


def refuse_too_old(module: Module, big_endian: bool) -> None:
    """Raise NoPython when the runtime in a module is of a version that fingdb does not know; one that tells none passes."""
    facts = _facts_of(module, big_endian)
    try:
        # `_PyRuntime` came with 3.7.
        version = facts.version if facts is not None else versions.version_in(open_elf(module.path).section_bytes(".rodata"))
    except ElfError:
        return
    if version and versions.numbers_of(version) < OLDEST:
        raise NoPython(_too_old(module.path, version))


def _likely_first(modules: List[Module]) -> List[Module]:
    def unlikely(module: Module) -> bool:
        return "python" not in os.path.basename(module.path).lower()

    return sorted(modules, key=unlikely)  # stable: otherwise in the debugger's order


def _facts_of(module: Module, big_endian: bool) -> Optional[BuildFacts]:
    """Return what the module's files tell, None if they do not define the runtime."""
    for path in module.symbol_files or (module.path,):
        try:
            elf = open_elf(path)
            facts = _facts_in(elf, big_endian, path == module.path)
        except ElfError:
            continue
        if facts is not None:
            return facts
    return None


def _facts_in(elf: ElfFile, big_endian: bool, own: bool) -> Optional[BuildFacts]:
    section = elf.section(RUNTIME_SECTION) if own else None
    for table, read in ((".dynstr", elf.exported), (".strtab", elf.symbols)):
        if elf.has_string(table, "_PyRuntime"):
            symbols = read()
            runtime = symbols.get("_PyRuntime")
            if runtime is not None and runtime.defined and runtime.address:
                return versions.read_facts(elf, symbols, runtime.address, big_endian)
    if section is not None and section.address:
        return versions.read_facts(elf, elf.symbols(), section.address, big_endian)
    return None


def _too_old(path: str, version: str) -> str:
    return f"{path} is Python {version}, and fingdb needs CPython 3.8 or newer"


def _no_python(modules: List[Module], kind: TargetKind) -> str:
    program = os.path.basename(modules[0].path) if modules else "the program"
    for module in _likely_first(modules):
        try:
            elf = open_elf(module.path)
            if not elf.has_string(".dynstr", "Py_Initialize"):
                continue
            symbols = elf.exported()
        except ElfError:
            continue
        if "PyString_FromString" in symbols:
            return _too_old(module.path, "2")
        if "Py_Initialize" in symbols:
            return _too_old(module.path, versions.version_in(elf.section_bytes(".rodata")) or "3.6 or older")
    library = _needed_runtime(modules)
    if library is not None:
        if kind == TargetKind.STATIC:
            return f"{program} has its CPython in {library}, which is loaded when it runs"
        return f"{program} has not loaded its CPython ({library}) yet"
    if kind == TargetKind.STATIC:
        return f"{program} itself holds no CPython (a library of it may, once it runs)"
    return f"{program} is not Python: no file in the process defines _PyRuntime"


def _needed_runtime(modules: List[Module]) -> Optional[str]:
    """Return the name of the libpython that the executable says it needs, None without one."""
    try:
        needed = open_elf(modules[0].path).needed if modules else []
    except ElfError:
        return None
    return next((name for name in needed if name.startswith("libpython")), None)
