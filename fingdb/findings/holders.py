"""Which library keeps an object in a variable of its own."""

from __future__ import annotations

from typing import Dict, Set

from ..debugger.interface import Debugger, DebuggerError
from ..elf import ElfError, open_elf
from ..model.report import Culprit, NativeFrame
from .culprit import PROGRAM, origin_of

#: Larger writable sections are not searched (bytes).
_MOST = 4 << 20


def holders(debugger: Debugger, objects: Set[int]) -> Dict[int, Culprit]:
    """Return, for those of ``objects`` that a static variable of foreign code points to, the variable and its library."""
    found: Dict[int, Culprit] = {}
    for module in debugger.modules():
        if origin_of(NativeFrame(0, 0, 0, None, module.path)) != PROGRAM:
            continue
        try:
            elf = open_elf(module.path)
        except ElfError:
            continue
        for name in (".data", ".bss"):
            section = elf.section(name)
            if section is None or not 8 <= section.size <= _MOST:
                continue
            start = section.address + module.bias
            try:
                words = memoryview(debugger.read(start, section.size & ~7)).cast("Q")
            except DebuggerError:
                continue
            for index, word in enumerate(words):
                if word in objects and word not in found:
                    symbol = debugger.symbol_at(start + 8 * index)
                    found[word] = Culprit(symbol[0] if symbol else name, None, None, module.path)
    return found
