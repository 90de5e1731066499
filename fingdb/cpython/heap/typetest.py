"""Whether there is a type object at an address.

A type's own type is ``type`` or derived from it, and the chain of types of types ends in ``type``, whose type it is
itself: words that only look like a type lead elsewhere.
"""

from __future__ import annotations

from typing import Dict, Set

from ..objects import TYPE, flags_of_type, name_of_type
from ..target import PythonTarget, Unreadable

#: Metatypes of metatypes that are gone through; a larger object than this has no type.
_DEEPEST, _LARGEST = 8, 1 << 40


class TypeTest:
    """Tells types from other memory."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._known: Dict[int, int] = {}
        self._sizes: Dict[int, int] = {}
        self._metatypes: Set[int] = set()

    def flags(self, address: int) -> int:
        """Return the flags (``tp_flags``) of the type at ``address``, -1 when there is none. Never raises."""
        found = self._known.get(address)
        if found is None:
            found = self._known[address] = self._look(address)
        return found

    def basic_size(self, address: int) -> int:
        """Return ``tp_basicsize`` of a type for which `flags` told flags, 0 where the build does not tell it. Never raises."""
        return self._sizes.get(address, 0)

    def _look(self, address: int) -> int:
        if address < 4096 or address & 7:
            return -1
        target = self._target
        try:
            if not self._is_metatype(target.number("object.type", address)):
                return -1
            basic = target.value("type.basicsize", address)
            if basic is not None and not 0 < basic < _LARGEST:
                return -1
            name_of_type(target, address)
            self._sizes[address] = basic or 0
            return flags_of_type(target, address)
        except Unreadable:
            return -1

    def _is_metatype(self, address: int) -> bool:
        """Tell whether what is at ``address`` is ``type`` or one of its subclasses. Raises Unreadable."""
        if address in self._metatypes:
            return True
        target, at = self._target, address
        for _ in range(_DEEPEST):
            if at < 4096 or at & 7 or not flags_of_type(target, at) & TYPE:
                return False
            above = target.number("object.type", at)
            if above == at:
                self._metatypes.add(address)
                return True
            at = above
        return False
