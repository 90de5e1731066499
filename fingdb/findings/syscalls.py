"""The system call that a thread is in, from its registers: needs no symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from ..debugger.interface import Debugger, MemoryFault

#: Number -> (name, in words what a thread in it waits for). x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
_X86_64: Dict[int, Tuple[str, str]] = {
    0: ("read", "data to read"),
    1: ("write", "room to write (a pipe or socket that nobody reads)"),
    7: ("poll", "a file descriptor (poll)"),
    16: ("ioctl", "a device"),
    17: ("pread64", "data to read"),
    18: ("pwrite64", "room to write"),
    19: ("readv", "data to read"),
    20: ("writev", "room to write"),
    23: ("select", "a file descriptor (select)"),
    34: ("pause", "a signal"),
    35: ("nanosleep", "a time to pass"),
    42: ("connect", "a connection"),
    43: ("accept", "somebody to connect"),
    44: ("sendto", "room to send"),
    45: ("recvfrom", "data from a socket"),
    46: ("sendmsg", "room to send"),
    47: ("recvmsg", "data from a socket"),
    61: ("wait4", "a child process"),
    65: ("semop", "a semaphore of System V"),
    69: ("msgsnd", "a message queue"),
    70: ("msgrcv", "a message queue"),
    72: ("fcntl", "a lock on a file"),
    73: ("flock", "a lock on a file"),
    74: ("fsync", "a disk"),
    127: ("rt_sigpending", "a signal"),
    128: ("rt_sigtimedwait", "a signal"),
    130: ("rt_sigsuspend", "a signal"),
    202: ("futex", "a lock"),
    208: ("io_getevents", "a disk"),
    220: ("semtimedop", "a semaphore of System V"),
    230: ("clock_nanosleep", "a time to pass"),
    232: ("epoll_wait", "a file descriptor (epoll)"),
    247: ("waitid", "a child process"),
    270: ("pselect6", "a file descriptor (select)"),
    271: ("ppoll", "a file descriptor (poll)"),
    281: ("epoll_pwait", "a file descriptor (epoll)"),
    288: ("accept4", "somebody to connect"),
    441: ("epoll_pwait2", "a file descriptor (epoll)"),
    449: ("futex_waitv", "a lock"),
}
#: include/uapi/asm-generic/unistd.h, under the numbers that AArch64 has.
_AARCH64: Dict[int, Tuple[str, str]] = {
    22: _X86_64[281],
    25: _X86_64[72],
    32: _X86_64[73],
    63: _X86_64[0],
    64: _X86_64[1],
    72: _X86_64[270],
    73: _X86_64[271],
    95: _X86_64[247],
    98: _X86_64[202],
    101: _X86_64[35],
    115: _X86_64[230],
    202: _X86_64[43],
    203: _X86_64[42],
    206: _X86_64[44],
    207: _X86_64[45],
    211: _X86_64[46],
    212: _X86_64[47],
    242: _X86_64[288],
    260: _X86_64[61],
}
_SYSCALL, _SVC = b"\x0f\x05", b"\x01\x00\x00\xd4"


@dataclass(frozen=True)
class SystemCall:
    """A system call; ``first`` is its first argument, ``words`` says what a thread in it waits for."""

    name: str
    words: str
    first: int
    second: int


def system_call(debugger: Debugger, debugger_id: int) -> Optional[SystemCall]:
    """Return the call that a thread is in, None when it is in none or that cannot be told."""
    x86 = _call(debugger, debugger_id, "rip", _SYSCALL, "orig_rax", ("rdi", "rsi"), _X86_64)
    return x86 or _call(debugger, debugger_id, "pc", _SVC, "x8", ("x0", "x1"), _AARCH64)


def _call(
    debugger: Debugger, debugger_id: int, pc: str, instruction: bytes, number: str, arguments: Tuple[str, str],
    table: Dict[int, Tuple[str, str]],
) -> Optional[SystemCall]:
    at = debugger.register(debugger_id, 0, pc)
    if not at:
        return None
    try:
        if debugger.read(at - len(instruction), len(instruction)) != instruction:
            return None
    except MemoryFault:
        return None
    which = debugger.register(debugger_id, 0, number)
    if which is None or which >= 1 << 63:
        return None
    name, words = table.get(which, (f"system call {which}", "the kernel"))
    first, second = (debugger.register(debugger_id, 0, a) or 0 for a in arguments)
    return SystemCall(name, words, first, second)
