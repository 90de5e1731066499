"""How large an object is: what ``sys.getsizeof`` says, without calling anything.

The formulas are those of the ``__sizeof__`` methods of CPython's own types, plus the header of the collector
(_PySys_GetSizeOf in Python/sysmodule.c). They are written once, for numbers and for whole columns of them alike:
a `Reader` fetches members of one object, or of many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Protocol

from ...memory import MemoryFault
from ..objects import HEAP_TYPE, flags_of_type
from ..target import PythonTarget, Unreadable

#: Bits of tp_flags: Include/object.h. The last two: a word for a dict or for weak references before the header.
HAVE_GC = 1 << 14
INLINE_VALUES, MANAGED_WEAKREF, MANAGED_DICT = 1 << 2, 1 << 3, 1 << 4
#: Bases of a type, and methods of one, that are looked at.
_MOST_BASES, _MOST_METHODS = 64, 512
#: What an object can plausibly take: a size beyond this is that of damaged memory.
LARGEST = 1 << 40


class Reader(Protocol):
    """Fetches members. A column (of addresses, of results) may stand for each number."""

    def member(self, name: str, addresses: Any) -> Any:
        """Return the logical field ``name`` of the structures at ``addresses``."""

    def choose(self, condition: Any, yes: Any, no: Any) -> Any:
        """Return ``yes`` where the condition holds, else ``no``."""


@dataclass(frozen=True)
class SizeRule:
    """How the objects of a type are measured.

    ``fixed`` bytes each, header included, and, where that is not all, what ``variable`` tells of an object (of many
    at once where it takes ``columns``). Not ``exact``: the type has a ``__sizeof__`` of its own that is not known here,
    or nobody can tell whether it has one; items, and what an object owns elsewhere, are not counted.
    """

    fixed: int
    exact: bool = True
    variable: Optional[Callable[[Reader, Any], Any]] = None
    columns: bool = True


class _One:
    """The reader of one object at a time. Raises Unreadable."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target

    def member(self, name: str, addresses: int) -> int:
        """Return the number, signed where it is."""
        return self._target.number(name, addresses)

    def choose(self, condition: object, yes: int, no: int) -> int:
        """Return one of the two."""
        return yes if condition else no


