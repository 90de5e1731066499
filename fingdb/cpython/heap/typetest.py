"""Whether there is a type object at an address."""

from __future__ import annotations

from typing import Dict

from ..objects import TYPE, flags_of_type, name_of_type
from ..target import PythonTarget, Unreadable


class TypeTest:
    """Tells types from other memory: a type's own type is a subclass of ``type``, and it has a name."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._known: Dict[int, int] = {}

    def flags(self, address: int) -> int:
        """Return the flags (``tp_flags``) of the type at ``address``, -1 when there is none. Never raises."""
        found = self._known.get(address)
        if found is None:
            found = self._known[address] = self._look(address)
        return found

    def _look(self, address: int) -> int:
        if address < 4096 or address & 7:
            return -1
        target = self._target
        try:
            meta = target.number("object.type", address)
            if meta < 4096 or meta & 7 or not flags_of_type(target, meta) & TYPE:
                return -1
            name_of_type(target, address)
            return flags_of_type(target, address)
        except Unreadable:
            return -1
