"""Objects that are gone, recognised when code outside of CPython hands one to the C API.

Nothing is watched but entry points of the API that files of the program or of third parties were linked with, from the
teardown of modules to the end of the interpreter. An object is gone when the allocator has its memory back, when it
waits in a free list (no reference is left), or when a debug build has filled it. What the subsystems owned when
finalization began, the dicts of the interpreter and of the modules, is known by name; one of them that somebody else
keeps alive is empty once its subsystem has ended, and is told as well when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Optional, Set

from ..cpython import dicts
from ..cpython.objects import is_instance_of, is_none, refcount, string
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget, Unreadable
from ..debugger.interface import Debugger, DebuggerError, Hit
from ..elf import ElfError, open_elf
from ..finalization import catalogue
from ..finalization.catalogue import entry_points
from ..finalization.runtime_module import RuntimeModule
from ..finalization.trace import Trace
from ..memory import Memory
from ..model.report import Finding, NativeFrame, ObjectRef
from . import advice
from .culprit import PROGRAM, RUNTIME, STDLIB, origin_of
from .late_calls import CallerCheck
from .ledger import Ended, Ledger
from .pymalloc import DEAD, block_at
from .sentinels import Sentinels
from .witness import Scene

#: One entry point is looked at in vain so often, all of them together so often: a stop costs a quarter of a millisecond.
PATIENCE, PATIENCE_FOR_ALL = 250, 2500
#: More modules than this are not known by name.
_MOST_MODULES = 4096


@dataclass(frozen=True)
class Owned:
    """An object that belonged to a subsystem: in words what it is, and the subsystem's key."""

    words: str
    subsystem: str


class DeadObjects:
    """Follows one finalization. Never raises."""

    def __init__(
        self, debugger: Debugger, python: Callable[[], PythonTarget], ledger: Ledger,
        look: Callable[[Hit], Scene], found: Callable[[Finding], bool],
    ) -> None:
        self._debugger, self._python, self._ledger = debugger, python, ledger
        self._look, self._found = look, found
        self._sentinels = Sentinels(debugger, PATIENCE)
        self._caller: Optional[CallerCheck] = None
        self._trace: Optional[Trace] = None
        self._owned: Dict[int, Owned] = {}
        #: Of them, those that outlived the end of their subsystem.
        self._left: Set[int] = set()
        self._in_vain = 0

    # -- the net ----------------------------------------------------------------------------------
    def cast(self, trace: Trace, runtime: RuntimeModule) -> None:
        """Watch from here on, in this finalization."""
        self.stop()
        self._owned.clear()
        self._left.clear()
        self._in_vain = 0
        names = self._used(runtime)
        if not names:
            return
        self._trace, self._caller = trace, CallerCheck(self._debugger, runtime)
        try:
            self._remember(self._python())
        except DebuggerError:
            pass  # then they have no names
        self._sentinels.watch(runtime, sorted(names), self._given)

    def stop(self) -> None:
        """Take the net in."""
        self._sentinels.stop()
        self._trace = None

    def ended(self, ended: Ended) -> None:
        """Note which objects of a subsystem are there still, now that it has ended."""
        key = ended.subsystem.key
        for address, owned in self._owned.items() if self._trace is not None else ():
            if owned.subsystem == key and not self._is_gone(address, True):
                self._left.add(address)

    def _used(self, runtime: RuntimeModule) -> Set[str]:
        """Return the entry points that files of the program or of third parties were linked with."""
        names: Set[str] = set()
        for module in self._debugger.modules():
            if module.path == runtime.module.path or origin_of(NativeFrame(0, 0, 0, None, module.path)) != PROGRAM:
                continue
            try:
                names.update(open_elf(module.path).imported & entry_points.ALL)
            except ElfError:
                continue
        return names

    def _remember(self, python: PythonTarget) -> None:
        for interpreter in interpreter_addresses(python)[:1]:
            for subsystem in catalogue.subsystems():
                for path in subsystem.owns:
                    try:
                        address = python.value(path, interpreter) if path.startswith("interp.") else None
                        if address and any(is_instance_of(python, address, kind) for kind in ("dict", "list")):
                            self._owned.setdefault(address, Owned(subsystem.title, subsystem.key))
                    except Unreadable:
                        continue
            self._remember_modules(python, interpreter)

    def _remember_modules(self, python: PythonTarget, interpreter: int) -> None:
        try:
            modules = python.value("interp.modules", interpreter)
            for count, (key, module) in enumerate(dicts.items(python, modules) if modules else ()):
                namespace = python.value("module.dict", module) if is_instance_of(python, module, "module") else None
                if namespace and count < _MOST_MODULES:
                    self._owned.setdefault(namespace, Owned(f"the dict of the module {string(python, key, 64)}", "modules"))
        except Unreadable:
            pass

    # -- what happens -----------------------------------------------------------------------------
    def _given(self, hit: Hit, name: str) -> bool:
        trace = self._trace
        if trace is None or hit.pid != trace.pid or self._caller is None:
            return False
        address = self._debugger.first_argument(hit) if self._caller.from_outside(hit) else None
        gone = address is not None and self._is_gone(address, name not in entry_points.OBJECT_USERS)
        left = address in self._left and not gone and name in entry_points.DICT_READERS and self._is_empty(address or 0)
        if address is None or not (gone or left):
            self._waste(hit)
            return False
        return self._found(self._finding(hit, name, address, gone, self._look(hit), trace))

    def _finding(self, hit: Hit, name: str, address: int, gone: bool, scene: Scene, trace: Trace) -> Finding:
        owned = self._owned.get(address)
        end = self._ledger.end_of(owned.subsystem) if owned is not None else None
        subsystem = catalogue.subsystem(owned.subsystem) if owned is not None else None
        what = owned.words if owned is not None else f"the object at {address:#x}"
        title = f"{name} was given {what}, whose memory is free" if gone else f"{name} was given {what}, which is cleared"
        severity = "note" if scene.blame.origin in (RUNTIME, STDLIB) else "error" if gone else "warning"
        text, references = advice.dead_object(name, gone)
        return Finding(
            "touch-after-fini", severity, title, name, trace.phase.value, hit.native_id,
            subsystem.title if subsystem is not None else None,
            end.step if end is not None else self._ledger.last_step, scene.blame.culprit,
            ObjectRef(address, "dict" if name in entry_points.DICT_READERS else "object"),
            steps_since=trace.begun - end.begun if end is not None else None,
            native_stack=scene.frames, python_stack=scene.python, advice=text, references=references,
        )  # fmt: skip

    def _waste(self, hit: Hit) -> None:
        self._sentinels.idle(hit.address)
        self._in_vain += 1
        if self._in_vain >= PATIENCE_FOR_ALL:
            self.stop()

    # -- looking ----------------------------------------------------------------------------------
    def _is_gone(self, address: int, unused_is_gone: bool) -> bool:
        """Tell whether an object's memory is free.

        With ``unused_is_gone`` also whether nothing refers to it: it waits in a free list. An object that is being
        deallocated has no references either, and may be handed to functions that ask it for something.
        """
        memory = Memory(self._debugger)
        try:
            block = block_at(memory, address)
            if block is not None and block.state in ("freed", "untouched"):
                return True
            head = self._debugger.read(address, 8)
            if head == bytes([DEAD]) * 8:
                return True
            return unused_is_gone and block is not None and refcount(self._python(), address) == 0
        except DebuggerError:
            return False

    def _is_empty(self, address: int) -> bool:
        try:
            python = self._python()
            return all(is_none(python, value) for _key, value in dicts.items(python, address))
        except DebuggerError:
            return False
