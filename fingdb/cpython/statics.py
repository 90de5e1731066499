"""Where static variables of CPython's C files lie, by the symbol table: older versions keep state in some."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from ..elf import ElfError, open_elf
from ..layout.cache import Cache
from .target import PythonTarget

#: Section of the cache that this file writes.
SECTION = "statics"
#: The variables that readers ask for.
NAMES: Tuple[str, ...] = (
    "arenas", "maxarenas", "raw_allocated_blocks", "_Py_AllocatedBlocks", "obmalloc_state_main", "mi_arenas", "mi_arena_count",
)  # fmt: skip


def static_address(target: PythonTarget, name: str) -> Optional[int]:
    """Return the address of a variable of `NAMES` in the process, None where the build has none. Never raises.

    Link-time optimisation renames static variables (``arenas.lto_priv.0``).
    """
    known = _load(target)
    if known is None:
        known = _from_files(target)
        Cache(target.module.build_id, target.module.path).put(SECTION, known)
    target.statics = known
    address = known.get(name, 0)
    return target.module.bias + address if address else None


def _load(target: PythonTarget) -> Optional[Dict[str, int]]:
    if target.statics is not None:
        return target.statics
    data = Cache(target.module.build_id, target.module.path).get(SECTION)
    if not isinstance(data, dict) or set(data) != set(NAMES):
        return None
    if not all(type(value) is int and 0 <= value < 1 << 48 for value in data.values()):
        return None
    return dict(data)


def _from_files(target: PythonTarget) -> Dict[str, int]:
    """Return the addresses in the file's own address space, 0 for variables that are not there."""
    found = dict.fromkeys(NAMES, 0)
    for path in target.module.symbol_files or (target.module.path,):
        try:
            symbols = open_elf(path).symbols()
        except ElfError:
            continue
        for text, symbol in symbols.items():
            name, _dot, rest = text.partition(".")
            if name in found and not found[name] and symbol.defined and not symbol.function:
                if not rest or rest.startswith("lto_priv"):
                    found[name] = symbol.address
    return found
