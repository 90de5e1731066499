"""Breakpoints by address that call back, hidden from the user's list.

gdb forbids much inside ``stop``: an exception there stops the program, deleting a breakpoint
there crashes gdb, and expressions are slow. So callbacks get plain numbers, and a deletion is
an immediate disabling; the deletion itself waits for the next event outside of ``stop``.
(``gdb.post_event`` is not used: gdb 13 crashes at its exit over a callable that was still waiting.)
"""

from __future__ import annotations

from typing import List, Optional, Tuple

import gdb

from ..interface import DebuggerError, Hit, HitCallback
from .failures import tell_failure


class CallbackBreakpoint(gdb.Breakpoint):
    """An internal breakpoint at one address."""

    #: True while gdb asks a breakpoint whether to stop.
    in_stop = False
    #: How often gdb asked: the target ran in between, which no event tells.
    asked = 0

    def __init__(self, address: int, callback: HitCallback) -> None:
        super().__init__(f"*{address:#x}", internal=True)
        self.silent = True
        self.address = address
        self._callback = callback

    def stop(self) -> bool:
        """gdb's question whether to stop; exceptions are kept away from gdb."""
        CallbackBreakpoint.in_stop = True
        CallbackBreakpoint.asked += 1
        try:
            return self._callback(_hit(self.address))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not stop the user's program
            tell_failure(error)
            return False
        finally:
            CallbackBreakpoint.in_stop = False


class Handle:
    """What `Breakpoints.breakpoint` returns."""

    def __init__(self, breakpoint_: CallbackBreakpoint, owner: "Breakpoints") -> None:
        self._breakpoint = breakpoint_
        self._owner = owner
        self.address = breakpoint_.address

    @property
    def enabled(self) -> bool:
        """Whether it calls back; false once it is deleted or its process is gone."""
        return self._breakpoint.is_valid() and self._breakpoint.enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if self._breakpoint.is_valid() and self._breakpoint.enabled != value:
            self._breakpoint.enabled = value

    def delete(self) -> None:
        """Disable now, delete when gdb is out of its callbacks."""
        self.enabled = False
        self._owner.delete_later(self._breakpoint)


class Breakpoints:
    """Creates and deletes breakpoints."""

    def __init__(self) -> None:
        super().__init__()
        self._doomed: List[gdb.Breakpoint] = []
        self._architecture_of: Tuple[int, str] = (0, "")
        gdb.events.stop.connect(self._delete_doomed)
        gdb.events.exited.connect(self._delete_doomed)
        gdb.events.new_objfile.connect(self._delete_doomed)

    def breakpoint(self, address: int, callback: HitCallback) -> Handle:
        """Call ``callback`` each time a thread reaches ``address``. Raises DebuggerError."""
        if address < 4096:
            # gdb takes it, and then cannot go on: "Cannot access memory at address 0x0".
            raise DebuggerError(f"there is no code at {address:#x}")
        try:
            return Handle(CallbackBreakpoint(address, callback), self)
        except (gdb.error, RuntimeError) as error:
            raise DebuggerError(f"cannot set a breakpoint at {address:#x}: {error}") from None

    def delete_later(self, breakpoint_: gdb.Breakpoint) -> None:
        """Delete a breakpoint as soon as gdb allows it."""
        self._doomed.append(breakpoint_)
        if not CallbackBreakpoint.in_stop:
            self._delete_doomed()

    def _delete_doomed(self, _event: object = None) -> None:
        if CallbackBreakpoint.in_stop:
            return  # symbols are read inside a callback
        doomed, self._doomed = self._doomed, []
        for breakpoint_ in doomed:
            if breakpoint_.is_valid():
                breakpoint_.delete()

    def _architecture(self) -> str:
        """Return the target's architecture by gdb's name; asked once per process, a stop asks it often."""
        pid = gdb.selected_inferior().pid
        if self._architecture_of[0] != pid:
            self._architecture_of = (pid, gdb.newest_frame().architecture().name())
        return self._architecture_of[1]

    def return_address(self, hit: Hit) -> Optional[int]:
        """Return where the function just entered will return to, None if it cannot be told.

        On x86-64 it is at the stack pointer; elsewhere the unwinder is asked.
        """
        try:
            if self._architecture() == "i386:x86-64":
                raw = gdb.selected_inferior().read_memory(hit.sp, 8)
                return int.from_bytes(bytes(raw), "little")
            older = gdb.newest_frame().older()
            return None if older is None else older.pc()
        except (gdb.error, gdb.MemoryError):
            return None

    def first_argument(self, hit: Hit) -> Optional[int]:
        """Return the first integer argument of the function just entered: a register by the ABI."""
        try:
            frame = gdb.newest_frame()
            name = {"i386:x86-64": "rdi", "aarch64": "x0"}.get(self._architecture())
            return None if name is None else int(frame.read_register(name)) & (1 << 64) - 1
        except (gdb.error, ValueError):
            return None


def _hit(address: int) -> Hit:
    thread = gdb.selected_thread()
    pid, lwp, tid = thread.ptid
    sp = int(gdb.newest_frame().read_register("sp")) & (1 << 64) - 1
    return Hit(address, sp, lwp or tid, pid)
