"""The file in the target that holds CPython's runtime: libpython, or an executable that contains it."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..debugger.interface import Debugger, Module
from ..elf import ElfError, library_of, open_elf
from ..model.plan import SOURCES, Plan
from . import catalogue, plan_cache
from .functions import Functions, NoPlan, base_name


def defines_runtime(path: str) -> bool:
    """Tell whether a file defines ``Py_FinalizeEx``. A file that cannot be read does not."""
    try:
        return open_elf(path).defines("Py_FinalizeEx")
    except ElfError:
        return False


def runtime_library(executable: str) -> Optional[str]:
    """Return the file with the runtime that ``executable`` will use, without running it.

    Itself, or the libpython it needs as ld.so would find it; None if it is no Python.
    """
    if defines_runtime(executable):
        return executable
    try:
        return library_of(executable, "libpython")
    except ElfError:
        return None


class RuntimeModule:
    """The runtime's file at its place in the target, with its functions and its plan."""

    def __init__(self, debugger: Debugger, module: Module) -> None:
        self.module = module
        self.bias = module.bias
        self._debugger = debugger
        self._functions: Optional[Functions] = None
        self._plan: Optional[Plan] = None

    @property
    def functions(self) -> Functions:
        """The symbol table, read at first use."""
        if self._functions is None:
            self._functions = Functions.of_files(self.module.symbol_files)
            if self.source == SOURCES[0]:
                from .unnamed import unnamed_functions

                self._functions = Functions((*self._functions.all(), *unnamed_functions(self.module.path)))
        return self._functions

    @property
    def source(self) -> str:
        """What the files tell of the functions: one of `SOURCES`."""
        return plan_cache.source_of(self.module)

    def plan(self) -> Plan:
        """Return the plan: kept from an earlier run of this build, or read from its code.

        Raises NoPlan, also for a CPython whose steps the catalogue does not know, for it is older than 3.8.
        """
        plan = self._known()
        if plan is None:
            from .discovery import PlanReader  # not where the plan is known

            reader = PlanReader(self._debugger, self.functions, self.bias)
            plan = self._plan = reader.read(self.module.path, self.module.build_id)
            plan.source = self.source
            plan_cache.store(self.module, plan)
        return plan

    def entries(self) -> List[Tuple[int, str, str]]:
        """Return (address in the target, function, kind) of each function that starts a finalization.

        Raises NoPlan for a CPython older than 3.8.
        """
        kinds = catalogue.roots()
        if self._known() is None and self.source == SOURCES[0]:
            # Which of a wrapper and the nameless function behind it has the steps only the plan tells.
            try:
                self.plan()
            except NoPlan:
                pass
        if self._plan is not None:
            found = [(r.address, r.name) for r in self._plan.roots]
        else:
            found = [(s.address, base_name(s.name)) for n in kinds for s in self.functions.with_base(n)]
        starting = ("main", "subinterpreter")
        return [(a + self.bias, name, kinds[name]) for a, name in found if kinds.get(name) in starting]

    def _known(self) -> Optional[Plan]:
        """Return the plan if it was read or kept, None if it is to be read. Raises NoPlan for a CPython older than 3.8."""
        if self._plan is None:
            self._plan = plan_cache.load(self.module)
        if self._plan is None:
            from ..cpython.target import NoPython, refuse_too_old  # not where the plan is known

            try:
                refuse_too_old(self.module, self._debugger.big_endian)
            except NoPython as error:
                raise NoPlan(str(error)) from None
        return self._plan


def find_runtime(debugger: Debugger) -> Optional[RuntimeModule]:
    """Return the runtime among the files of the target, None if there is no CPython in it."""
    for module in debugger.modules():
        if defines_runtime(module.path):
            return RuntimeModule(debugger, module)
    return None


__all__ = ["NoPlan", "RuntimeModule", "defines_runtime", "find_runtime", "runtime_library"]
