"""Native resources whose owner was never finalized.

Files, sockets, mappings and databases that are still open after ``Py_FinalizeEx``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ..cpython import generations
from ..cpython.heap.objects import gc_objects
from ..cpython.objects import refcount, type_of
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget, Unreadable
from ..debugger.interface import Debugger, DebuggerError, Field
from ..debugger.mappings import Mapping, Mappings
from ..model.phase import Phase
from ..model.report import Finding, ObjectRef

REFERENCE = "https://bugs.python.org/issue19565"
#: More objects are not looked at; owners are found among them by their type.
MOST_OBJECTS = 1_000_000
#: C types that own a native resource, by their full names: the structure of an instance and its member for the
#: resource. Their modules may be loaded later than the runtime, and so are not in the layout.
DESCRIPTORS: Dict[str, Tuple[str, str]] = {
    "_io.FileIO": ("", "fileio.fd"),
    "_socket.socket": ("PySocketSockObject", "sock_fd"),
    "mmap.mmap": ("mmap_object", "fd"),
}
#: A mapping, where it has no descriptor, and a connection to a database, whose descriptors the library itself has.
POINTERS: Dict[str, Tuple[str, str]] = {
    "mmap.mmap": ("mmap_object", "data"),
    "sqlite3.Connection": ("pysqlite_Connection", "db"),
}
#: Mappings of mmap.mmap(-1, …), which are shared, are to the kernel mappings of this file.
_NO_FILE = "/dev/zero (deleted)"
_DATABASE = b"SQLite format 3\0"
#: Standard streams belong to the process.
_FIRST = 3


@dataclass(frozen=True)
class Owner:
    """An object that has a file descriptor, and what the descriptor was open on when finalization began."""

    address: int
    type: str
    descriptor: int
    link: str


@dataclass(frozen=True)
class Holder:
    """An object that has a resource without a descriptor of its own: the pointer to it, and where that is."""

    address: int
    kind: int
    type: str
    place: int
    pointer: int


class ResourceWatch:
    """Compares what objects own before finalization with what is open after it."""

    def __init__(self, debugger: Debugger, python: Callable[[], PythonTarget]) -> None:
        self._debugger = debugger
        self._python = python
        self._owners: List[Owner] = []
        self._holders: List[Holder] = []
        self._fields: Dict[Tuple[str, str], Optional[Field]] = {}

    def before(self) -> None:
        """Find the objects that own open descriptors, mappings and databases."""
        self._owners, self._holders = [], []
        self._fields.clear()
        links = self._open_descriptors()
        if not links and not any(m.name == _NO_FILE for m in self._mappings().ranges):
            return  # nothing is open: the walk over all objects can be saved
        try:
            self._find(links)
        except DebuggerError:
            self._owners, self._holders = [], []

    def after(self, root: str) -> List[Finding]:
        """Return a finding for each descriptor that is still open on the same thing, each mapping, and for databases."""
        if not self._owners and not self._holders:
            return []
        now = self._open_descriptors()
        found = [
            self._finding(
                root, o.type, o.address, f"descriptor {o.descriptor} ({o.link}) is open", f"the {o.type} that owns it was"
            )
            for o in self._owners if now.get(o.descriptor) == o.link
        ]  # fmt: skip
        left = [holder for holder in self._holders if self._is_left(holder)]
        maps = self._mappings()
        for holder in left:
            mapping = maps.at(holder.pointer)
            if holder.type == "mmap" and mapping is not None and mapping.name == _NO_FILE:
                found.append(self._finding(
                    root, "mmap", holder.address, f"{_size(mapping)} are mapped at {holder.pointer:#x}",
                    "the mmap that owns them was",
                ))  # fmt: skip
        return found + self._databases(root, [h for h in left if h.type == "Connection"], now)

    def _databases(self, root: str, left: List[Holder], now: Dict[int, str]) -> List[Finding]:
        """Return a finding for connections that were never finalized, if a database is open that can only be theirs."""
        of_others = {owner.descriptor for owner in self._owners}
        files = [now[n] for n in sorted(now) if n not in of_others and self._is_database(n)] if left else []
        if not files:
            return []  # what is in memory only is nothing that stays open
        names = ", ".join(list(dict.fromkeys(files))[:5])
        finding = self._finding(
            root, "Connection", left[0].address, f"{names} {'is' if len(files) == 1 else 'are'} open",
            f"{len(left)} connection{'s' if len(left) > 1 else ''} of sqlite3 {'were' if len(left) > 1 else 'was'}",
        )  # fmt: skip
        finding.count = len(left)
        return [finding]

    def _finding(self, root: str, kind: str, address: int, what: str, owner: str) -> Finding:
        return Finding(
            "open-resource",
            "warning",
            f"{what} after {root}: {owner} never finalized",
            kind,
            Phase.AFTER_FINALIZE.value,
            0,
            subsystem="native resources",
            after_step=root,
            object=ObjectRef(address, kind),
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

    def _mappings(self) -> Mappings:
        return Mappings.of(self._debugger.target())

    def _is_database(self, descriptor: int) -> bool:
        """Tell whether a descriptor is open on a file in the format of SQLite."""
        path = f"/proc/{self._debugger.target().pid}/fd/{descriptor}"
        try:
            if not os.path.isfile(path):
                return False
            with open(path, "rb") as file:
                return file.read(len(_DATABASE)) == _DATABASE
        except OSError:
            return False

    def _is_left(self, holder: Holder) -> bool:
        """Tell whether an object lives still and has what it had; a freed one has no such count of references."""
        python = self._python()
        try:
            if type_of(python, holder.address) != holder.kind or not 0 < refcount(python, holder.address) < 1 << 30:
                return False
            return python.memory.pointer(holder.place) == holder.pointer
        except DebuggerError:
            return False

    def _find(self, links: Dict[int, str]) -> None:
        python = self._python()
        names: Dict[int, str] = {}
        for address in _objects(python):
            try:
                kind = type_of(python, address)
                if kind not in names:
                    names[kind] = _resource_type(python, kind)
                if names[kind]:
                    self._note(python, address, kind, names[kind], links)
            except Unreadable:
                continue

    def _note(self, python: PythonTarget, address: int, kind: int, name: str, links: Dict[int, str]) -> None:
        """Remember an object of a type with a resource, if it has one. Raises Unreadable."""
        short = name.rpartition(".")[2]
        field = self._field(python, DESCRIPTORS.get(name))
        if field is not None:
            descriptor = python.memory.integer(address + field.offset, field.size, True)
            if descriptor in links:
                if not self._lent(python, address, name):
                    self._owners.append(Owner(address, short, descriptor, links[descriptor]))
                return
        field = self._field(python, POINTERS.get(name))
        if field is not None:
            pointer = python.memory.pointer(address + field.offset)
            if pointer:
                self._holders.append(Holder(address, kind, short, address + field.offset, pointer))

    def _field(self, python: PythonTarget, place: Optional[Tuple[str, str]]) -> Optional[Field]:
        if place is None:
            return None
        if place not in self._fields:
            structure, member = place
            self._fields[place] = self._debugger.field(structure, member) if structure else python.layout.field(member)
        return self._fields[place]

    def _lent(self, python: PythonTarget, address: int, name: str) -> bool:
        """Tell whether a FileIO was opened with closefd=False: the descriptor is somebody else's."""
        closes = python.layout.field("fileio.closefd")
        if closes is None or name != "_io.FileIO":
            return False
        word = python.memory.integer(address + closes.offset, closes.size, False)
        return not word >> closes.bit_offset & (1 << (closes.bit_size or 1)) - 1


def _size(mapping: Mapping) -> str:
    return f"{mapping.end - mapping.start} bytes"


def _resource_type(python: PythonTarget, kind: int) -> str:
    """Return the full name of the C type with a resource that a type is, or derives from; "" if it does not."""
    for _ in range(32):
        try:
            name = python.memory.cstring(python.number("type.name", kind), 64).decode("utf-8", "replace")
            if name in DESCRIPTORS or name in POINTERS:
                return name
            kind = python.value("type.base", kind) or 0
        except Unreadable:
            break
        if not kind:
            break
    return ""


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
