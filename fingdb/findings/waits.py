"""What each thread waits for, and whom: the edges of the wait-for graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Optional, Tuple

from ..cpython import runtime as runtimes
from ..cpython.target import Unreadable
from ..debugger.interface import MemoryFault
from ..finalization.functions import base_name
from ..model.report import NativeFrame
from .case import Case, Task
from .culprit import PLUMBING, RUNTIME, STDLIB, origin_of
from .hung import SLEEP, is_hung
from .locks import Locks
from .syscalls import SystemCall, system_call

#: Kinds of waits.
GIL, LOCK, RLOCK, BUFFERED, IMPORT, HEAD, MUTEX, JOIN, CONDITION, KERNEL, RUNS, SEMAPHORE, WORLD = (
    "gil", "lock", "rlock", "buffered", "import", "head", "mutex", "join", "condition", "kernel", "runs", "semaphore",
    "world",
)  # fmt: skip

_TAKE_GIL = ("take_gil",)
#: Free-threaded builds: a thread that waits until the others have stopped, and one that was stopped.
_STOP_WORLD = ("stop_the_world", "_PyEval_StopTheWorld", "_PyEval_StopTheWorldAll")
_STOPPED = ("tstate_wait_attach",)
_PYTHON_LOCK = (
    "PyThread_acquire_lock_timed", "PyThread_acquire_lock", "_PyMutex_LockTimed", "_PyMutex_LockSlow", "PyMutex_Lock",
    "PyEvent_WaitTimed", "PyEvent_Wait", "_PyParkingLot_Park", "_PySemaphore_Wait", "_PyRecursiveMutex_Lock",
)  # fmt: skip
_JOINS = ("ThreadHandle_join", "_PyThread_Join", "PyThread_join_thread")
_IMPORT_LOCK = ("_PyImport_AcquireLock", "_imp_acquire_lock_impl", "_imp_acquire_lock")
#: Functions that take the lock on the lists of interpreters and thread states.
_HEAD_LOCK: FrozenSet[str] = frozenset(
    {
        "new_threadstate", "PyThreadState_New", "_PyThreadState_New", "tstate_delete_common", "PyThreadState_Delete",
        "_PyThreadState_DeleteExcept", "_PyThreadState_RemoveExcept", "_PyThreadState_DeleteCurrent",
        "PyThreadState_DeleteCurrent", "PyInterpreterState_New", "PyInterpreterState_Delete", "zapthreads",
        "PyInterpreterState_Clear", "_PyThread_CurrentFrames", "_PyThread_CurrentExceptions", "PyThreadState_SetAsyncExc",
        "_PyInterpreterState_DeleteExceptMain", "_PyRuntimeState_ReInitThreads", "PyInterpreterState_ThreadHead",
        "_PyInterpreterState_LookUpID", "PyThreadState_Clear", "interpreter_clear", "add_threadstate",
    }
)  # fmt: skip
_MUTEX = (
    "__lll_lock_wait", "__GI___lll_lock_wait", "___pthread_mutex_lock", "__pthread_mutex_lock", "pthread_mutex_lock",
    "__GI___pthread_mutex_lock", "__pthread_mutex_lock_full", "__lll_lock_wait_private",
)  # fmt: skip
_NATIVE_JOIN = ("__pthread_clockjoin_ex", "__pthread_timedjoin_ex", "___pthread_join", "pthread_join", "__pthread_join")
_CONDITION = (
    "___pthread_cond_wait", "__pthread_cond_wait", "pthread_cond_wait", "__pthread_cond_wait_common",
    "___pthread_cond_timedwait64", "___pthread_cond_clockwait64", "pthread_cond_timedwait",
)  # fmt: skip
_SEMAPHORE = ("__new_sem_wait", "sem_wait", "__new_sem_wait_slow64", "do_futex_wait", "sem_timedwait")
#: (file, function) of the standard library -> what a thread in it waits for.
_MEANINGS: Dict[Tuple[str, str], str] = {
    ("threading.py", "wait"): "an Event or a Condition that nobody sets",
    ("threading.py", "wait_for"): "a Condition that nobody notifies",
    ("threading.py", "acquire"): "a Semaphore",
    ("threading.py", "_wait"): "the others at a Barrier",
    ("queue.py", "get"): "an item in a queue",
    ("queue.py", "put"): "room in a queue",
    ("queue.py", "join"): "the items of a queue to be done",
    ("_base.py", "result"): "the result of a future",
    ("_base.py", "exception"): "the result of a future",
    ("_base.py", "wait"): "futures to be done",
}
#: glibc: `__owner` of pthread_mutex_t (a kernel thread id) lies behind the lock word and the count.
_MUTEX_OWNER = 8


#: More than `struct pthread` has, and less than the smallest stack, whose end it is.
_STRUCT_PTHREAD = 4096


def _is_attached(task: Task) -> bool:
    return task.state is not None and task.state.state == "attached"


@dataclass
class Wait:
    """What a thread waits for. ``holder`` has it; ``dead`` says that whoever had it is gone.

    ``what`` says it in words, ``place`` where in the thread's code (", in f of lib.so"), both for a sentence.
    """

    task: Task
    kind: str
    what: str
    place: str = ""
    holder: Optional[Task] = None
    #: More threads that it waits for (threading._shutdown joins them one after the other).
    others: Tuple[Task, ...] = ()
    dead: bool = False
    address: int = 0
    #: A lock that a class of the standard library made for something else: to wait for an item, an event, a result.
    meant: bool = False
    #: CPython has put the thread to sleep for ever.
    hung: bool = False

    @property
    def words(self) -> str:
        """What it waits for, and where."""
        return self.what + self.place

    @property
    def foreign(self) -> bool:
        """Whether the wait is in code that knows nothing of the GIL: a mutex, condition or join of C."""
        return self.kind in (MUTEX, CONDITION) or (self.kind == JOIN and self.address != 0)


class Waits:
    """The waits of all threads, each found once."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.locks = Locks(case)
        self._known: Dict[int, Wait] = {}
        self._objects: Dict[int, Tuple[int, str]] = {}

    def of(self, task: Task) -> Wait:
        """Return what a thread waits for. Never raises."""
        key = task.native.debugger_id
        if key not in self._known:
            self._known[key] = self._find(task)
        return self._known[key]

    def fill_in(self) -> None:
        """Write what every thread waits for into its record."""
        for task in self._case.tasks():
            if task.state is not None:
                wait = self.of(task)
                task.state.waits_for = None if wait.kind == RUNS else wait.words
                if task.state.innermost is None and task.frames:
                    task.state.innermost = task.frames[0]

    # -- one thread -------------------------------------------------------------------------------
    def _find(self, task: Task) -> Wait:
        call = system_call(self._case.debugger, task.native.debugger_id)
        if is_hung(self._case, task, call is not None and call.name == SLEEP):
            holder = self.gil_holder()
            what = "the GIL, which it will never get: it asked too late (PyThread_hang_thread)"
            return Wait(task, GIL, what, "", holder if holder is not task else None, hung=True)
        if call is not None and call.name == "sched_yield":
            call = None  # it gives way to others, and goes on
        if task.calls(*_TAKE_GIL) is not None or (call is not None and self._is_gil(call)):
            return self._gil(task)
        world = self._world(task)
        if world is not None:
            return world
        if call is None:
            return Wait(task, RUNS, "nothing: it runs") if not self._blocked(task) else self._by_name(task, None)
        if call.name != "futex":
            return Wait(task, KERNEL, call.words, self._where(task))
        return self._by_name(task, call)

    @staticmethod
    def _blocked(task: Task) -> bool:
        names = {base_name(f.function) for f in task.frames[:6] if f.function}
        return bool(names & {*_PYTHON_LOCK, *_MUTEX, *_NATIVE_JOIN, *_CONDITION, *_SEMAPHORE})

    def _by_name(self, task: Task, call: Optional[SystemCall]) -> Wait:
        address = call.first if call is not None else 0
        if task.calls(*_PYTHON_LOCK) is not None and self._is_python_lock(task):
            return self._python_lock(task, address)
        names = [base_name(f.function) if f.function else "" for f in task.frames[:10]]
        if any(name in _NATIVE_JOIN for name in names):
            return self._native_join(task, address)
        if any(name in _MUTEX for name in names):
            return self._mutex(task, address)
        if any(name in _CONDITION for name in names):
            return Wait(task, CONDITION, "a condition variable of C", self._where(task), address=address)
        if any(name in _SEMAPHORE for name in names):
            if self._case.nameless and self._is_runtimes(task):
                return self._python_lock(task, address)  # CPython takes semaphores for nothing but its locks
            return Wait(task, SEMAPHORE, "a semaphore of C", self._where(task), address=address)
        if address and self._looks_like_mutex(address):
            return self._mutex(task, address)
        return Wait(task, KERNEL, "a futex", self._where(task), address=address)

    def _where(self, task: Task) -> str:
        frame = _first_outside_of_plumbing(task)
        if frame is None:
            return ""
        if not frame.function and origin_of(frame) in (RUNTIME, STDLIB) and task.python:
            return self._python_where(task)  # a function without a name is of less use than who called it
        library = (frame.library or "").rsplit("/", 1)[-1]
        if not frame.function:
            return f", in {library}" if library else ""
        return f", in {frame.function} of {library}" if library else f", in {frame.function}"

    @staticmethod
    def _is_runtimes(task: Task) -> bool:
        """Tell whether the runtime's own code waits, in a function of a C library."""
        frame = _first_outside_of_plumbing(task)
        return frame is not None and origin_of(frame) == RUNTIME

    @staticmethod
    def _is_python_lock(task: Task) -> bool:
        """Tell whether CPython's own lock function is what waits, and no C library further in."""
        for frame in task.frames:
            name = base_name(frame.function) if frame.function else ""
            if name in _PYTHON_LOCK:
                return True
            if origin_of(frame) not in (PLUMBING, RUNTIME):
                return False
        return False

    # -- the GIL ----------------------------------------------------------------------------------
    def _is_gil(self, call: SystemCall) -> bool:
        """Tell whether a futex lies in the structure of a GIL: tells without symbols of the function.

        A build without debug information does not say how large that is. But in ``_PyRuntime`` there is no other mutex
        and no other condition variable of C: the runtime's other locks are semaphores elsewhere.
        """
        python = self._case.python
        if python is None or call.name != "futex":
            return False
        size = python.layout.size("gil")
        if not size:
            return self._case.nameless and python.runtime <= call.first < python.runtime + python.runtime_size
        for interpreter in self._case.interpreters:
            try:
                gil = runtimes.gil_of(python, interpreter.address)
            except Unreadable:
                continue
            if gil and gil <= call.first < gil + size:
                return True
        return False

    def _gil(self, task: Task) -> Wait:
        holder = self.gil_holder()
        if holder is task:
            holder = None
        by = f", which {holder.name} holds" if holder is not None else ""
        return Wait(task, GIL, f"the GIL{by}", "", holder)

    # -- the world, stopped -----------------------------------------------------------------------
    def _world(self, task: Task) -> Optional[Wait]:
        """Return the wait of a thread that stops the others, or was stopped by one; None if it is neither.

        Mirrors stop_the_world() and tstate_wait_attach() in Python/pystate.c, of free-threaded builds.
        """
        stops = [i.stopped_world for i in self._case.interpreters if i.stopped_world is not None]
        if task.calls(*_STOPPED) is not None:
            by = next((self._case.by_state(stop.requester) for stop in stops if stop.requester), None)
            holder = by if by is not task else None
            who = f", which {holder.name} has stopped" if holder is not None else ""
            return Wait(task, WORLD, f"the world to go on{who} (stop-the-world)", "", holder)
        if task.calls(*_STOP_WORLD) is None or not any(not stop.stopped and stop.waits_for for stop in stops):
            return None
        running = [other for other in self._case.tasks() if other is not task and _is_attached(other)]
        if not running:
            return None
        still = f"{running[0].name}, which stays attached" if len(running) == 1 else f"{len(running)} threads"
        return Wait(task, WORLD, f"all other threads to stop (stop-the-world): {still}", "", running[0])

    def gil_holder(self) -> Optional[Task]:
        """Return the thread that holds the GIL, None if none does or it cannot be told."""
        python = self._case.python
        if python is None:
            return None
        for interpreter in self._case.interpreters:
            address = runtimes.gil_holder(python, interpreter.address)
            if address:
                return self._case.by_state(address)
        return None

    # -- locks of Python --------------------------------------------------------------------------
    def _python_lock(self, task: Task, native: int) -> Wait:
        names = {base_name(f.function) for f in task.frames[:24] if f.function}
        stream = self.locks.buffered_waited_for(task) if "_enter_buffered_busy" in names else 0
        if stream or "_enter_buffered_busy" in names:
            return self._buffered(task, stream)
        stream = self.locks.stream_with(task, native) if self._case.nameless else 0
        if stream:
            return self._buffered(task, stream, self.locks.owner_beside(stream, native))
        if names & set(_JOINS):
            return self._handle_join(task)
        if names & set(_IMPORT_LOCK):
            return Wait(task, IMPORT, "the import lock")
        imported = self.locks.import_owner(task)
        if imported is not None:
            return self._import(task, imported[0], imported[1])
        if any(name.startswith("_queue_SimpleQueue_get") for name in names):
            return Wait(task, LOCK, "an item in a queue", self._python_where(task))
        address, type_ = self._lock_of(task, native)
        joined = self._joined(task, address)
        if joined is not None:
            return joined
        if address:
            return self._lock_object(task, address, type_)
        if self._is_head_lock(task):
            return Wait(task, HEAD, "the runtime's lock on its lists of interpreters and threads")
        what = _meaning(task) if self._case.nameless else ""
        return Wait(task, LOCK, what or "a lock", self._python_where(task), address=native, meant=bool(what))

    def _import(self, task: Task, module: str, owner: int) -> Wait:
        holder = self.locks.by_ident(owner)
        dead = bool(owner) and holder is None
        words = self._held(f"the import of module {module}", holder, dead)
        return Wait(task, IMPORT, words.replace(" holds", " is at"), "", holder, dead=dead)

    def _lock_of(self, task: Task, native: int) -> Tuple[int, str]:
        """Return (address, type name) of the lock object that a thread waits for, (0, "") if none shows."""
        key = task.native.debugger_id
        if key not in self._objects:
            self._objects[key] = self.locks.waited_for(task, native) or self.locks.by_native_lock(task, native) or (0, "")
        return self._objects[key]

    def _wanted(self, task: Task) -> int:
        if task.calls(*_PYTHON_LOCK) is None and not (self._case.nameless and self._is_runtimes(task)):
            return 0
        call = system_call(self._case.debugger, task.native.debugger_id)
        return self._lock_of(task, call.first if call is not None else 0)[0]

    def _is_head_lock(self, task: Task) -> bool:
        for frame in task.frames:
            name = base_name(frame.function) if frame.function else ""
            if name in _PYTHON_LOCK or origin_of(frame) == PLUMBING:
                continue
            return name in _HEAD_LOCK
        return False

    def _lock_object(self, task: Task, address: int, type_: str) -> Wait:
        if type_ == "RLock":
            owner = self.locks.owner_of_rlock(address)
            holder = self.locks.by_ident(owner)
            dead = holder is None and owner != 0
            if not owner and self._case.nameless:
                holder = self.locks.holder_in_with(address, lambda other: self._wanted(other) == address)
                holder = holder if holder is not task else None  # it would not wait
            words = self._held("an RLock", holder, dead)
            return Wait(task, RLOCK, words, self._python_where(task), holder, dead=dead, address=address)
        holder = self.locks.holder_in_with(address, lambda other: self._wanted(other) == address)
        what = _meaning(task) if holder is None else ""
        words = what or self._held("a Lock", holder, False)
        return Wait(task, LOCK, words, self._python_where(task), holder, address=address, meant=bool(what))

    @staticmethod
    def _held(what: str, holder: Optional[Task], dead: bool) -> str:
        if holder is not None:
            return f"{what} that {holder.name} holds"
        return f"{what} that a thread holds which is gone" if dead else what

    def _python_where(self, task: Task) -> str:
        """Return which Python function waits, the first one that is not of the threading machinery."""
        for frame in task.python:
            if not frame.file.endswith(("/threading.py", "/queue.py")) and not frame.file.startswith("<frozen"):
                return f", in {frame.function} ({frame.file.rsplit('/', 1)[-1]}:{frame.line})"
        return f", in {task.python[0].function}" if task.python else ""

    def _buffered(self, task: Task, stream: int, owner: int = 0) -> Wait:
        owner = owner or (self.locks.owner_of_buffered(stream) if stream else 0)
        holder = self.locks.by_ident(owner)
        dead = bool(owner) and holder is None
        words = self._held("the lock of a buffered stream", holder, dead)
        return Wait(task, BUFFERED, words, "", holder, dead=dead, address=stream)

    # -- joins ------------------------------------------------------------------------------------
    def _joined(self, task: Task, lock: int) -> Optional[Wait]:
        """Return the wait for another thread's end that goes by a lock (up to 3.12), None if it is none."""
        function = task.python[0].function if task.python else ""
        inside = any(f.file.endswith("/threading.py") for f in task.python[:1])
        name = function.rsplit(".", 1)[-1]
        if lock:
            other = self.locks.thread_of_lock(lock)
            if other is not None and other is not task:
                return Wait(task, JOIN, f"the end of {other.name}", "", other)
        if inside and name in ("_wait_for_tstate_lock", "join", "_shutdown"):
            others = self._not_daemons(task)
            words = "the end of " + (", ".join(o.name for o in others) or "a thread")
            return Wait(task, JOIN, words, "", others[0] if others else None, tuple(others[1:]))
        return None

    def _not_daemons(self, task: Task) -> List[Task]:
        return [
            other for other in self._case.tasks()
            if other is not task and other.state is not None and other.state.daemon is False
        ]

    def _handle_join(self, task: Task) -> Wait:
        """From 3.13 on: a handle with the identifier of the thread."""
        for frame in task.frames:
            if frame.function and base_name(frame.function) in _JOINS:
                handle = self._case.debugger.frame_argument(task.native.debugger_id, frame.level, "self")
                ident = self._ident(handle) if handle else 0
                other = self.locks.by_ident(ident)
                if other is not None:
                    return Wait(task, JOIN, f"the end of {other.name}", "", other)
        others = self._not_daemons(task)
        words = "the end of " + (", ".join(o.name for o in others) or "a thread")
        return Wait(task, JOIN, words, "", others[0] if others else None, tuple(others[1:]))

    def _ident(self, handle: int) -> int:
        field = self._case.debugger.field("ThreadHandle", "ident")
        if field is None:
            return 0
        try:
            return int.from_bytes(self._case.debugger.read(handle + field.offset, field.size), "little")
        except MemoryFault:
            return 0

    def _native_join(self, task: Task, address: int) -> Wait:
        """The futex of pthread_join lies in the other thread's ``struct pthread``.

        Up to glibc 2.41 it is the field where the kernel keeps the thread's id, later one that tells its state. The
        structure begins where the thread pointer (fs) shows to.
        """
        other = self._case.by_native_id(self._word(address)) if self._word(address) else None
        if other is None and address:
            for each in self._case.tasks():
                begins = self._case.debugger.register(each.native.debugger_id, 0, "fs_base")
                if begins and 0 <= address - begins < _STRUCT_PTHREAD:
                    other = each
                    break
        who = other.name if other is not None else "another thread"
        return Wait(task, JOIN, f"the end of {who} (pthread_join)", self._where(task), other, address=address)

    # -- mutexes of C -----------------------------------------------------------------------------
    def _mutex(self, task: Task, address: int) -> Wait:
        owner = self._word(address + _MUTEX_OWNER)
        holder = self._case.by_native_id(owner) if owner else None
        dead = bool(owner) and holder is None
        words = self._held("a mutex of C", holder, dead)
        if dead:
            words += f" (LWP {owner})"
        return Wait(task, MUTEX, words, self._where(task), holder, dead=dead, address=address)

    def _looks_like_mutex(self, address: int) -> bool:
        """Tell whether a futex is that of a mutex: locked, with waiters, and owned by one of the threads."""
        return self._word(address) == 2 and self._case.by_native_id(self._word(address + _MUTEX_OWNER)) is not None

    def _word(self, address: int) -> int:
        if not address:
            return 0
        try:
            order = "big" if self._case.debugger.big_endian else "little"
            return int.from_bytes(self._case.debugger.read(address, 4), "big" if order == "big" else "little")
        except MemoryFault:
            return 0


