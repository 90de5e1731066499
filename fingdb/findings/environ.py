"""Entries of ``environ`` that point into memory of CPython (bpo-39395), or into memory that was given back."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Set, Tuple

from ..cpython import dicts
from ..cpython.target import PythonTarget
from ..debugger.interface import Debugger, DebuggerError
from ..debugger.mappings import Mappings
from ..memory import Memory
from ..model.phase import Phase
from ..model.report import Culprit, Finding, ObjectRef
from .c_memory import CMemory
from .holders import holders
from .libc import address_in_libc
from .pymalloc import block_at

#: More entries than this are not looked at.
MOST = 4096
#: Blocks of malloc behind so many others are not looked at.
MOST_BLOCKS = 1 << 20
#: The dict in which os.putenv() of old versions keeps what it gave to putenv().
GARBAGE = "posix_putenv_garbage"
REFERENCE = "https://bugs.python.org/issue39395"


class EnvironWatch:
    """Compares the process's environment with what Python objects hold, before and after finalization."""

    def __init__(self, debugger: Debugger, python: Callable[[], PythonTarget]) -> None:
        self._debugger = debugger
        self._python = python
        self._inside: List[Tuple[int, int, str]] = []
        self._own_objects: Set[int] = set()
        self._holders: Dict[int, Culprit] = {}
        self._root = ""

    def before(self, root: str) -> None:
        """Note which entries lie inside bytes objects, while these are alive; ``root`` is what finalizes."""
        self._inside = []
        self._own_objects, self._holders, self._root = set(), {}, root
        try:
            python = self._python()
            bytes_type = self._debugger.symbol_address("PyBytes_Type")
            if bytes_type is None:
                return
            header = python.layout.size("bytes")
            data = python.layout.field("bytes.data")
            offset = data.offset if data is not None else (header or 0)
            type_field = python.layout.field("object.type")
            if not offset or type_field is None:
                return
            for entry in self._entries():
                try:
                    raw = self._debugger.read(entry - offset + type_field.offset, 8)
                    if int.from_bytes(raw, "little") == bytes_type:
                        self._inside.append((entry, entry - offset, self._text(entry)))
                except DebuggerError:
                    continue
            if self._inside:
                self._own_objects = self._garbage()
                self._holders = holders(self._debugger, {address for _, address, _ in self._inside})
        except DebuggerError:
            self._inside = []

    def after(self, stack: int) -> List[Finding]:
        """Return findings for the entries that are still in the environment now that the objects are gone.

        ``stack`` is an address in the stack of the thread that finalized: what the process was started with lies above.
        """
        try:
            now = set(self._entries())
        except DebuggerError:
            return []
        left = [inside for inside in self._inside if inside[0] in now]
        lost = self._lost(now - {entry for entry, _, _ in left}, stack)
        return [*self._of_objects(left), *([lost] if lost is not None else [])]

    def _lost(self, entries: Set[int], stack: int) -> Optional[Finding]:
        """Return a finding for entries whose memory is free, or was used for something else: no NAME=value is there."""
        memory = Memory(self._debugger)
        suspects = sorted(entry for entry in entries if entry < stack)
        bad = []
        for entry in suspects:
            block = block_at(memory, entry)
            if block is not None and block.state in ("freed", "untouched") or not self._is_entry(entry):
                bad.append(entry)
        bad += self._freed_in_c([entry for entry in suspects if entry not in bad])
        if not bad:
            return None
        return Finding(
            "dangling-environ",
            "warning",
            f"environ points into memory that was given back: {len(bad)} of its entries",
            "putenv",
            Phase.AFTER_FINALIZE.value,
            0,
            subsystem="the environment",
            after_step=self._root,
            object=ObjectRef(bad[0], "char"),
            count=len(bad),
            advice="Somebody called putenv() and freed the string, which belongs to the environment from then on. Use "
            "setenv(), which copies. getenv() and child processes read freed memory.",
            references=[REFERENCE],
        )

    def _freed_in_c(self, entries: List[int]) -> List[int]:
        """Return those of the entries whose text is whole, but lies in a block that malloc has back."""
        if not entries:
            return []
        try:
            heap = CMemory(self._python(), Mappings.of(self._debugger.target()), MOST_BLOCKS)
        except DebuggerError:
            return []
        blocks = {entry: heap.block_at(entry) for entry in entries}
        return [entry for entry, block in blocks.items() if block is not None and not block.used]

    def _is_entry(self, address: int) -> bool:
        """Tell whether NAME=value is at an address; a name longer than is looked at counts as one."""
        try:
            raw = self._debugger.read(address, 64)
        except DebuggerError:
            return False
        name, found, _ = raw.partition(b"=")
        return bool(name) and b"\0" not in name and (bool(found) or b"\0" not in raw)

    def _of_objects(self, left: List[Tuple[int, int, str]]) -> List[Finding]:
        """Return findings for entries in bytes objects that are gone: CPython's own apart from others'."""
        if not left:
            return []
        own = self._own_objects & {address for _, address, _ in left}
        findings = []
        for group, ours in (
            ([inside for inside in left if inside[1] not in own], False),
            ([inside for inside in left if inside[1] in own], True),
        ):
            if group:
                findings.append(self._finding(group, ours))
        return findings

    def _finding(self, left: List[Tuple[int, int, str]], own: bool) -> Finding:
        names = ", ".join(text.split("=", 1)[0] for _, _, text in left[:5])
        address = left[0][1]
        step = self._root
        return Finding(
            "dangling-environ",
            "note" if own else "warning",
            f"environ points into {len(left)} freed bytes object{'s' if len(left) > 1 else ''}: {names}",
            "putenv",
            Phase.AFTER_FINALIZE.value,
            0,
            subsystem="the environment",
            after_step=step,
            culprit=Culprit(GARBAGE, None, None, "posix") if own else self._holders.get(address),
            object=ObjectRef(address, "bytes"),
            count=len(left),
            advice="getenv() and child processes read freed memory from here on. Remove the variables before "
            "Python ends (os.environ.pop in an atexit callback), or set them with setenv(), which copies."
            + (" CPython's own os.putenv() does this: nothing to change in the program." if own else ""),
            references=[REFERENCE],
        )

    def _garbage(self) -> Set[int]:
        """Return the objects that os.putenv() itself keeps for the environment (up to 3.8)."""
        place = self._debugger.symbol_address(GARBAGE)
        if place is None:
            return set()
        try:
            python = self._python()
            return {value for _key, value in dicts.items(python, python.memory.pointer(place))}
        except DebuggerError:
            return set()

    def _entries(self) -> List[int]:
        place = address_in_libc(self._debugger, "environ", copied=True)
        if place is None:
            return []
        size = self._debugger.pointer_size
        at = int.from_bytes(self._debugger.read(place, size), "little")
        found: List[int] = []
        while at and len(found) < MOST:
            entry = int.from_bytes(self._debugger.read(at, size), "little")
            if not entry:
                break
            found.append(entry)
            at += size
        return found

    def _text(self, address: int) -> str:
        raw = b""
        try:
            raw = self._debugger.read(address, 64)
        except DebuggerError:
            pass
        return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
