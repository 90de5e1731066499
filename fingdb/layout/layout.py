"""`Layout`: the table of `fields` resolved for one build of CPython."""

from __future__ import annotations

import dataclasses
import zlib
from typing import Dict, Mapping, Optional, Tuple

from ..debugger.interface import Debugger, Field
from . import fields as table
from .cache import Cache

#: Sections of the cache that this file writes.
SECTION = "fields"
_KINDS = ("int", "uint", "float", "pointer", "struct", "array")
_SCALARS = ("int", "uint", "float", "pointer")
#: No structure of CPython is larger (`_PyRuntimeState` of 3.13: 277 KiB; with 3.12's obmalloc 450).
_LARGEST = 1 << 26


@dataclasses.dataclass
class Layout:
    """Offsets of one build. ``source`` is ``dwarf``, ``debug-offsets`` or ``exported-functions`` (see `getters`)."""

    source: str
    fields: Dict[str, Optional[Field]] = dataclasses.field(default_factory=dict)
    sizes: Dict[str, Optional[int]] = dataclasses.field(default_factory=dict)
    enums: Dict[str, Optional[int]] = dataclasses.field(default_factory=dict)

    def field(self, name: str) -> Optional[Field]:
        """Return where the logical field ``name`` lies, None when the build has no such member."""
        return self.fields.get(name)

    def has(self, name: str) -> bool:
        """Tell whether the build has the logical field ``name``."""
        return self.fields.get(name) is not None

    def offset(self, name: str, default: int = 0) -> int:
        """Return the offset of a logical field in bytes, ``default`` when the build lacks it."""
        found = self.fields.get(name)
        return default if found is None else found.offset

    def size(self, name: str) -> Optional[int]:
        """Return the size of a structure of `fields.SIZES` in bytes, None if unknown."""
        return self.sizes.get(name)

    def enum(self, name: str) -> Optional[int]:
        """Return the value of a constant of `fields.ENUMS`, None when the build lacks it."""
        return self.enums.get(name)

    @property
    def usable(self) -> bool:
        """Whether it has what every reader needs."""
        return all(self.has(name) for name in table.REQUIRED)


def from_debug_information(debugger: Debugger) -> Layout:
    """Return the layout as the debug information of the target tells it, perhaps unusable."""
    layout = Layout("dwarf")
    if debugger.struct_size("PyObject") is None:
        # No type, no layout: spare a look-up of each of the others.
        return layout
    known: Dict[str, Optional[int]] = {}
    for name, row in table.ROWS.items():
        layout.fields[name] = _resolve(debugger, row, known)
    for name, structs in table.SIZES.items():
        found = (_size(debugger, struct, known) for struct in structs)
        layout.sizes[name] = next((size for size in found if size is not None), None)
    constants: Dict[str, int] = {}
    for enum in table.ENUM_TYPES:
        constants.update(debugger.enum_values(enum))
    for name in table.ENUMS:
        layout.enums[name] = constants.get(name)
    return layout


def _size(debugger: Debugger, struct: str, known: Dict[str, Optional[int]]) -> Optional[int]:
    """Return a structure's size, asked for once, and only when no earlier spelling will do.

    gdb answers fast for what is there and for what is nowhere; for a `struct X` where only a typedef has that
    name it reads every unit that has the typedef.
    """
    if struct not in known:
        known[struct] = debugger.struct_size(struct)
    return known[struct]


def _resolve(debugger: Debugger, row: table.Row, known: Dict[str, Optional[int]]) -> Optional[Field]:
    for struct, path in row.spellings:
        if _size(debugger, struct, known) is not None:
            found = debugger.field(struct, path)
            if found is not None and (found.kind in _SCALARS) == row.scalar:
                return found
    return None


# -- the cache ------------------------------------------------------------------------------------
def fingerprint() -> str:
    """Return a digest of the table: a cached layout of another table is of no use."""
    text = repr((sorted(table.ROWS.items()), sorted(table.SIZES.items()), table.ENUMS))
    return f"{zlib.crc32(text.encode()):08x}-{len(text)}"


def load(cache: Cache) -> Optional[Layout]:
    """Return the layout that an earlier session kept, None when there is none that is complete."""
    data = cache.get(SECTION)
    if not isinstance(data, dict) or data.get("table") != fingerprint():
        return None
    fields = _checked_fields(data.get("fields"))
    sizes = _checked_numbers(data.get("sizes"), table.SIZES, 1, _LARGEST)
    enums = _checked_numbers(data.get("enums"), table.ENUMS, -(1 << 31), 1 << 32)
    if fields is None or sizes is None or enums is None:
        return None
    layout = Layout("dwarf", fields, sizes, enums)
    return layout if layout.usable else None


def save(cache: Cache, layout: Layout) -> None:
    """Keep a layout that came from complete debug information for later sessions."""
    if layout.source != "dwarf" or not layout.usable:
        return
    fields = {
        name: None if f is None else
        [f.offset, f.size, f.kind, f.type, f.bit_offset, f.bit_size, f.count, f.stride]
        for name, f in layout.fields.items()
    }
    cache.put(SECTION, {
        "table": fingerprint(), "fields": fields, "sizes": layout.sizes, "enums": layout.enums,
    })


def _checked_fields(data: object) -> Optional[Dict[str, Optional[Field]]]:
    if not isinstance(data, dict) or set(data) != set(table.ROWS):
        return None
    found: Dict[str, Optional[Field]] = {}
    for name, row in table.ROWS.items():
        if data[name] is None:
            found[name] = None
            continue
        checked = _checked_field(data[name])
        if checked is None or (checked.kind in _SCALARS) != row.scalar:
            return None
        found[name] = checked
    return found


def _checked_field(data: object) -> Optional[Field]:
    if not isinstance(data, list) or len(data) != 8:
        return None
    offset, size, kind, type_, bit_offset, bit_size, count, stride = data
    for number in (offset, size, bit_offset, bit_size, count, stride):
        if type(number) is not int or not 0 <= number <= _LARGEST:
            return None
    if kind not in _KINDS or not isinstance(type_, str):
        return None
    if kind in _SCALARS and size not in (1, 2, 4, 8, 16):
        return None
    if bit_size and bit_offset + bit_size > 8 * size:
        return None
    return Field(offset, size, kind, type_, bit_offset, bit_size, count, stride)


def _checked_numbers(
    data: object, names: "Mapping[str, object] | Tuple[str, ...]", low: int, high: int
) -> Optional[Dict[str, Optional[int]]]:
    if not isinstance(data, dict) or set(data) != set(names):
        return None
    found: Dict[str, Optional[int]] = {}
    for name, number in data.items():
        if number is not None and (type(number) is not int or not low <= number <= high):
            return None
        found[name] = number
    return found
