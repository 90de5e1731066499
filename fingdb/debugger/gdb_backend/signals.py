"""Registers of frames, and the signal that stopped or killed the target."""

from __future__ import annotations

from typing import Optional

import gdb

from ..interface import SignalInfo
from .stacks import Stacks

#: Signals whose siginfo has the address of a fault.
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")


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


def _siginfo(member: str) -> Optional[int]:
    try:
        return int(gdb.parse_and_eval(f"$_siginfo.{member}"))
    except (gdb.error, ValueError, TypeError, gdb.MemoryError):
        return None


def _name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
