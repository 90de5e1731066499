"""Raw reads of the target's memory through gdb, or from the kernel where gdb would only ask it in turn."""

from __future__ import annotations

import os
import sys
from typing import Optional, Tuple

import gdb

from ..core_memory import CoreMemory, open_core
from ..interface import MemoryFault

#: Higher addresses are not the file offsets that the kernel takes.
_TOP = 1 << 63


class RawMemory:
    """Memory of the selected inferior.

    A read through gdb costs 15 microseconds, one from ``/proc/PID/mem`` or the mapped core file a tenth
    of it, and a walk over the objects makes thousands. What differs is code where gdb has breakpoints:
    nobody here reads code from a process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pointer_size = 0
        #: The process whose memory file is open, and its descriptor (-1: gdb must do it).
        self._open: Tuple[int, int] = (0, -1)
        #: The connection to the core file that is mapped (None: to nothing), and its memory.
        self._core: Tuple[object, Optional[CoreMemory]] = (None, None)

    def read(self, address: int, length: int) -> bytes:
        """Return ``length`` bytes at ``address``. Raises MemoryFault."""
        if length <= 0:
            return b""
        if address < 0 or address + length > 1 << 64:
            raise MemoryFault(address, length)
        inferior = gdb.selected_inferior()
        if inferior.pid and address + length <= _TOP:
            found = self._from_kernel(inferior.pid, address, length)
            if found is None and self._open[1] < 0:
                core = self.core_memory()
                found = None if core is None else core.read(address, length)
            if found is not None:
                return found
        try:
            return bytes(inferior.read_memory(address, length))
        except (gdb.error, gdb.MemoryError, OverflowError, ValueError, MemoryError):
            # OverflowError, ValueError: beyond what gdb takes for an address or a length.
            raise MemoryFault(address, length) from None

    def read_into(self, address: int, buffer: memoryview) -> int:
        """Fill ``buffer`` with memory from ``address`` on; return how many bytes could be read, perhaps none."""
        length = len(buffer)
        pid = gdb.selected_inferior().pid
        if pid and 0 <= address <= _TOP - length and self._descriptor(pid) >= 0:
            try:
                done = os.preadv(self._open[1], [buffer], address)
            except OSError:
                return 0
            if done:
                return done
        try:
            buffer[:] = self.read(address, length)
        except MemoryFault:
            return 0
        return length

    def _from_kernel(self, pid: int, address: int, length: int) -> Optional[bytes]:
        """Return the bytes, None when gdb is to be asked. Raises MemoryFault where nothing is mapped."""
        descriptor = self._descriptor(pid)
        if descriptor < 0:
            return None
        try:
            found = os.pread(descriptor, length, address)
        except OSError:
            # Not mapped, by far the most often: gdb would say the same, ten times slower.
            raise MemoryFault(address, length) from None
        if len(found) == length:
            return found
        if found:
            raise MemoryFault(address, length)
        # Nothing at all: the file is of a memory that is gone, the process has executed another program.
        self.forget_memory()
        return None

    def _descriptor(self, pid: int) -> int:
        """Return the descriptor of the process's memory file, -1 where gdb must read."""
        if self._open[0] != pid:
            self._open_memory(pid)
        return self._open[1]

    def _open_memory(self, pid: int) -> None:
        self.forget_memory()
        descriptor = -1
        if _is_native():
            try:
                descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                pass
        self._open = (pid, descriptor)

    def forget_memory(self) -> None:
        """Close the memory file: its process is gone, or runs another program now."""
        _pid, descriptor = self._open
        self._open = (0, -1)
        if descriptor >= 0:
            os.close(descriptor)

    def core_memory(self) -> Optional[CoreMemory]:
        """Return the memory in the core file of the selected inferior, None when it has none that can be mapped."""
        connection = getattr(gdb.selected_inferior(), "connection", None)
        if connection is None or connection.type != "core":
            return None
        if self._core[0] is not connection:
            path = self._core_path()
            self._core = (connection, open_core(path) if path else None)
        return self._core[1]

    def _core_path(self) -> Optional[str]:
        raise NotImplementedError

    @property
    def pointer_size(self) -> int:
        """Size of a pointer of the target in bytes."""
        if not self._pointer_size:
            self._pointer_size = gdb.lookup_type("char").pointer().sizeof
        return self._pointer_size

    @property
    def big_endian(self) -> bool:
        """Byte order of the target."""
        text = gdb.execute("show endian", to_string=True)
        return "big endian" in text if "endian" in text else sys.byteorder == "big"


def _is_native() -> bool:
    """Tell whether the selected inferior is a process of this machine under gdb's own ptrace."""
    connection = getattr(gdb.selected_inferior(), "connection", None)
    return connection is not None and connection.type == "native" and sys.platform == "linux"
