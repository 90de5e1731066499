"""Modules that finalization has freed, recognised when a function of the C API is given one.

From the teardown of modules on every module with C code that dies is remembered, by the one place where all
of them end: ``tp_dealloc`` of the type of modules. A call that asks such a module for its state reads freed
memory (bpo-38076). A heap type that the garbage collector has cleared (type_clear() in
Objects/typeobject.c) has no module any more: what asks it for the module's state gets NULL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ..cpython import objects
from ..cpython.target import PythonTarget, Unreadable
from ..debugger.interface import Debugger, DebuggerError, Hit
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..finalization.runtime_module import RuntimeModule
from ..finalization.trace import Trace
from ..memory import Memory
from ..model.report import Culprit, Finding, ObjectRef
from . import advice
from .culprit import RUNTIME, STDLIB
from .late_calls import CallerCheck
from .sentinels import Sentinels
from .witness import Scene, Witness

#: Functions whose first argument is a module.
OF_MODULES = (
    "PyModule_GetState", "PyModule_GetDef", "PyModule_GetDict", "PyModule_GetName", "PyModule_GetNameObject",
    "PyModule_AddObject", "PyModule_AddObjectRef",
)  # fmt: skip
#: Functions whose first argument is a type that knows its module.
OF_TYPES = ("PyType_GetModuleState", "PyType_GetModule", "PyType_GetModuleByDef")
#: So often one of them is looked at in vain: modules ask for their state whenever they are traversed.
PATIENCE = 3000
_LONGEST_NAME = 256
#: Frames that are looked through for an inlined step.
_DEEPEST = 200
#: Logical field, and where that is in the stable ABI: for builds without debug information.
_DEALLOC = ("type.dealloc", 48)
_MRO = ("type.mro", 344)
_FLAGS = ("type.flags", 168)
_NAME = ("type.name", 24)
_DEF = ("module.def", 24)
#: From 3.15 on: the definition, or any address that tells the module's code from others (its slots, mostly).
_TOKEN, _IS_DEF, _MODULE_NAME = ("module.def", 88), ("module.token_is_def", 48), ("module.name", 40)
_TOKENS_SINCE = (3, 15)
_DEF_NAME = ("module_def.name", 40)
_TYPE = ("object.type", 8)
_REFCOUNT = ("object.refcnt", 0)
#: In its place in free-threaded builds: references of the thread that owns the object, and (above two flags) of others.
_OWN_COUNT, _SHARED_COUNT = ("object.refcnt_local", 12), ("object.refcnt_shared", 16)
_HEAP_TYPE, _READY = 1 << 9, 1 << 12


@dataclass(frozen=True)
class Death:
    """The end of a module: its address, its name, the file of its C code, and the step that freed it."""

    module: int
    name: str
    library: Optional[str]
    step: str
    #: How many steps had begun by then.
    begun: int
    #: The step that a touch comes after: None where none was in sight but the whole finalization, which is under way still.
    after: Optional[str] = None


class StateNet:
    """Follows the modules through one finalization. Never raises."""

    def __init__(
        self, debugger: Debugger, python: Callable[[], PythonTarget], witness: Witness, found: Callable[[Finding], bool]
    ) -> None:
        self._debugger = debugger
        self._python = python
        self._witness = witness
        self._found = found
        self._sentinels = Sentinels(debugger, PATIENCE)
        self._runtime: Optional[RuntimeModule] = None
        self._caller: Optional[CallerCheck] = None
        self._trace: Optional[Trace] = None
        self._dealloc = self._module_type = 0
        self._dead: Dict[int, Death] = {}
        #: Modules in the order in which threads began to deallocate them, by native id.
        self._entered: Dict[int, List[int]] = {}

    # -- the net ----------------------------------------------------------------------------------
    def cast(self, trace: Trace, runtime: RuntimeModule) -> None:
        """Watch from here on, in this finalization."""
        self.stop()
        self._trace, self._runtime, self._caller = trace, runtime, CallerCheck(self._debugger, runtime)
        self._dead.clear()
        self._entered.clear()
        try:
            self._module_type = self._debugger.symbol_address("PyModule_Type") or 0
            self._dealloc = self._word(self._module_type, _DEALLOC) if self._module_type else 0
        except DebuggerError:
            return
        if not self._dealloc:
            return
        self._sentinels.watch_address(self._dealloc, "tp_dealloc", self._dies)
        self._sentinels.watch(runtime, OF_MODULES, self._module_given)
        self._sentinels.watch(runtime, OF_TYPES, self._type_given)

    @property
    def is_cast(self) -> bool:
        """Whether the deaths of modules were noticed in this finalization."""
        return bool(self._dealloc)

    def stop(self) -> None:
        """Take the net in. What is known of dead modules stays."""
        self._sentinels.stop()

    def death_in(self, library: str) -> Optional[Death]:
        """Return the end of the one module whose C code lies in a file; None if there was none, or several."""
        deaths = [death for death in self._dead.values() if death.library == library]
        return deaths[0] if len(deaths) == 1 else None

    # -- what happens -----------------------------------------------------------------------------
    def _dies(self, hit: Hit, _name: str) -> bool:
        """A module is about to be deallocated."""
        module = self._debugger.first_argument(hit)
        if module is None or not self._mine(hit) or self._trace is None:
            return False
        self._entered.setdefault(hit.native_id, []).append(module)
        try:
            told = self._name_and_library(module)
            if told is not None:
                step = self._step(hit)
                self._dead[module] = Death(module, *told, step, self._trace.begun, self._after(step))
        except DebuggerError:
            pass
        return False

    def _name_and_library(self, module: int) -> Optional[Tuple[str, Optional[str]]]:
        """Return the name of a module and the file of its C code, None for one without. Raises DebuggerError."""
        python = self._python()
        tokens = python.layout.has("module.token_is_def") or (
            not python.layout.has("module.def") and python.version >= _TOKENS_SINCE
        )
        token = self._word(module, _TOKEN if tokens else _DEF)
        if not token:
            return None
        if tokens and not self._word(module, _IS_DEF) & 0xFF:
            try:
                name = objects.string(python, self._word(module, _MODULE_NAME), _LONGEST_NAME)
            except Unreadable:
                name = "?"
        else:
            name = self._text(self._word(token, _DEF_NAME))
        return name, self._debugger.module_at(token)

    def _module_given(self, hit: Hit, name: str) -> bool:
        module = self._debugger.first_argument(hit) if self._asked_by_others(hit) else None
        death = self._dead.get(module) if module is not None else None
        if module is None or death is None or self._lives_again(module):
            self._sentinels.idle(hit.address)
            return False
        scene = self._witness.look(hit)
        if self._being_freed(hit, scene, module):
            return False  # m_free itself
        title = f"{name} was given the module {death.name}, which {death.step} had freed"
        finding = self._finding(hit, name, title, scene, "error", ObjectRef(module, "module"))
        if self._trace is not None:
            finding.after_step, finding.steps_since = death.after, self._trace.begun - death.begun
        return self._found(finding)

    def _type_given(self, hit: Hit, name: str) -> bool:
        kind = self._debugger.first_argument(hit) if self._asked_by_others(hit) else None
        if kind is None or not self._was_cleared(kind):
            self._sentinels.idle(hit.address)
            return False
        scene = self._witness.look(hit)
        try:
            named = self._text(self._word(kind, _NAME))
        except DebuggerError:
            named = "?"
        step = self._step(hit)
        title = f"{name} was asked for the module of the type {named}, which the garbage collector had cleared in {step}"
        finding = self._finding(hit, name, title, scene, "warning", ObjectRef(kind, named))
        finding.after_step = self._after(step)
        return self._found(finding)

    def _finding(
        self, hit: Hit, name: str, title: str, scene: Scene, severity: str, held: ObjectRef
    ) -> Finding:
        subsystem = catalogue.subsystem("module-state")
        if scene.blame.origin in (RUNTIME, STDLIB):
            severity = "note"
        culprit: Optional[Culprit] = scene.blame.culprit
        text, references = advice.stale_module(name, of_type=name in OF_TYPES)
        phase = self._trace.phase.value if self._trace is not None else ""
        return Finding(
            "stale-module-state", severity, title, name, phase, hit.native_id,
            subsystem.title if subsystem is not None else None, None, culprit, held,
            native_stack=scene.frames, python_stack=scene.python, advice=text, references=references,
        )  # fmt: skip

    # -- looking ----------------------------------------------------------------------------------
    def _mine(self, hit: Hit) -> bool:
        return self._trace is not None and hit.pid == self._trace.pid

    def _asked_by_others(self, hit: Hit) -> bool:
        """Tell whether code outside the runtime's own file has called: one use is one touch."""
        return self._mine(hit) and self._caller is not None and self._caller.from_outside(hit)

    def _step(self, hit: Hit) -> str:
        """Return the innermost step under way.

        The end of an inlined step is not seen: it is still under way only where it is on the stack.
        """
        assert self._trace is not None
        stack = self._trace.stacks.get(hit.native_id) or [self._trace.root]
        if not stack[-1].inlined:
            return stack[-1].name
        frames = self._witness.frames_of(hit.native_id, True, _DEEPEST)
        if not frames or len(frames) == _DEEPEST:
            return stack[-1].name
        names = {base_name(frame.function) for frame in frames if frame.function}
        return next((run.name for run in reversed(stack) if not run.inlined or run.name in names), self._trace.root.name)

    def _after(self, step: str) -> Optional[str]:
        return None if self._trace is not None and step == self._trace.root.name else step

    def _lives_again(self, module: int) -> bool:
        """Tell whether another module was made at the address of a dead one."""
        try:
            lives = self._word(module, _TYPE) == self._module_type and self._is_referred_to(module)
        except DebuggerError:
            return False
        if lives:
            self._dead.pop(module, None)
        return lives

    def _is_referred_to(self, address: int) -> bool:
        """Tell whether an object has a reference left. Raises DebuggerError."""
        if not self._python().layout.has("object.refcnt_local"):
            return self._word(address, _REFCOUNT) > 0
        return bool(self._word(address, _OWN_COUNT) & 0xFFFFFFFF or self._word(address, _SHARED_COUNT) >> 2)

    def _being_freed(self, hit: Hit, scene: Scene, module: int) -> bool:
        """Tell whether the call comes from the deallocation of this very module (its ``m_free``)."""
        depth = sum(1 for frame in scene.frames[1:] if not frame.inlined and self._is_dealloc(frame.pc, frame.function))
        return bool(depth) and module in self._entered.get(hit.native_id, [])[-depth:]

    def _is_dealloc(self, pc: int, function: Optional[str]) -> bool:
        if function is not None and base_name(function) == "module_dealloc":
            return True
        if self._runtime is None:
            return False
        symbol = self._runtime.functions.covering(pc - self._runtime.bias)
        if symbol is not None:
            return symbol.address + self._runtime.bias == self._dealloc
        return self._dealloc <= pc < self._dealloc + 1024  # stripped: no function of its length is known

    def _was_cleared(self, kind: int) -> bool:
        """Tell whether a heap type has gone through type_clear(): it was ready, and has no MRO any more."""
        try:
            flags = self._word(kind, _FLAGS)
            return bool(flags & _HEAP_TYPE and flags & _READY and not self._word(kind, _MRO))
        except DebuggerError:
            return False

    def _word(self, address: int, member: Tuple[str, int]) -> int:
        """Return the word in a member of the structure at ``address``. Raises DebuggerError."""
        name, usual = member
        raw = self._debugger.read(address + self._python().layout.offset(name, usual), 8)
        return int.from_bytes(raw, "big" if self._debugger.big_endian else "little")

    def _text(self, address: int) -> str:
        """Return the C string at an address. Raises DebuggerError."""
        return Memory(self._debugger).cstring(address, _LONGEST_NAME).decode("utf-8", "replace")
