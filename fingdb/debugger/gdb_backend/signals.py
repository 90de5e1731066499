"""Registers of frames, and the signal that stopped or killed the target."""

from __future__ import annotations

import os
import signal
from typing import Optional

import gdb

from ..interface import SignalInfo
from ..x86_64 import TRAPS
from .stacks import Stacks

#: Signals whose siginfo has the address of a fault.
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")
#: Codes of a SIGTRAP for a step or a watchpoint: TRAP_TRACE, TRAP_HWBKPT.
_STEPS = (2, 4)


class Signals(Stacks):
    """Frames with their registers, and ``siginfo_t``."""

    def register(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return a register of a frame as an unsigned number, None if it cannot be had."""
        if level:
            self.need_symbols()  # with them comes what unwinding needs
        with self._thread(debugger_id) as known:
            if not known:
                return None
            try:
                frame: Optional[gdb.Frame] = gdb.newest_frame()
                while frame is not None and level > 0:
                    frame, level = frame.older(), level - 1
                return None if frame is None else int(frame.read_register(name)) & (1 << 64) - 1
            except (gdb.error, ValueError, gdb.MemoryError):
                return None

    def signal_info(self) -> Optional[SignalInfo]:
        """Return the selected thread's signal, None if there is none or it cannot be read."""
        number, code = _siginfo("si_signo"), _siginfo("si_code")
        if not number or code is None:
            return None
        name = _name(number)
        if code <= 0:
            return SignalInfo(name, code, None, _siginfo("_sifields._kill.si_pid"))
        address = _siginfo("_sifields._sigfault.si_addr") if name in _FAULTS else None
        return SignalInfo(name, code, None if address is None else address & (1 << 64) - 1)


def has_own_trap() -> bool:
    """Tell whether the selected thread stopped for a SIGTRAP of the program's: from an instruction of its own, or sent.

    gdb tells no signal then, for it takes each SIGTRAP for its own doing. It sends some itself, by our hand.
    """
    code = _siginfo("si_code")
    if _siginfo("si_signo") != signal.SIGTRAP or code is None or code in _STEPS:
        return False
    if code <= 0:
        return _siginfo("_sifields._kill.si_pid") not in (None, os.getpid())
    # Behind a breakpoint of gdb's the program counter is put back, and its instruction is not seen.
    return any(_before(length) in TRAPS for length in (1, 2))


def _before(length: int) -> bytes:
    """Return so many bytes of memory before the program counter, none if they cannot be read."""
    try:
        return gdb.selected_inferior().read_memory(gdb.newest_frame().pc() - length, length).tobytes()
    except (gdb.error, gdb.MemoryError):
        return b""


def _siginfo(member: str) -> Optional[int]:
    try:
        return int(gdb.parse_and_eval(f"$_siginfo.{member}"))
    except (gdb.error, ValueError, TypeError, gdb.MemoryError):
        return None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
