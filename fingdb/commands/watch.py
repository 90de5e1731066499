"""`pyfin watch`: stop when something reads or writes an object."""

from __future__ import annotations

from ..debugger.interface import DebuggerError
from .base import Command
from .walking import need_process

#: An x86-64 processor has four; gdb accepts a fifth and then cannot go on.
MOST = 4


class WatchCommand(Command):
    """Sets a hardware watchpoint on the first word of an object."""

    def run(self, words: str) -> None:
        expression = words.strip()
        if not expression:
            raise DebuggerError("pyfin watch needs an address or an expression whose value is one")
        need_process(self.session)
        debugger = self.session.debugger
        if debugger.hardware_watchpoints() >= MOST:
            raise DebuggerError(f"the processor can watch {MOST} places, and all are in use; {debugger.hints.watchpoint}")
        number, address = debugger.watch(expression)
        self.session.print(f"Hardware watchpoint {number}: stops at any access to the object at {address:#x}.")


COMMAND = WatchCommand()
