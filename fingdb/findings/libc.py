"""Symbols of the C library as the program sees them."""

from __future__ import annotations

import os
from typing import Optional

from ..debugger.interface import Debugger
from ..elf import ElfError, open_elf

_NAMES = ("libc.so", "libc-", "libc.musl", "ld-musl")


def address_in_libc(debugger: Debugger, name: str, copied: bool = False) -> Optional[int]:
    """Return the address of a function or variable of the C library in the target, None if it is not there.

    ``copied`` asks in the executable first: the linker may have put a copy of a variable there, which is
    then the one that counts. A debugger asked for the bare name may answer with the dynamic loader's own.
    """
    modules = list(debugger.modules())
    places = modules[:1] if copied else []
    places += [m for m in modules if os.path.basename(m.path).startswith(_NAMES)]
    for module in places:
        try:
            symbol = open_elf(module.path).find_exported(name)
        except ElfError:
            continue
        if symbol is not None and symbol.defined:
            return symbol.address + module.bias
    return None
