"""What a crash shows: the messages, the address that failed, the objects in the functions' hands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from ..finalization import catalogue
from ..finalization.catalogue.rows import Subsystem
from ..finalization.functions import base_name
from ..model.phase import Phase
from .case import Case, Task
from .culprit import PROGRAM, RUNTIME, origin_of
from .fatal import FatalError, fatal_error
from .memory_corruption import Damage, heap_damage
from .refcounts import BadCount, allocator_damage, bad_count, overwritten, spoiled, static_freed
from .stack_overflow import Overflow, stack_overflow
from .standing import Standing

#: Messages of fatal errors that tell the kind of bug, over all versions.
_KINDS: Tuple[Tuple[str, "re.Pattern[str]"], ...] = (
    ("buffered-io-deadlock", re.compile(r"could not acquire lock for .* at interpreter shutdown", re.S)),
    (
        "refcount-corruption",
        re.compile(
            r"[Dd]eallocating (?:None|True|False|bool|Ellipsis|NotImplemented|a static|an? immortal|small)|negative ref"
            r"|refcount is too small|_PyObject_IsFreed|gc_get_refs|ob_refcnt|reference count|[Rr]ef ?count"
            r"|object already (?:freed|tracked)|immortal"
        ),
    ),
    ("stack-overflow", re.compile(r"[Ss]tack overflow|Cannot recover from|recursion")),
)
#: Functions whose fatal error tells the kind of bug, whatever the message is.
_RAISED = {
    "_enter_buffered_busy": "buffered-io-deadlock",
    "none_dealloc": "refcount-corruption",
    "notimplemented_dealloc": "refcount-corruption",
    "bool_dealloc": "refcount-corruption",
    "_Py_NegativeRefcount": "refcount-corruption",
    # An interned string that dies although the table of interned strings has it.
    "unicode_dealloc": "refcount-corruption",
}
_NEAR_NULL = 1 << 16
#: How the fill bytes of the debug hooks look as an address.
_FILLS = {0xDD: "memory that was freed", 0xCD: "memory that was never written", 0xFD: "the guard around a block"}


@dataclass
class Evidence:
    """What was seen of a crash; ``sentences`` tell it, the weightiest first."""

    fatal: Optional[FatalError] = None
    fatal_kind: Optional[str] = None
    #: The function of the program raised the fatal error itself.
    fatal_by_culprit: bool = False
    damage: Optional[Damage] = None
    overflow: Optional[Overflow] = None
    refcount: Optional[BadCount] = None
    #: libc was told to free an object that was never allocated: it lost references, the heap is sound.
    static_freed: bool = False
    #: The failed access in words, "" if there was none.
    access: str = ""
    null: bool = False
    #: The process ended itself (abort, raise).
    raised: bool = False
    touched: Optional[Subsystem] = None
    #: In the last phase, but not in a function that was registered for it.
    in_other_step: bool = False
    sentences: List[str] = field(default_factory=list)


def gather(case: Case, task: Task, standing: Standing) -> Evidence:
    """Return what the crash of a thread shows. Never raises."""
    found = Evidence()
    found.fatal = fatal_error(case, task)
    if found.fatal is not None:
        found.fatal_kind = _RAISED.get(found.fatal.raised) or next(
            (kind for kind, text in _KINDS if text.search(found.fatal.text)), None
        )
        blame = case.blame(task)
        caller = _next_real(task, found.fatal.caller)
        found.fatal_by_culprit = 0 <= caller < len(task.frames) and task.frames[caller].level >= blame.level >= 0
    found.overflow = stack_overflow(case, task) if found.fatal is None else None
    found.damage = heap_damage(case, task, found.fatal)
    found.access, found.null = _access(case)
    signal = case.signal
    sent = signal is not None and (signal.code <= 0 or signal.name == "SIGABRT")
    found.raised = sent and found.fatal is None and not case.handled
    if standing.between or standing.phase in (Phase.ATEXIT, Phase.THREAD_SHUTDOWN):
        if found.overflow is None and not (found.damage is not None and found.damage.sure):
            own = case.blame(task).origin != PROGRAM
            said = spoiled(case, task) if own and found.fatal is None and found.damage is None else None
            if said is None:
                found.refcount = bad_count(case, task, own)
            if found.refcount is None and found.damage is None and own:
                said = said or overwritten(case, task) or allocator_damage(case, task)
                found.damage = Damage(said, False, 1, True) if said else None
        elif found.damage is not None and found.damage.of_a_pointer:
            found.refcount = static_freed(case, task)
            found.static_freed = found.refcount is not None
        found.touched = _touched(task, standing)
    found.in_other_step = standing.phase is Phase.EXIT_FUNCTIONS and not _in_exit_functions(standing)
    _tell(case, task, found)
    return found


def _next_real(task: Task, index: int) -> int:
    while 0 <= index < len(task.frames) and task.frames[index].inlined:
        index += 1
    return index


def _access(case: Case) -> Tuple[str, bool]:
    """Return (the failed access in words, whether it was next to null)."""
    signal = case.signal
    if signal is None or signal.name not in ("SIGSEGV", "SIGBUS"):
        return "", False
    address = signal.address
    if address is None:
        return "", False
    if signal.code == 128:
        # SI_KERNEL: the address was not canonical, and the kernel does not tell it.
        return "an address that cannot be", False
    if address < _NEAR_NULL:
        return f"null pointer, address {address:#x}", True
    for fill, words in _FILLS.items():
        if sum(1 for byte in address.to_bytes(8, "little") if byte == fill) >= 6:
            return f"address {address:#x}: {words}", False
    mapped = case.mappings.at(address)
    if mapped is None and case.mappings.ranges:
        return f"address {address:#x}, where nothing is mapped", False
    return f"address {address:#x}", False


def _touched(task: Task, standing: Standing) -> Optional[Subsystem]:
    """Return the subsystem that is gone and that a function on the stack needs, None if there is none."""
    gone = {
        subsystem.key: subsystem
        for step in standing.steps if step.state == "done"
        for subsystem in catalogue.subsystems_ended_by(step.name)
        if not subsystem.other_threads_only
    }
    if not gone:
        return None
    for frame in task.frames:
        name = base_name(frame.function) if frame.function else ""
        if catalogue.is_step(name) and origin_of(frame) == RUNTIME and frame.function:
            return None  # what is further out is finalization's own
        for subsystem in gone.values():
            if name in subsystem.touched_by:
                return subsystem
    return None


def _in_exit_functions(standing: Standing) -> bool:
    return standing.exit_function or standing.running is not None and "exitfuncs" in standing.running


def _tell(case: Case, task: Task, found: Evidence) -> None:
    say = found.sentences.append
    if found.fatal is not None:
        say(f"Fatal error: {found.fatal.words}" if found.fatal.message else f"A fatal error, {found.fatal.words}")
        if found.fatal.inside:
            say("The process died while it reported that error: the second failure is of less weight")
    if found.damage is not None:
        say(f'The heap: "{found.damage.message}"' if found.damage.sure else f"The heap: {found.damage.message}")
    if found.refcount is not None:
        say(found.refcount.sentence)
    if found.access:
        say(f"The access that failed: {found.access}")
    if found.touched is not None and found.touched.consequence:
        say(f"Gone by then: {found.touched.title}. {found.touched.consequence}")