def _first_outside_of_plumbing(task: Task) -> Optional[NativeFrame]:
    return next((f for f in task.frames if not f.inlined and origin_of(f) != PLUMBING), None)


def _meaning(task: Task) -> str:
    """Return what a lock stands for that a class of the standard library made, "" if it is none of those known.

    The outermost function of the standard library that the thread waits in says it.
    """
    found = ""
    for frame in task.python[:6]:
        words = _MEANINGS.get((frame.file.rsplit("/", 1)[-1], frame.function.rsplit(".", 1)[-1]))
        if words is None:
            break
        found = words
    return found


def buffer_holder(case: Case, task: Task) -> Optional[Task]:
    """Return the thread inside the buffered stream whose lock ``task`` wanted, None if it cannot be told."""
    locks = Locks(case)
    return locks.by_ident(locks.owner_of_buffered(locks.buffered_waited_for(task)))


def chain(waits: Waits, first: Task) -> Tuple[List[Wait], List[Wait]]:
    """Return (the waits from a thread on, one leading to the next; the cycle they end in, empty if none)."""
    walked: List[Wait] = []
    seen: Dict[int, int] = {}
    task: Optional[Task] = first
    while task is not None and task.native.debugger_id not in seen:
        seen[task.native.debugger_id] = len(walked)
        wait = waits.of(task)
        walked.append(wait)
        task = wait.holder
    if task is None:
        return walked, []
    return walked, walked[seen[task.native.debugger_id] :]
