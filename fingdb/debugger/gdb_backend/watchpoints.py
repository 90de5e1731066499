"""Hardware watchpoints for the user."""

from __future__ import annotations

from typing import Tuple

import gdb

from ..interface import DebuggerError
from .language import c_language

_HARDWARE = ("BP_HARDWARE_WATCHPOINT", "BP_READ_WATCHPOINT", "BP_ACCESS_WATCHPOINT")


class Watchpoints:
    """Makes and counts them: gdb itself accepts more than the processor has, and then cannot go on."""

    def hardware_watchpoints(self) -> int:
        """Return how many hardware watchpoints there are, the user's own included."""
        kinds = {getattr(gdb, name) for name in _HARDWARE if hasattr(gdb, name)}
        return sum(1 for breakpoint_ in gdb.breakpoints() or () if breakpoint_.type in kinds)

    def watch(self, expression: str) -> Tuple[int, int]:
        """Watch the word at an address; return the watchpoint's number and the address. Raises DebuggerError."""
        try:
            value = gdb.parse_and_eval(expression)  # in the user's own language
            with c_language():
                address = int(value.cast(gdb.lookup_type("unsigned long"))) & (1 << 64) - 1
        except gdb.error as error:
            raise DebuggerError(f"cannot evaluate {expression}: {str(error).rstrip('.')}") from None
        try:
            gdb.selected_inferior().read_memory(address, 8)
        except gdb.error:
            raise DebuggerError(f"there is no memory at {address:#x} to watch") from None
        try:
            with c_language():
                made = gdb.Breakpoint(f"*(long*){address:#x}", gdb.BP_WATCHPOINT, gdb.WP_ACCESS)
        except (gdb.error, RuntimeError) as error:
            raise DebuggerError(f"cannot watch {address:#x}: {str(error).rstrip('.')}") from None
        kinds = {getattr(gdb, name) for name in _HARDWARE if hasattr(gdb, name)}
        if made.type not in kinds:
            made.delete()
            raise DebuggerError("the processor cannot watch this place; a software watchpoint would take minutes")
        return made.number, address
