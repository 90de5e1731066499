"""From a ``pthread_t`` to the kernel's thread id, for builds whose thread states lack it (< 3.11)."""

from __future__ import annotations

import struct
from typing import Dict, Optional, Set

from ..memory import MemoryFault
from .target import PythonTarget

#: glibc tells libthread_db where ``tid`` lies in struct pthread: three 32-bit words (bits,
#: elements, offset in bytes) under this name.
_GLIBC_TID = "_thread_db_pthread_tid"
#: ``tid`` lies within this many bytes of struct pthread in every C library.
_STRUCT_PTHREAD = 1024


class NativeIds:
    """Kernel thread ids by pthread_t, checked against the threads that the debugger knows."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._known: Set[int] = {t.native_id for t in target.debugger.threads() if t.native_id > 0}
        self._offset: Optional[int] = None
        self._asked = False
        self._found: Dict[int, int] = {}

    def of(self, pthread: int) -> int:
        """Return the kernel id of the thread, 0 when no living thread is found for it. Never raises."""
        if pthread not in self._found:
            self._found[pthread] = self._look_up(pthread)
        return self._found[pthread]

    def _look_up(self, pthread: int) -> int:
        memory = self._target.memory
        try:
            offset = self._tid_offset(pthread)
            tid = memory.u32(pthread + offset) if offset is not None else 0
        except MemoryFault:
            return 0
        return tid if tid in self._known else 0

    def _tid_offset(self, pthread: int) -> Optional[int]:
        if not self._asked:
            self._asked = True
            self._offset = self._told_by_libc()
        if self._offset is None:
            self._offset = self._searched(pthread)
        return self._offset

    def _told_by_libc(self) -> Optional[int]:
        memory = self._target.memory
        address = self._target.debugger.symbol_address(_GLIBC_TID)
        if address is None:
            return None
        try:
            bits, count, offset = (memory.u32(address + 4 * i) for i in range(3))
        except MemoryFault:
            return None
        if bits == 32 and count == 1 and offset < 4 * _STRUCT_PTHREAD and offset % 4 == 0:
            return offset
        return None

    def _searched(self, pthread: int) -> Optional[int]:
        """Find the only place in the structure that holds the id of one of the known threads."""
        data = self._target.memory.read_some(pthread, _STRUCT_PTHREAD)
        count = len(data) // 4
        words = struct.unpack((">" if self._target.memory.big_endian else "<") + f"{count}I", data[: 4 * count])
        places = [4 * index for index, word in enumerate(words) if word in self._known]
        return places[0] if len(places) == 1 else None
