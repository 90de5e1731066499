"""Every entry into the runtime after ``Py_FinalizeEx`` has returned."""

from __future__ import annotations

from functools import lru_cache
from typing import Dict, List, Optional, Set, Tuple

from ..debugger.interface import Debugger, DebuggerError, Hit
from ..elf import ElfError, ElfFile, open_elf
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..finalization.runtime_module import RuntimeModule
from .unwinding import KEPT, RETURN, NoUnwinding, Registers, caller

#: Functions of an interpreter's main program: what they call after finalization is CPython's own business.
MAIN_PROGRAM = ("Py_RunMain", "pymain_main", "Py_Main", "Py_BytesMain", "Py_Exit", "_Py_HandleSystemExit")
#: The main program is at most so many calls away from ``Py_FinalizeEx``.
_NEAR = 6

#: Of them, what never returns: finalization is all that it does before exit().
_EXITS = ("Py_Exit", "_Py_HandleSystemExit")
#: How code finds a function that it was not linked with.
_LOOKUPS = ("dlsym", "dlvsym")
#: What a thread, or code found by dlsym(), begins with.
FAMILIES = ("PyGILState_", "PyEval_", "PyThreadState_", "PyRun_", "PyImport_", "_Py_Dealloc", "Py_DecRef", "Py_IncRef")


def exported_api(runtime: RuntimeModule) -> List[Tuple[int, str]]:
    """Return (address, name) of each exported function of the runtime that must not be called any more.

    Without those that CPython documents as callable when it is not initialized. One name for each
    address: aliases are one function.
    """
    try:
        return [(address + runtime.bias, name) for address, name in _api_of(open_elf(runtime.module.path))]
    except ElfError:
        return []


@lru_cache(maxsize=4)
def _api_of(elf: ElfFile) -> List[Tuple[int, str]]:
    """Return the same with the file's own addresses; asked for several times in one finalization."""
    allowed = catalogue.callable_after_finalize()
    found: Dict[int, str] = {}
    exported = elf.exported()
    callable_places = {s.address for s in exported.values() if s.name in allowed}
    for symbol in exported.values():
        name = base_name(symbol.name)
        if symbol.function and name.startswith(("Py", "_Py")) and symbol.address not in callable_places:
            if name not in MAIN_PROGRAM:
                found.setdefault(symbol.address, name)
    return sorted(found.items())


def reachable(debugger: Debugger, runtime: RuntimeModule) -> Tuple[List[Tuple[int, str]], List[Tuple[int, str]]]:
    """Divide the API into what other files in the process are sure to reach, and what they may.

    The first are the functions that they were linked with. A file that uses dlsym() may call any other, those of
    `FAMILIES` rather than the rest; where none does, the second part is empty.
    """
    linked: Set[str] = set()
    by_name = False
    for module in debugger.modules():
        if module.path != runtime.module.path:
            try:
                names = open_elf(module.path).imported
            except ElfError:
                by_name = True  # nobody knows
                continue
            linked.update(base_name(name) for name in names if name.startswith(("Py", "_Py")))
            by_name = by_name or not names.isdisjoint(_LOOKUPS)
    api = exported_api(runtime)
    sure = [(a, n) for a, n in api if n in linked or by_name and n.startswith(FAMILIES)]
    return sure, [(a, n) for a, n in api if not (n in linked or n.startswith(FAMILIES))] if by_name else []


class CallerCheck:
    """Tells calls from outside the runtime from those that it makes itself."""

    def __init__(self, debugger: Debugger, runtime: RuntimeModule) -> None:
        self._debugger = debugger
        self._ranges = _code_ranges(runtime)

    def from_outside(self, hit: Hit) -> bool:
        """Tell whether the function just entered was called by code outside the runtime's file.

        True as well where the caller cannot be told. In a static build the interpreter's own main
        program is the same file: its calls are CPython's own.
        """
        caller = self._debugger.return_address(hit)
        return caller is None or not any(start <= caller < end for start, end in self._ranges)


def _code_ranges(runtime: RuntimeModule) -> List[Tuple[int, int]]:
    try:
        segments = open_elf(runtime.module.path).segments()
    except ElfError:
        return []
    return [(start + runtime.bias, start + runtime.bias + size) for start, size, _offset, _length in segments]


def main_program_returns(debugger: Debugger, runtime: RuntimeModule, native_id: int) -> Optional[int]:
    """Return where the interpreter's main program, a caller of ``Py_FinalizeEx``, returns to.

    None in another program, and where the main program does not come back: sys.exit() may end in exit().
    ``native_id`` is the thread that has just returned from ``Py_FinalizeEx``.
    """
    thread = next((t.debugger_id for t in debugger.threads() if t.native_id == native_id), None)
    if thread is None:
        return None
    try:
        return _returns_to(debugger, runtime, thread)
    except (NoUnwinding, DebuggerError):
        pass
    # A stack with names takes a debugger longer, but goes through other files too.
    frames = debugger.frames(thread, _NEAR + 1)
    level = next((f.level for f in frames[:_NEAR] if f.function and base_name(f.function) in MAIN_PROGRAM), None)
    if level is not None and base_name(frames[level].function or "") in _EXITS:
        return None
    return frames[level + 1].pc if level is not None and level + 1 < len(frames) else None


def _returns_to(debugger: Debugger, runtime: RuntimeModule, thread: int) -> Optional[int]:
    """Return the same by the runtime's own file alone. Raises NoUnwinding, DebuggerError."""
    registers: Registers = {}
    for name, number in KEPT.items():
        value = debugger.register(thread, 0, name)
        if value is None:
            raise NoUnwinding("the registers cannot be read")
        registers[number] = value
    for level in range(_NEAR):
        function = runtime.functions.covering(registers[RETURN] - runtime.bias - (level > 0))
        if function is None:
            break
        registers = caller(runtime.module.path, runtime.bias, registers, level == 0, debugger.read)
        if base_name(function.name) in MAIN_PROGRAM:
            return None if base_name(function.name) in _EXITS else registers[RETURN]
    raise NoUnwinding("not among the callers that are the runtime's own")


def names_of(api: List[Tuple[int, str]]) -> Set[str]:
    """Return the names in a list of `exported_api`."""
    return {name for _, name in api}
