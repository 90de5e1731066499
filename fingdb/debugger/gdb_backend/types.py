"""Symbols and structure layouts from gdb's symbol tables and debug information."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

import gdb

from ..interface import Field
from .language import c_language
from .postponed import Postponed

_KINDS = {
    gdb.TYPE_CODE_PTR: "pointer",
    gdb.TYPE_CODE_STRUCT: "struct",
    gdb.TYPE_CODE_UNION: "struct",
    gdb.TYPE_CODE_ARRAY: "array",
    gdb.TYPE_CODE_FLT: "float",
    gdb.TYPE_CODE_FUNC: "struct",
}
#: Structures inside structures are looked into this deep.
_DEEPEST = 5
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_AT = re.compile(r"^(.+?)(?: \+ (\d+))?(?: in section .*)?$")  # names of C++ have blanks in them


class Types(Postponed):
    """Names to addresses, and members to offsets."""

    def __init__(self) -> None:
        super().__init__()
        self._types: Dict[Tuple[object, str], Optional[gdb.Type]] = {}

    def symbol_address(self, name: str) -> Optional[int]:
        """Return the address of a symbol, None if unknown."""
        if self.postponed is not None:
            return self.mapped_symbol(name)
        try:
            with c_language():
                return int(gdb.parse_and_eval(f"(unsigned long)&{name}")) & (1 << 64) - 1
        except gdb.error:
            return None

    def symbol_at(self, address: int) -> Optional[Tuple[str, int]]:
        """Return name and start of the ELF symbol that covers ``address``."""
        self.need_symbols()
        try:
            text = gdb.execute(f"info symbol {address:#x}", to_string=True).strip()
        except gdb.error:
            return None
        found = _AT.match(text.split("\n")[0])
        if found is None or text.startswith("No symbol"):
            return None
        return found.group(1), address - int(found.group(2) or 0)

    def _type(self, name: str) -> Optional[gdb.Type]:
        self.need_symbols()
        key = (_program(), name)
        if key not in self._types or self._types[key] is None:
            try:
                self._types[key] = gdb.lookup_type(name).strip_typedefs()
            except gdb.error:
                return None
        return self._types[key]

    def struct_size(self, struct: str) -> Optional[int]:
        """Return the size of a type in bytes, None if unknown."""
        found = self._type(struct)
        return None if found is None else found.sizeof

    def members(self, struct: str) -> List[Tuple[str, Field]]:
        """Return the members of a structure, those of structures inside it in their place."""
        found = self._type(struct)
        return [] if found is None else list(_members(found, "", 0, 0))

    def member_at(self, struct: str, offset: int) -> Optional[str]:
        """Return the path of the member that covers an offset, None if there is none."""
        found = self._type(struct)
        return None if found is None else _path_at(found, offset)

    def pointed_structs(self, function: int) -> List[str]:
        """Return the names of the structures to which arguments and variables of a function point.

        Not those of what was inlined into it, even where its first instruction belongs to that.
        """
        self.need_symbols()
        try:
            block = gdb.block_for_pc(function)
        except (gdb.error, RuntimeError):
            return []
        found: Dict[str, None] = {}
        inlined = False
        while block is not None and block.superblock is not None and not block.is_global and not block.is_static:
            if inlined:
                found.clear()
            inlined = block.function is not None  # if there is another function around it
            for symbol in block:
                if (symbol.is_argument or symbol.is_variable) and symbol.type is not None:
                    type_ = symbol.type.strip_typedefs()
                    if type_.code == gdb.TYPE_CODE_PTR:
                        found[str(type_.target().unqualified())] = None
            block = block.superblock
        return [name for name in found if name.replace("struct ", "").replace("_", "").isalnum()]

    def enum_values(self, enum: str) -> Mapping[str, int]:
        """Return the constants of ``enum enum`` with their values, none if there is no such type."""
        # By the type: a constant that is not there would be looked for in all debug information.
        found = self._type(f"enum {enum}")
        if found is None or found.code != gdb.TYPE_CODE_ENUM:
            return {}
        return {field.name: field.enumval for field in found.fields() if field.name}

    def field(self, struct: str, path: str) -> Optional[Field]:
        """Return where ``path`` lies in ``struct``, None if there is no such type or member."""
        current = self._type(struct)
        if current is None:
            return None
        offset = 0
        bits = (0, 0)
        for name, index in _PART.findall(path):
            current = current.strip_typedefs()
            if index:
                if current.code != gdb.TYPE_CODE_ARRAY:
                    return None
                element = current.target()
                offset += int(index) * element.sizeof
                current = element
                continue
            found = _member(current, name)
            if found is None:
                return None
            position, current, width = found
            if width:
                # A bit field: describe it within its storage unit of the declared type's size.
                unit = current.strip_typedefs().sizeof * 8
                base = position // unit * unit
                offset += base // 8
                bits = (position - base, width)
            else:
                offset += position // 8
        return _describe(current, offset, bits)


def _program() -> Optional[str]:
    space = gdb.current_progspace()
    return space.filename if space is not None else None


def _member(type_: gdb.Type, name: str) -> Optional[Tuple[int, gdb.Type, int]]:
    """Return (bit position, type, bit width or 0) of a member, through anonymous members."""
    if type_.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return None
    for field in type_.fields():
        if not hasattr(field, "bitpos"):
            continue  # a static member
        position, inner_type = field.bitpos, field.type
        if position is None or inner_type is None:
            continue
        if field.name == name:
            return position, inner_type, field.bitsize
        if not field.name:
            inner = _member(inner_type.strip_typedefs(), name)
            if inner is not None:
                return position + inner[0], inner[1], inner[2]
    return None


def _members(type_: gdb.Type, prefix: str, offset: int, depth: int) -> Iterator[Tuple[str, Field]]:
    """Yield path and place of every member that is no structure; of arrays of structures only the first element."""
    if type_.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) or depth > _DEEPEST:
        return
    for field in type_.fields():
        position = getattr(field, "bitpos", None)
        if position is None or field.type is None or field.bitsize:
            continue
        inner = field.type.strip_typedefs()
        name = f"{prefix}.{field.name}" if prefix and field.name else field.name or prefix
        at = offset + position // 8
        if inner.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            yield from _members(inner, name, at, depth + 1)
        else:
            yield name, _describe(field.type, at, (0, 0))


def _path_at(type_: gdb.Type, offset: int) -> Optional[str]:
    """Return the path of the member that covers an offset; of a union that of the first member that does."""
    path = ""
    for _ in range(4 * _DEEPEST):
        if type_.code == gdb.TYPE_CODE_ARRAY:
            element = type_.target().strip_typedefs()
            if not element.sizeof:
                return None
            path += f"[{offset // element.sizeof}]"
            type_, offset = element, offset % element.sizeof
        elif type_.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            for field in type_.fields():
                position = getattr(field, "bitpos", None)
                if position is None or field.type is None:
                    continue
                inner = field.type.strip_typedefs()
                if position // 8 <= offset < position // 8 + inner.sizeof:
                    break
            else:
                return None
            if field.name:
                path += f".{field.name}" if path else field.name
            type_, offset = inner, offset - position // 8
        else:
            return path if not offset else f"{path}+{offset}"
    return path


def _describe(type_: gdb.Type, offset: int, bits: Tuple[int, int]) -> Field:
    bare = type_.strip_typedefs()
    kind = _KINDS.get(bare.code)
    if kind is None:
        kind = "int" if getattr(bare, "is_signed", bare.code == gdb.TYPE_CODE_INT) and not _unsigned(bare) else "uint"
    count = stride = 0
    named = type_
    if kind == "array":
        named = bare.target()
        stride = named.sizeof
        count = bare.sizeof // stride if stride else 0
    elif kind == "pointer":
        named = bare.target()
    name = str(named.unqualified())
    return Field(offset, bare.sizeof, kind, name, bits[0], bits[1], count, stride)


def _unsigned(type_: gdb.Type) -> bool:
    if hasattr(type_, "is_signed"):
        try:
            return not type_.is_signed
        except ValueError:
            return True
    return "unsigned" in str(type_) or type_.code in (gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM)
