"""Locks of Python code: which object a thread waits for, and which thread has it."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

from ..cpython import attributes
from ..cpython.graph.frames import untagged
from ..cpython.native import NativeIds
from ..cpython.objects import integer, string, type_name
from ..cpython.target import PythonTarget, Unreadable
from ..cpython.threading_names import thread_objects
from ..finalization.functions import base_name
from .case import Case, Task

#: Functions whose argument is the lock object itself, over all versions.
_WITH_LOCK = (
    "lock_PyThread_acquire_lock", "lock_acquire", "acquire_timed", "rlock_acquire", "_thread_RLock_acquire",
    "_thread_lock_acquire", "lock_acquire_lock", "rlock_acquire_impl",
    # 3.15
    "_thread_lock_acquire_impl", "_thread_lock___enter___impl", "_thread_lock___enter__", "_thread_RLock_acquire_impl",
    "_thread_RLock___enter___impl", "_thread_RLock___enter__",
)  # fmt: skip
#: The function in which a thread sleeps for a lock of CPython's own (from 3.13), and its argument, the lock's address.
_PARKS, _PARKED_AT = "_PyParkingLot_Park", "addr"
#: What lies on that function's stack, in a list of the lock's: the lock's address again, and what the thread sleeps in.
_ENTRY, _SLEEPS_IN = "struct wait_entry", "sema"
_BUFFERED = ("_enter_buffered_busy",)
#: Words of a frame that are looked through, and frames of a thread.
_MOST_SLOTS, _MOST_FRAMES = 4096, 400
_LOCK_TYPES = ("lock", "RLock")
#: No stream's structure is larger, in bytes.
_LARGEST_STREAM = 1024


class Locks:
    """The lock objects of one case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._python = case.python
        self._holders: Dict[int, Optional[Task]] = {}

    # -- which object -----------------------------------------------------------------------------
    def waited_for(self, task: Task, futex: int) -> Optional[Tuple[int, str]]:
        """Return (address, type name) of the lock object that a thread waits for, None if it does not show.

        ``futex`` is the address of the futex that it is in, 0 if it is in none.
        """
        frame = task.calls(*_WITH_LOCK)
        if frame is not None:
            for candidate in task.frames:
                if candidate.function and base_name(candidate.function) in _WITH_LOCK:
                    address = self._argument(task, candidate.level)
                    name = self._type(address) if address else ""
                    if address and name.split(".")[-1] in _LOCK_TYPES:
                        return address, name
        return self._parked_for(task, futex) if frame is not None or self._case.nameless else None

    def _parked_for(self, task: Task, futex: int) -> Optional[Tuple[int, str]]:
        """Return the lock object that a thread sleeps for: the C lock is the first thing in it."""
        frame = task.calls(_PARKS)
        if frame is None and not self._case.nameless or self._python is None:
            return None
        lock: Optional[int] = None
        if frame is not None:
            lock = self._case.debugger.frame_argument(task.native.debugger_id, frame.level, _PARKED_AT)
        lock = lock or self._entered(futex)
        address = lock - (self._python.layout.size("object") or 16) if lock else 0
        name = self._type(address) if address > 0 else ""
        return (address, name) if name.split(".")[-1] in _LOCK_TYPES else None

    def _entered(self, futex: int) -> int:
        """Return the C lock in the entry that a sleeping thread has made for itself, 0 if none shows.

        Optimised code keeps no argument that long. ``struct wait_entry`` (Python/parking_lot.c) has the lock's address and a
        semaphore of the C library, whose first word is the futex.
        """
        at = self._case.debugger.field(_ENTRY, _PARKED_AT)
        semaphore = self._case.debugger.field(_ENTRY, _SLEEPS_IN)
        if not futex or self._python is None:
            return 0
        if at is not None and semaphore is not None:
            before = semaphore.offset - at.offset
        elif self._case.nameless:
            before = self._python.memory.pointer_size  # the semaphore is next to it; what is there must be a lock's to count
        else:
            return 0
        try:
            return self._python.memory.pointer(futex - before)
        except Unreadable:
            return 0

    def by_native_lock(self, task: Task, native: int) -> Optional[Tuple[int, str]]:
        """Return the lock object in a waiting thread's own frames that has the C lock ``native`` in it."""
        if self._python is None or not native:
            return None
        seen: Set[int] = set()
        for _frame, slots in self._slots(task, 4):
            for word in slots:
                if word in seen or word & 7 or word < 4096:
                    continue
                seen.add(word)
                name = self._type(word)
                if name in _LOCK_TYPES and self._native_lock(word) == native:
                    return word, name
        return None

    def _native_lock(self, address: int) -> int:
        assert self._python is not None
        size = self._python.layout.size("object") or 16
        try:
            return self._python.memory.pointer(address + size)
        except Unreadable:
            return 0

    def _argument(self, task: Task, level: int) -> int:
        for name in ("self", "op"):
            found = self._case.debugger.frame_argument(task.native.debugger_id, level, name)
            if found:
                return found
        return 0

    def _type(self, address: int) -> str:
        if self._python is None or not address:
            return ""
        try:
            return type_name(self._python, address)
        except Unreadable:
            return ""

    # -- who has it -------------------------------------------------------------------------------
    def owner_of_rlock(self, address: int) -> int:
        """Return the identifier of the thread that has an RLock, 0 if nobody has it or it cannot be told."""
        return self._member("rlockobject", "rlock_owner lock.thread", address)

    def owner_of_buffered(self, address: int) -> int:
        """Return the identifier of the thread that is inside a buffered stream, 0 if it cannot be told."""
        return self._member("buffered", "owner", address)

    def buffered_waited_for(self, task: Task) -> int:
        """Return the buffered stream whose lock a thread wants, 0 if it wants none."""
        for frame in task.frames:
            name = base_name(frame.function) if frame.function else ""
            if name in _BUFFERED or name.startswith(("_io__Buffered", "_io_Buffered")):
                address = self._argument(task, frame.level)
                if address and self._type(address).startswith("Buffered"):
                    return address
                if name not in _BUFFERED:
                    break
        return 0

    def stream_with(self, task: Task, native: int) -> int:
        """Return the buffered stream in a thread's own frames, or in a text stream there, that has the C lock ``native``.

        For builds without debug information, where neither the function that waits nor its arguments are told; 0 if none.
        """
        if self._python is None or not native:
            return 0
        seen: Set[int] = set()
        for _frame, slots in self._slots(task, 3):
            for outer in slots:
                if self._type_once(outer, seen) == "TextIOWrapper":
                    inner = [word for word in self._words(outer) if self._type_once(word, seen).startswith("Buffered")]
                elif outer in seen and self._type(outer).startswith("Buffered"):
                    inner = [outer]
                else:
                    continue
                found = next((each for each in inner if native in self._words(each)), 0)
                if found:
                    return found
        return 0

    def owner_beside(self, stream: int, native: int) -> int:
        """Return the thread identifier that a buffered stream keeps behind its C lock, 0 where none is.

        Mirrors ``buffered`` in Modules/_io/bufferedio.c.
        """
        words = self._words(stream)
        index = words.index(native) + 1 if native in words else 0
        return words[index] if 0 < index < len(words) else 0

    def _type_once(self, word: int, seen: Set[int]) -> str:
        """Return the name of an object's type, "" if it was asked before or is none."""
        if word in seen or word & 7 or word < 4096:
            return ""
        seen.add(word)
        return self._type(word).rsplit(".", 1)[-1]

    def _words(self, address: int) -> List[int]:
        """Return the words of an object behind its header, as many as its type says."""
        python = self._python
        assert python is not None
        header = python.layout.size("object") or 16
        try:
            size = python.value("type.basicsize", python.number("object.type", address)) or 0
            return list(python.memory.array(address + header, min(max(size - header, 0), _LARGEST_STREAM) // 8))
        except Unreadable:
            return []

    def _member(self, struct: str, paths: str, address: int) -> int:
        for path in paths.split():
            field = self._case.debugger.field(struct, path)
            if field is not None and self._python is not None:
                try:
                    return self._python.memory.integer(address + field.offset, field.size)
                except Unreadable:
                    return 0
        return 0

    def holder_in_with(self, lock: int, waits: Callable[[Task], bool]) -> Optional[Task]:
        """Return the thread that is inside ``with lock:``, None if none shows.

        A frame in a ``with`` statement has the lock's bound ``__exit__`` on its value stack, or that of
        an object around it (a Condition); from 3.14 on the function ``__exit__`` and the object. A thread that
        waits for this lock (so ``waits`` says) has it on the stack of its innermost frame because it is about to
        enter: that frame does not count.
        """
        if self._python is None:
            return None
        if lock not in self._holders:
            self._holders[lock] = self._find_holder(lock, waits)
        return self._holders[lock]

    def _find_holder(self, lock: int, waits: Callable[[Task], bool]) -> Optional[Task]:
        for task in self._case.tasks():
            if task.state is None:
                continue
            inner = waits(task)
            for number, (_frame, slots) in enumerate(self._slots(task, _MOST_FRAMES)):
                if inner and number == 0:
                    continue
                if any(self._is_exit_of(word, lock) for word in slots):
                    return task
                if any(self._is_exit_with(one, two, lock) for one, two in zip(slots, slots[1:])):
                    return task
        return None

    def _is_exit_of(self, word: int, lock: int) -> bool:
        """Tell whether ``word`` is the bound ``__exit__`` of the lock, or of an object that has it."""
        python = self._python
        assert python is not None
        if word & 7 or word < 4096:
            return False
        try:
            name = type_name(python, word)
            first = word + (python.layout.size("object") or 16)
            one, two = python.memory.pointer(first), python.memory.pointer(first + python.memory.pointer_size)
            if name == "builtin_function_or_method":
                # PyCFunctionObject: m_ml (which begins with the name), m_self.
                return two == lock and python.memory.cstring(python.memory.pointer(one), 16) == b"__exit__"
            if name == "method" and two != lock:
                # PyMethodObject: im_func, im_self.
                return self._has_lock(two, lock) and self._is_named_exit(python, one)
        except Unreadable:
            pass
        return False

    def _is_exit_with(self, function: int, owner: int, lock: int) -> bool:
        """Tell whether two words of a value stack are ``__exit__`` and the lock, or an object that has it."""
        python = self._python
        assert python is not None
        if min(function, owner) < 4096 or (function | owner) & 7:
            return False
        try:
            if owner != lock and not self._has_lock(owner, lock):
                return False
            kind = type_name(python, function)
            return kind in ("method_descriptor", "function") and self._is_named_exit(python, function)
        except Unreadable:
            return False

    def _has_lock(self, owner: int, lock: int) -> bool:
        assert self._python is not None
        return lock in attributes.attributes_named(self._python, owner, ("_lock", "lock", "_cond", "mutex")).values()

    @staticmethod
    def _is_named_exit(python: PythonTarget, function: int) -> bool:
        size = python.layout.size("object") or 16
        # PyFunctionObject, PyDescrObject: its name is among the first members in every version.
        for index in range(8):
            try:
                if string(python, python.memory.pointer(function + size + 8 * index), 32).endswith("__exit__"):
                    return True
            except Unreadable:
                continue
        return False

    # -- imports ----------------------------------------------------------------------------------
    def import_owner(self, task: Task) -> Optional[Tuple[str, int]]:
        """Return (module, thread identifier) of the import lock that a thread waits for, None if it waits for none.

        importlib's `_ModuleLock` says which thread imports its module: the waiting frame's first local.
        """
        if self._python is None or not task.python or not task.python[0].file.startswith("<frozen importlib"):
            return None
        for _frame, slots in self._slots(task, 3):
            for word in slots[:4]:
                if self._type(word) in ("_ModuleLock", "_DeadlockError"):
                    found = attributes.attributes_named(self._python, word, ("owner", "name"))
                    try:
                        name = string(self._python, found["name"]) if "name" in found else "?"
                        return name, integer(self._python, found["owner"]) if "owner" in found else 0
                    except Unreadable:
                        return None
        return None

    # -- frames' values ---------------------------------------------------------------------------
    def _slots(self, task: Task, most: int) -> Iterator[Tuple[int, List[int]]]:
        """Yield (frame, the words of its locals and value stack) of a thread, innermost first. Never raises."""
        python = self._python
        if python is None or task.state is None:
            return
        yield from frame_slots(python, task.state.address, most)

    # -- joins ------------------------------------------------------------------------------------
    def thread_of_lock(self, lock: int) -> Optional[Task]:
        """Return the thread whose end releases ``lock`` (``Thread._tstate_lock``, up to 3.12), None if none."""
        if self._python is None:
            return None
        for interpreter in self._case.interpreters:
            for ident, thread in thread_objects(self._python, interpreter.address):
                if lock in attributes.attributes_named(self._python, thread, ("_tstate_lock",)).values():
                    return self.by_ident(ident)
        return None

    def by_ident(self, ident: int) -> Optional[Task]:
        """Return the thread with that Python identifier (pthread_t), None if it is gone."""
        if not ident:
            return None
        for task in self._case.tasks():
            if task.state is not None and task.state.thread_id == ident:
                return task
        # Thread states of daemon threads are deleted early in finalization; the C library knows its threads.
        return None if self._python is None else self._case.by_native_id(NativeIds(self._python).of(ident) or -1)


def frame_slots(python: PythonTarget, state: int, most: int) -> Iterator[Tuple[int, List[int]]]:
    """Yield (frame, the words of its locals and value stack) of a thread state's frames, innermost first.

    From 3.14 on the words are tagged references (Include/internal/pycore_stackref.h): their tags are taken off.
    """
    layout = python.layout
    old = layout.has("thread.frame")
    field = layout.field("frame.locals" if old else "iframe.locals")
    if field is None or not old and not (layout.has("code.nlocalsplus") and layout.has("code.stacksize")):
        return
    seen: Set[int] = set()
    try:
        for name in ("thread.frame", "thread.current_frame"):
            if layout.has(name):
                at = python.number(name, state)
                break
        else:
            at = python.number("cframe.current_frame", python.number("thread.cframe", state))
        while at and at not in seen and len(seen) < most:
            seen.add(at)
            if old:
                size = python.number("var.size", at)
            else:
                code = python.number("iframe.code", at) & ~7
                size = python.number("code.nlocalsplus", code) + python.number("code.stacksize", code)
            if 0 <= size <= _MOST_SLOTS:
                try:
                    yield at, [untagged(word) for word in python.memory.array(at + field.offset, size)]
                except Unreadable:
                    yield at, []
            at = python.number("frame.back" if old else "iframe.previous", at)
    except Unreadable:
        return
