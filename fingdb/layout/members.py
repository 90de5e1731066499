"""The members of C structures that point to objects, as the debug information names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple

from ..debugger.interface import Debugger
from .cache import Cache

#: Section of the cache that this file writes.
SECTION = "members"
#: Pointers to no type at all are kept apart: what they point to the table of types must say.
_UNTYPED = "void"
_LARGEST = 1 << 20


@dataclass(frozen=True)
class ObjectMembers:
    """A structure: its size, (path, offset) of the members that point to objects, and of those that are ``void *``."""

    size: int
    objects: Tuple[Tuple[str, int], ...]
    untyped: Tuple[Tuple[str, int], ...] = ()

    def offset(self, name: str) -> Optional[int]:
        """Return the offset of the member whose path ends with ``name``, None if there is none."""
        for path, offset in self.objects + self.untyped:
            if path == name or path.endswith("." + name):
                return offset
        return None


class MemberTable:
    """The structures of one build, looked up when first asked for and kept from session to session.

    ``type_offset`` is where an object keeps its type: what has an ``ob_type`` there is an object.
    """

    def __init__(self, debugger: Debugger, build_id: Optional[str], type_offset: int, path: Optional[str] = None) -> None:
        self._debugger = debugger
        self._cache = Cache(build_id, path)
        self._type_offset = type_offset
        self._known: Dict[str, ObjectMembers] = _checked(self._cache.get(SECTION))
        self._missing: Dict[str, bool] = {}
        self._objects: Dict[str, bool] = {}

    def of(self, struct: str) -> Optional[ObjectMembers]:
        """Return the members of ``struct``, None when neither debug information nor cache knows it."""
        found = self._known.get(struct)
        if found is None and struct not in self._missing:
            found = self.read(struct)
            if found is None:
                self._missing[struct] = True
            else:
                self._known[struct] = found
                self._cache.put(SECTION, {n: [m.size, m.objects, m.untyped] for n, m in self._known.items()})
        return found

    def read(self, struct: str) -> Optional[ObjectMembers]:
        """Return the members of ``struct`` as the debug information has them now, None if it has no such type."""
        size = self._debugger.struct_size(struct)
        if not size:
            return None
        objects: List[Tuple[str, int]] = []
        untyped: List[Tuple[str, int]] = []
        for path, field in self._debugger.members(struct):
            if field.kind != "pointer" or path.rpartition(".")[2] == "ob_type":
                continue
            if field.type == _UNTYPED:
                untyped.append((path, field.offset))
            elif self._is_object(field.type):
                objects.append((path, field.offset))
        return ObjectMembers(size, tuple(objects), tuple(untyped))

    def struct_of(self, functions: Iterable[int], size: int) -> Optional[str]:
        """Return the structure of ``size`` bytes that begins as an object does and that functions point to.

        None where there is none, or more than one.
        """
        found: Dict[str, None] = {}
        for function in functions:
            for name in self._debugger.pointed_structs(function):
                if self._debugger.struct_size(name) == size and self._is_object(name):
                    found[name] = None
        return next(iter(found)) if len(found) == 1 else None

    def _is_object(self, type_: str) -> bool:
        known = self._objects.get(type_)
        if known is None:
            known = False
            if type_.replace("_", "").isalnum() or type_.startswith("struct "):
                for name in (type_, "struct " + type_):
                    members = self._debugger.members(name)
                    if members:
                        known = any(
                            path.rpartition(".")[2] == "ob_type" and field.offset == self._type_offset
                            for path, field in members[:12]
                        )
                        break
            self._objects[type_] = known
        return known


def _checked(data: object) -> Dict[str, ObjectMembers]:
    """Return what the cache holds, nothing if one word of it is not as we wrote it."""
    if not isinstance(data, dict):
        return {}
    found: Dict[str, ObjectMembers] = {}
    for struct, record in data.items():
        if not isinstance(record, list) or len(record) != 3 or type(record[0]) is not int:
            return {}
        lists = []
        for members in record[1:]:
            if not isinstance(members, list):
                return {}
            for member in members:
                if not (isinstance(member, list) and len(member) == 2 and isinstance(member[0], str)):
                    return {}
                if type(member[1]) is not int or not 0 <= member[1] < _LARGEST:
                    return {}
            lists.append(tuple((path, offset) for path, offset in members))
        if not 0 < record[0] < _LARGEST:
            return {}
        found[struct] = ObjectMembers(record[0], lists[0], lists[1])
    return found
