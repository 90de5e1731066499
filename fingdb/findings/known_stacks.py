"""Stacks whose frames were named in an earlier run of the same builds.

To name the frames of a stack gdb must read symbols, which takes longer than all the rest of a check. What it said is
kept by build: the names depend on the code alone, that is on the files, the places in them, and the sizes of the
frames. All of these are found without symbols (see `unwinding`), and all must be the same.
"""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from ..cpython.target import PythonTarget
from ..debugger.interface import Debugger, DebuggerError, Module
from ..elf import ElfError, open_elf
from ..layout.cache import Cache
from ..model.report import NativeFrame
from .unwinding import KEPT, RETURN, RSP, NoUnwinding, Outermost, Registers, caller

SECTION = "stacks"
FORMAT = 2
#: So many stacks are kept of a build; those of a run with more are not.
MOST = 100


class _Place(NamedTuple):
    """A frame before it has a name: where it executes, and its stack pointer."""

    module: Module
    pc: int
    sp: int


class KnownStacks:
    """Names stacks from the cache, and keeps what the debugger says of others until `keep` is called."""

    def __init__(self, debugger: Debugger, python: Callable[[], PythonTarget]) -> None:
        self._debugger = debugger
        self._python = python
        self._known: Optional[Dict[str, List[List[object]]]] = None
        self._cache = Cache(None)
        self._new = False
        self._ranges: Tuple[Tuple[Module, ...], List[Tuple[int, int, Module]]] = ((), [])

    def frames(self, debugger_id: int, limit: int, entered: bool) -> List[NativeFrame]:
        """Return what the debugger's ``frames(debugger_id, limit)`` does.

        ``entered`` says that the thread stands at a breakpoint at a function's first instruction.
        """
        try:
            places = self._places(debugger_id, limit)
            key = self._key(places, entered)
            known = self._load().get(key)
            if known is not None:
                return [self._frame(level, row, places) for level, row in enumerate(known)]
        except (DebuggerError, NoUnwinding, LookupError, TypeError, ValueError):
            return self._debugger.frames(debugger_id, limit)
        frames = self._debugger.frames(debugger_id, limit)
        if frames and len(self._load()) < MOST:
            try:
                self._load()[key] = [self._row(frame, places) for frame in frames]
                self._new = True
            except LookupError:
                pass  # a frame outside of all files
        return frames

    def keep(self) -> None:
        """Write what was learned to the cache; that it cannot be written is no error."""
        if self._new:
            self._cache.put(SECTION, {"format": FORMAT, "debugger": self._version(), "stacks": self._load()})
            self._new = False

    # -- places -----------------------------------------------------------------------------------
    def _places(self, debugger_id: int, limit: int) -> List[_Place]:
        """Return the frames of a thread that are not inlined. Raises NoUnwinding, LookupError, DebuggerError."""
        registers: Registers = {}
        for name, number in KEPT.items():
            value = self._debugger.register(debugger_id, 0, name)
            if value is None:
                raise NoUnwinding("the registers cannot be read")
            registers[number] = value
        found: List[_Place] = []
        while len(found) < limit:
            module = self._module_of(registers[RETURN] - bool(found))
            found.append(_Place(module, registers[RETURN], registers[RSP]))
            try:
                registers = caller(module.path, module.bias, registers, len(found) == 1, self._debugger.read)
            except Outermost:
                break
        return found

    def _module_of(self, address: int) -> Module:
        """Return the file that is mapped at an address, which must have a build-id. Raises LookupError."""
        modules = tuple(self._debugger.modules())
        if modules != self._ranges[0]:
            ranges = []
            for module in modules:
                try:
                    ranges += [(start + module.bias, start + module.bias + size, module)
                               for start, size, _offset, _length in open_elf(module.path).segments()]  # fmt: skip
                except ElfError:
                    continue
            self._ranges = (modules, ranges)
        for start, end, module in self._ranges[1]:
            if start <= address < end and module.build_id:
                return module
        raise LookupError("no file with a build-id")

    @staticmethod
    def _key(places: List[_Place], entered: bool) -> str:
        """Return all that the names depend on. A debug file that was installed meanwhile changes it."""
        words = ["at" if entered else "in"]
        for place, outer in zip(places, [*places[1:], places[-1]]):
            build = f"{place.module.build_id}+{len(place.module.symbol_files) - 1}"
            words.append(f"{build}:{place.pc - place.module.bias:x}:{outer.sp - place.sp:x}")
        return " ".join(words)

    # -- frames in the cache ----------------------------------------------------------------------
    def _row(self, frame: NativeFrame, places: List[_Place]) -> List[object]:
        """Return a frame without what differs from run to run. Raises LookupError."""
        module = next((place.module for place in places if place.pc == frame.pc), None) or self._module_of(frame.pc)
        return [
            module.build_id, frame.pc - module.bias, frame.sp - places[0].sp,
            frame.function, frame.file, frame.line, frame.inlined,
        ]  # fmt: skip

    def _frame(self, level: int, row: List[object], places: List[_Place]) -> NativeFrame:
        """Return the frame of a row in this process. Raises LookupError, TypeError, ValueError."""
        build_id, offset, depth, function, file, line, inlined = row
        module = next(m for m in (*(p.module for p in places), *self._debugger.modules()) if m.build_id == build_id)
        numbers = isinstance(offset, int) and isinstance(depth, int) and (line is None or isinstance(line, int))
        if not numbers or not all(text is None or isinstance(text, str) for text in (function, file)):
            raise ValueError("not a frame")
        pc = module.bias + offset  # type: ignore[operator]
        return NativeFrame(
            level, pc, places[0].sp + depth, function, self._debugger.module_at(pc),  # type: ignore[operator,arg-type]
            file, line, bool(inlined),  # type: ignore[arg-type]
        )  # fmt: skip

    def _load(self) -> Dict[str, List[List[object]]]:
        """Return the stacks that are known of this build of CPython by this debugger. Raises DebuggerError."""
        if self._known is None:
            module = self._python().module
            self._cache = Cache(module.build_id, module.path)
            data = self._cache.get(SECTION)
            self._known = {}
            if isinstance(data, dict) and data.get("format") == FORMAT and data.get("debugger") == self._version():
                stacks = data.get("stacks")
                if isinstance(stacks, dict) and all(isinstance(rows, list) for rows in stacks.values()):
                    self._known = stacks
        return self._known

    def _version(self) -> List[object]:
        return [self._debugger.name, *self._debugger.version]
