"""Native resources whose owner was never finalized: files and sockets still open after ``Py_FinalizeEx``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional

from ..cpython import generations
from ..cpython.heap import gc_objects
from ..cpython.objects import name_of_type, type_of
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget, Unreadable
from ..debugger.interface import Debugger, DebuggerError, Field
from ..model.phase import Phase
from ..model.report import Finding, ObjectRef

REFERENCE = "https://bugs.python.org/issue19565"
#: More objects are not looked at; owners are found among them by their type.
MOST_OBJECTS = 1_000_000
#: Types that own a descriptor, base classes of what the program may have derived.
_TYPES = ("FileIO", "socket")
#: The structure of a socket and its member for the descriptor. Its module may be loaded later than others.
_SOCKET = ("PySocketSockObject", "sock_fd")
#: Standard streams belong to the process.
_FIRST = 3


@dataclass(frozen=True)
class Owner:
    """An object that has a file descriptor, and what the descriptor was open on when finalization began."""

    address: int
    type: str
    descriptor: int
    link: str


class ResourceWatch:
    """Compares the descriptors that objects own before finalization with those that are open after it."""

    def __init__(self, debugger: Debugger, python: Callable[[], PythonTarget]) -> None:
        self._debugger = debugger
        self._python = python
        self._owners: List[Owner] = []

    def before(self) -> None:
        """Find the objects that own open descriptors."""
        self._owners = []
        links = self._open_descriptors()
        if not links:
            return  # nothing is open: the walk over all objects can be saved
        try:
            self._owners = self._find(links)
        except DebuggerError:
            self._owners = []

    def after(self, root: str) -> List[Finding]:
        """Return a finding for each descriptor that is still open on the same thing."""
        if not self._owners:
            return []
        now = self._open_descriptors()
        return [self._finding(o, root) for o in self._owners if now.get(o.descriptor) == o.link]

    def _finding(self, owner: Owner, root: str) -> Finding:
        return Finding(
            "open-resource",
            "warning",
            f"descriptor {owner.descriptor} ({owner.link}) is open after {root}: "
            f"the {owner.type} that owns it was never finalized",
            owner.type,
            Phase.AFTER_FINALIZE.value,
            0,
            subsystem="native resources",
            after_step=root,
            object=ObjectRef(owner.address, owner.type),
            advice="Something kept a reference to the object for ever (a lost reference in an extension, a cycle "
            "through C code). What was buffered for it is lost. Close it explicitly, or release what holds it.",
            references=[REFERENCE],
        )

    def _open_descriptors(self) -> Dict[int, str]:
        """Return descriptor -> what it is open on, from the kernel; empty when that cannot be had."""
        pid = self._debugger.target().pid
        found: Dict[int, str] = {}
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                if int(name) >= _FIRST:
                    found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except (OSError, ValueError):
            pass
        return found

    def _find(self, links: Dict[int, str]) -> List[Owner]:
        python = self._python()
        kinds: Dict[int, Optional[Field]] = {}
        found: List[Owner] = []
        for address in _objects(python):
            try:
                kind = type_of(python, address)
                if kind not in kinds:
                    kinds[kind] = self._field_of(python, kind)
                field = kinds[kind]
                if field is None:
                    continue
                descriptor = python.memory.integer(address + field.offset, field.size, True)
                if descriptor in links and not self._lent(python, address, kind):
                    found.append(Owner(address, name_of_type(python, kind), descriptor, links[descriptor]))
            except Unreadable:
                continue
        return found

    def _lent(self, python: PythonTarget, address: int, kind: int) -> bool:
        """Tell whether a FileIO was opened with closefd=False: the descriptor is somebody else's."""
        closes = python.layout.field("fileio.closefd")
        if closes is None or name_of_type(python, kind) != "FileIO":
            return False
        word = python.memory.integer(address + closes.offset, closes.size, False)
        return not word >> closes.bit_offset & (1 << (closes.bit_size or 1)) - 1

    def _field_of(self, python: PythonTarget, kind: int) -> Optional[Field]:
        """Return where instances of a type keep their descriptor, None if they have none.

        The last of its bases with the name counts: socket.socket derives from _socket.socket.
        """
        owner = ""
        for _ in range(32):
            try:
                name = name_of_type(python, kind)
                owner = name if name in _TYPES else owner
                kind = python.value("type.base", kind) or 0
            except Unreadable:
                break
            if not kind:
                break
        if owner == "socket":
            return self._debugger.field(*_SOCKET)
        return python.layout.field("fileio.fd") if owner else None


def _objects(python: PythonTarget) -> List[int]:
    """Return the addresses of all objects on the collector's lists, at most `MOST_OBJECTS`."""
    found: List[int] = []
    if python.build.free_threaded:
        for interpreter in interpreter_addresses(python):
            found.extend(gc_objects(python, interpreter).addresses[: MOST_OBJECTS - len(found)])
        return found
    header = python.layout.size("gc_head") or 16
    memory = python.memory
    for interpreter in interpreter_addresses(python):
        state = generations.state_of(python, interpreter)
        if state is None:
            continue
        for place in generations.generations(python, state):
            try:
                node = memory.pointer(place.head) & ~3
                while node and node != place.head and len(found) < MOST_OBJECTS:
                    found.append(node + header)
                    node = memory.pointer(node) & ~3
            except Unreadable:
                continue
    return found
