"""Version and kind of a build, from the file that holds the runtime."""

from __future__ import annotations

import re
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from ..elf import ElfFile, ElfSymbol
from ..layout.cache import Cache

SECTION = "build"
#: PY_VERSION as the compiler left it; a linker may have merged it into a longer string's end.
_VERSION = re.compile(rb"(?<![0-9.])(3\.(\d{1,2})\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?\+?)\0")
_LEVELS = {0xA: "a", 0xB: "b", 0xC: "rc", 0xF: ""}
#: Exported by --with-pydebug builds only (Py_REF_DEBUG), and by free-threaded builds only.
_DEBUG_SYMBOL = "_Py_NegativeRefcount"
_FREE_THREADED_SYMBOLS = ("_Py_MergeZeroLocalRefcount", "_Py_DecRefShared")


class BuildFacts(NamedTuple):
    """What the file tells. ``runtime`` is the address of ``_PyRuntime`` in the file's own address
    space; ``version`` is empty when the file does not tell it."""

    runtime: int
    version: str
    debug_build: bool
    free_threaded: bool


def text_of(hexversion: int) -> str:
    """Return ``PY_VERSION_HEX`` as text, "3.13.0rc2". Mirrors Include/patchlevel.h."""
    major, minor, micro = hexversion >> 24 & 255, hexversion >> 16 & 255, hexversion >> 8 & 255
    level, serial = hexversion >> 4 & 15, hexversion & 15
    suffix = _LEVELS.get(level, "?")
    return f"{major}.{minor}.{micro}" + (f"{suffix}{serial}" if suffix else "")


def numbers_of(version: str) -> Tuple[int, int]:
    """Return major and minor version, (0, 0) when the text has none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def read_facts(elf: ElfFile, symbols: Mapping[str, ElfSymbol], runtime: int, big_endian: bool) -> BuildFacts:
    """Return what the file with the runtime tells of its build."""
    return BuildFacts(
        runtime,
        _version(elf, symbols, big_endian),
        _defined(symbols, _DEBUG_SYMBOL),
        any(_defined(symbols, name) for name in _FREE_THREADED_SYMBOLS),
    )


def _defined(symbols: Mapping[str, ElfSymbol], name: str) -> bool:
    symbol = symbols.get(name)
    return symbol is not None and symbol.defined


def _version(elf: ElfFile, symbols: Mapping[str, ElfSymbol], big_endian: bool) -> str:
    symbol = symbols.get("Py_Version")  # from 3.11
    if symbol is not None and symbol.defined:
        data = elf.read(symbol.address, 8 if elf.is_64 else 4)
        word = int.from_bytes(data, "big" if big_endian else "little")
        if 3 <= word >> 24 <= 4:
            return text_of(word)
    return version_in(elf.section_bytes(".rodata"))


def version_in(constants: bytes) -> str:
    """Return PY_VERSION as found among the constant strings of a build, "" if it is not clear.

    Other libraries' versions may lie there too: the one whose "python3.X" is there as well is ours.
    """
    found: Dict[str, int] = {}
    for match in _VERSION.finditer(constants):
        if b"python3." + match.group(2) in constants:
            text = match.group(1).decode()
            found[text] = found.get(text, 0) + 1
    return max(found, key=lambda text: found[text]) if found else ""


def load(cache: Cache) -> Optional[BuildFacts]:
    """Return the facts that an earlier session kept, None when there are none."""
    data = cache.get(SECTION)
    if not isinstance(data, dict):
        return None
    runtime, version = data.get("runtime"), data.get("version")
    debug_build, free_threaded = data.get("debug_build"), data.get("free_threaded")
    if type(runtime) is not int or not 0 < runtime < 1 << 48 or not isinstance(version, str):
        return None
    if not isinstance(debug_build, bool) or not isinstance(free_threaded, bool):
        return None
    if numbers_of(version) == (0, 0) or len(version) > 40:
        return None
    return BuildFacts(runtime, version, debug_build, free_threaded)


def save(cache: Cache, facts: BuildFacts) -> None:
    """Keep the facts for later sessions."""
    if facts.version:
        cache.put(SECTION, {
            "runtime": facts.runtime, "version": facts.version,
            "debug_build": facts.debug_build, "free_threaded": facts.free_threaded,
        })