class Sizes:
    """Sizes of objects of one target."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._one = _One(target)
        self._rules: Dict[int, SizeRule] = {}
        layout = target.layout
        #: Whether a type tells that its objects vary in size: the table of offsets of a stripped build leaves that out.
        self._tell_all = all(map(layout.has, ("type.itemsize", "type.base", "type.methods", "method_def.name")))
        self._formulas: Dict[str, Callable[[Reader, Any], Any]] = {
            "list": lambda read, at: read.member("list.allocated", at) * 8,
            "bytearray": lambda read, at: read.member("bytearray.alloc", at),
            "dict": self._dict_table,
            "int": self._digits,
            "str": self._text,
        }
        if layout.has("set.table") and layout.has("set.smalltable"):
            self._formulas["set"] = self._formulas["frozenset"] = self._set_table
        if layout.size("heap_type") and layout.size("type"):
            self._formulas["type"] = self._type
        needed = {"list": "list.allocated", "bytearray": "bytearray.alloc", "dict": "dict_keys.refcnt",
                  "int": "int.digits", "str": "str.kind"}
        for name, field in needed.items():
            if not layout.has(field):
                del self._formulas[name]

    def size(self, address: int) -> Optional[int]:
        """Return the size of one object in bytes, None when it cannot be read. Never raises."""
        try:
            return self.size_as(self.rule(self._target.number("object.type", address)), address)
        except Unreadable:
            return None

    def size_as(self, rule: SizeRule, address: int) -> int:
        """Return the size of an object by the rule of its type. Raises Unreadable."""
        if rule.variable is None:
            return rule.fixed
        more = int(rule.variable(self._one, address))
        if not -rule.fixed <= more <= LARGEST:
            raise MemoryFault(address, 8)
        return rule.fixed + more

    def rule(self, type_: int) -> SizeRule:
        """Return how objects of the type at this address are measured. Raises Unreadable."""
        found = self._rules.get(type_)
        if found is None:
            found = self._rules[type_] = self._find_rule(type_)
        return found

    def _find_rule(self, type_: int) -> SizeRule:
        target = self._target
        flags = flags_of_type(target, type_)
        basic = target.number("type.basicsize", type_)
        item = target.value("type.itemsize", type_) or 0
        if not 0 < basic < LARGEST or not 0 <= item < 1 << 20:
            raise MemoryFault(type_, 8)
        before = 0
        if flags & HAVE_GC:
            # Objects of free-threaded builds have no head of the collector: _PyType_PreHeaderSize().
            before = 0 if target.build.free_threaded else target.layout.size("gc_head") or 16
            if flags & (MANAGED_DICT | MANAGED_WEAKREF):
                before += 16
        if not self._tell_all:
            return SizeRule(before + basic, False)
        owner = self._owner_of_sizeof(type_)
        formula = self._formulas.get(owner or "")
        if formula is not None and owner in ("int", "str", "type"):
            return SizeRule(before, True, formula, owner == "int")  # these do not count from the basic size
        if formula is not None:
            return SizeRule(before + basic, True, formula)
        if owner is not None and not (owner == "code" and item):
            return SizeRule(before + basic, False)
        if not item:
            return SizeRule(before + basic)
        return SizeRule(before + basic, True, lambda read, at: abs(read.member("var.size", at)) * item)

    def _owner_of_sizeof(self, type_: int) -> Optional[str]:
        """Return the name of the first base whose own ``__sizeof__`` is not that of ``object``, None if there is none."""
        target = self._target
        at = type_
        for _ in range(_MOST_BASES):
            if not at:
                return None
            base = target.value("type.base", at) or 0
            if base and self._has_sizeof(at):
                name = target.memory.cstring(target.number("type.name", at), 256)
                return name.decode("utf-8", "replace")
            at = base
        return None

    def _has_sizeof(self, type_: int) -> bool:
        target = self._target
        methods, stride = target.value("type.methods", type_), target.layout.size("method_def")
        if not methods or not stride:
            return False
        for index in range(_MOST_METHODS):
            name = target.number("method_def.name", methods + index * stride)
            if not name:
                break
            if target.memory.cstring(name, 16) == b"__sizeof__":
                return True
        return False

    # -- formulas -------------------------------------------------------------------------------
    def _set_table(self, read: Reader, at: Any) -> Any:
        """Mirrors set_sizeof in Objects/setobject.c."""
        inside = at + self._target.layout.offset("set.smalltable")
        entries = read.member("set.mask", at) + 1
        return read.choose(read.member("set.table", at) == inside, 0, entries * 16)

    def _dict_table(self, read: Reader, at: Any) -> Any:
        """Mirrors _PyDict_SizeOf in Objects/dictobject.c: keys that are shared count with the type that has them."""
        keys = read.member("dict.keys", at)
        if self._target.layout.has("dict_keys.log2_size"):
            slots = read.member("dict_keys.entries", keys) + read.member("dict_keys.usable", keys)
        else:
            slots = read.member("dict_keys.size", keys) * 2 // 3
        values = read.choose(read.member("dict.values", at) == 0, 0, slots * 8)
        return values + read.choose(read.member("dict_keys.refcnt", keys) == 1, self._keys(read, keys), 0)

    def _keys(self, read: Reader, keys: Any) -> Any:
        """Return the size of a ``PyDictKeysObject``: _PyDict_KeysSize. USABLE_FRACTION is two thirds."""
        layout = self._target.layout
        header, entry = layout.size("dict_keys") or 0, layout.size("dict_entry") or 24
        if not layout.has("dict_keys.log2_size"):
            size = read.member("dict_keys.size", keys)
            index = read.choose(size <= 0xFF, 1, read.choose(size <= 0xFFFF, 2, read.choose(size <= 0xFFFFFFFF, 4, 8)))
            return header + size * index + size * 2 // 3 * entry
        size = self._power(read, read.member("dict_keys.log2_size", keys))
        indices = self._power(read, read.member("dict_keys.log2_index_bytes", keys))
        short = layout.size("dict_unicode_entry") or entry
        return header + indices + size * 2 // 3 * read.choose(read.member("dict_keys.kind", keys) == 0, entry, short)

    @staticmethod
    def _power(read: Reader, exponent: Any) -> Any:
        """Return two to the power of ``exponent``; of one that is absurd something absurd."""
        return 1 << read.choose(exponent > 48, 48, exponent)

    def _digits(self, read: Reader, at: Any) -> Any:
        """Mirrors int___sizeof___impl in Objects/longobject.c."""
        field = self._target.layout.field("int.digits")
        start, width = (field.offset, field.stride or 4) if field is not None else (24, 4)
        has = self._target.layout.has
        count = read.member("int.tag", at) >> 3 if has("int.tag") else abs(read.member("var.size", at))
        if has("dict_keys.log2_size"):  # from the same version on (3.11), zero too has a digit
            count = read.choose(count == 0, 1, count)
        return start + count * width

    def _text(self, _read: Reader, at: int) -> int:
        """Mirrors unicode_sizeof in Objects/unicodeobject.c. One object at a time."""
        target = self._target
        sizes = target.layout.size
        length, kind = target.number("str.length", at), target.number("str.kind", at)
        if target.number("str.compact", at) and target.number("str.ascii", at):
            return (sizes("str.ascii") or 48) + length + 1
        if target.number("str.compact", at):
            size, data = (sizes("str.compact") or 72) + (length + 1) * kind, at + (sizes("str.compact") or 72)
        else:
            size, data = sizes("str.legacy") or 80, target.number("str.data", at)
            size += (length + 1) * kind if data else 0
        wide = target.value("str.wstr", at)
        if wide and wide != data:
            size += ((target.value("str.wstr_length", at) or 0) + 1) * 4
        copy = target.value("str.utf8", at)
        if copy and copy != data:
            size += (target.value("str.utf8_length", at) or 0) + 1
        return size

    def _type(self, read: Reader, at: int) -> int:
        """Mirrors type___sizeof___impl in Objects/typeobject.c. One object at a time."""
        target = self._target
        if not flags_of_type(target, at) & HEAP_TYPE:
            return target.layout.size("type") or 0
        keys = target.value("heap_type.cached_keys", at)
        return (target.layout.size("heap_type") or 0) + (int(self._keys(read, keys)) if keys else 0)
