"""Thread states, with the native thread each belongs to."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ..layout.getters import SOURCE as EXPORTED
from ..model.report import Thread
from . import runtime
from .frame import StackReader
from .native import NativeIds
from .owners import owners
from .target import Corrupt, PythonTarget, Unreadable
from .thread_list import thread_addresses
from .threading_names import ThreadInfo, thread_infos

#: `state` of a thread state from 3.13 on: Include/internal/pycore_pystate.h.
#: The last two are new in 3.15: a suspended thread that wants to attach says so.
_STATES = {
    0: "detached", 1: "attached", 2: "suspended", 3: "shutting down", 4: "suspended, waiting", 5: "detached, waiting",
}  # fmt: skip
#: Bits of `_status` (3.12 on) that say more, the last stage first.
_STAGES = ("finalized", "cleared", "finalizing", "unbound")


def read_threads(
    target: PythonTarget, interpreter: int, stacks: bool = True, problems: Optional[List[str]] = None
) -> List[Thread]:
    """Return the threads of an interpreter, the oldest first. Never raises.

    ``stacks`` asks for the Python stacks as well. What is wrong with the list is appended to ``problems``, what is
    wrong with a thread to the thread's own.
    """
    reader = _ThreadReader(target, interpreter)
    found = []
    stacks = stacks and any(map(target.layout.has, ("thread.frame", "thread.current_frame", "thread.cframe")))
    addresses = thread_addresses(target, interpreter, problems)
    if target.layout.source == EXPORTED:
        reader.owners = owners(target, addresses)
    for address in reversed(addresses):
        thread = reader.read(address)
        if stacks:
            thread.python_stack = reader.stacks.stack(address, thread.problems)
        found.append(thread)
    return found


class _ThreadReader:
    """What the threads of one interpreter have in common."""

    def __init__(self, target: PythonTarget, interpreter: int) -> None:
        self._target = target
        self.stacks = StackReader(target)
        self._infos: Dict[int, ThreadInfo] = thread_infos(target, interpreter)
        self._holder = runtime.gil_holder(target, interpreter)
        self._finalizing = runtime.flags(target)[2] or 0
        self._native = {t.native_id: t.debugger_id for t in target.debugger.threads() if t.native_id > 0}
        self._selected = next((t.native_id for t in target.debugger.threads() if t.selected), 0)
        self._native_ids = NativeIds(target)
        #: Thread state -> (thread identifier, kernel id) where the layout does not tell.
        self.owners: Dict[int, Tuple[int, int]] = {}

    def read(self, address: int) -> Thread:
        """Return one thread. Never raises."""
        thread = Thread(address, 0, 0, None, None, False)
        try:
            self._identify(thread)
            thread.holds_gil = self._holder == address
            thread.finalizing = self._is_finalizing(address)
            thread.state = self._state(address)
        except Unreadable as error:
            thread.problems.append(f"the thread state at {address:#x} cannot be read: {error}")
        return thread

    def _identify(self, thread: Thread) -> None:
        target = self._target
        if target.layout.source == EXPORTED:
            thread.thread_id, thread.native_id = self.owners.get(thread.address, (0, 0))
        else:
            thread.thread_id = target.number("thread.thread_id", thread.address)
            if target.layout.has("thread.native_thread_id"):
                thread.native_id = target.number("thread.native_thread_id", thread.address)
            elif thread.thread_id:
                thread.native_id = self._native_ids.of(thread.thread_id)
        thread.debugger_id = self._native.get(thread.native_id)
        thread.current = thread.native_id != 0 and thread.native_id == self._selected
        info = self._infos.get(thread.thread_id)
        if info is not None:
            thread.name, thread.daemon = info.name, info.daemon

    def _is_finalizing(self, address: int) -> bool:
        """Whether this thread finalizes the runtime or its interpreter. Raises Unreadable."""
        if self._finalizing == address:
            return True
        if self._target.layout.source == EXPORTED:
            return False  # which thread finalizes an interpreter is not told
        interpreter = self._target.value("thread.interp", address)
        if not interpreter:
            raise Corrupt("it belongs to no interpreter")
        return self._target.value("interp.finalizing_thread", interpreter) == address

    def _state(self, address: int) -> Optional[str]:
        target = self._target
        for stage in _STAGES:
            if target.value(f"thread.status.{stage}", address):
                return stage
        number = target.value("thread.state", address)
        if number is not None:
            return _STATES.get(number, str(number))
        active = target.value("thread.status.active", address)
        if active is not None:
            return "attached" if active else "detached"
        # Up to 3.11 the runtime points to the one thread state that is attached.
        current = target.value("runtime.current_thread", target.runtime)
        if current is None:
            return None
        return "attached" if current == address else "detached"
