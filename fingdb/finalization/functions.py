"""The functions of one module by name and by address, from its ELF symbol tables."""

from __future__ import annotations

import bisect
from typing import Dict, Iterable, List, Optional, Tuple

from ..debugger.interface import DebuggerError
from ..elf import ElfError, ElfSymbol, open_elf


class NoPlan(DebuggerError):
    """The symbol tables of a module do not show its finalization."""


def base_name(symbol: str) -> str:
    """Return the function's name in the source: what precedes ``.part.0``, ``.constprop.0`` and the like."""
    return symbol if "." not in symbol or symbol[0] == "." else symbol.split(".", 1)[0]


def is_cold(symbol: str) -> bool:
    """Tell whether a symbol names the part of a function that was moved away as unlikely."""
    return ".cold" in symbol


def is_unnamed(symbol: str) -> bool:
    """Tell whether a name stands for a function that has none: its address takes the place."""
    return symbol.startswith("0x")


class Functions:
    """Function symbols of a module; addresses are the ELF file's own."""

    def __init__(self, symbols: Iterable[ElfSymbol]) -> None:
        self._by_name: Dict[str, ElfSymbol] = {}
        by_address: Dict[int, ElfSymbol] = {}
        for symbol in symbols:
            if not symbol.defined or not symbol.function:
                continue
            self._by_name.setdefault(symbol.name, symbol)
            known = by_address.get(symbol.address)
            # Aliases share an address; the plainest name is the one in the source.
            if known is None or (len(symbol.name), symbol.name) < (len(known.name), known.name):
                by_address[symbol.address] = symbol
        self._starts: List[int] = sorted(by_address)
        self._at = by_address
        self._with_base: Optional[Dict[str, List[ElfSymbol]]] = None
        self._cold: Dict[str, List[ElfSymbol]] = {}

    @classmethod
    def of_files(cls, paths: Iterable[str]) -> "Functions":
        """Read the symbol tables of a module and its debug file. Files that cannot be read count as empty."""
        symbols: List[ElfSymbol] = []
        for path in paths:
            try:
                symbols.extend(open_elf(path).symbols(functions=True).values())
            except ElfError:
                continue
        return cls(symbols)

    def all(self) -> Iterable[ElfSymbol]:
        """Return all symbols, aliases included."""
        return self._by_name.values()

    def named(self, name: str) -> Optional[ElfSymbol]:
        """Return the symbol of exactly that name, None if there is none."""
        return self._by_name.get(name)

    def starting_at(self, address: int) -> Optional[ElfSymbol]:
        """Return the function that starts at ``address``, None if none does."""
        return self._at.get(address)

    def covering(self, address: int) -> Optional[ElfSymbol]:
        """Return the function whose instructions include ``address``, None if there is none."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        symbol = self._at[self._starts[index]]
        return symbol if address < symbol.address + max(symbol.size, 1) else None

    def with_base(self, name: str) -> List[ElfSymbol]:
        """Return the function and its clones (``name``, ``name.part.0``, …), without cold parts."""
        return list(self._clones().get(name, ()))

    def ranges(self, symbol: ElfSymbol) -> List[Tuple[int, int]]:
        """Return the [start, end) pairs of a function's instructions, the entry's first."""
        self._clones()
        found = [(symbol.address, symbol.address + symbol.size)]
        found.extend((other.address, other.address + other.size) for other in self._cold.get(symbol.name, ()))
        return found

    def _clones(self) -> Dict[str, List[ElfSymbol]]:
        """Return the functions by the name in the source; made at first use, a runtime has ten thousand."""
        if self._with_base is None:
            self._with_base = {}
            for name, symbol in self._by_name.items():
                if not is_cold(name):
                    self._with_base.setdefault(base_name(name), []).append(symbol)
                elif symbol.size:
                    self._cold.setdefault(name.split(".cold", 1)[0], []).append(symbol)
        return self._with_base

    def __len__(self) -> int:
        return len(self._by_name)
