"""``sys.modules``."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..model.report import Module
from . import dicts
from .late_counts import counted_late
from .objects import is_instance_of, is_none, refcount, short_repr, string, type_name
from .target import PythonTarget, Unreadable

#: Entries of a module's dict that are looked at to tell whether it was cleared.
_LOOK = 4096
#: ``__file__`` is among the first so many, where the import system put it.
_HEADER = 12


def read_modules(target: PythonTarget, interpreter: int, problems: List[str]) -> Optional[List[Module]]:
    """Return the entries of ``sys.modules`` in their order, None when there is no such dict.

    Never raises; what went wrong is appended to ``problems``.
    """
    found: List[Module] = []
    try:
        if not target.layout.has("interp.modules"):
            problems.append("without debug information it is not known where sys.modules lies")
            return None
        modules = target.value("interp.modules", interpreter)
        if not modules:
            return None
        for key, value in dicts.items(target, modules):
            found.append(_module(target, key, value))
    except Unreadable as error:
        problems.append(f"sys.modules is broken after {len(found)} entries: {error}")
    return found


def _module(target: PythonTarget, key: int, address: int) -> Module:
    try:
        name = string(target, key)
    except Unreadable:
        name = short_repr(target, key)  # keys need not be strings
    module = Module(name, address, "?", 0, "unknown")
    try:
        module.type = type_name(target, address)
        module.refcount = refcount(target, address)
        module.held = counted_late(target, address)
        if is_none(target, address):
            module.state = "none"
        elif not is_instance_of(target, address, "module"):
            module.state = "live"  # any object may stand in for a module
        else:
            module.state, module.file = _state(target, address)
    except Unreadable:
        pass  # what could be read is in the record; the state says "unknown"
    return module


def _state(target: PythonTarget, address: int) -> Tuple[str, Optional[str]]:
    """Return state and ``__file__`` of a module object. Raises Unreadable.

    Mirrors _PyModule_ClearDict (Objects/moduleobject.c): clearing sets every value but that of
    ``__builtins__`` to None, and the dict may be gone altogether (module_clear).
    """
    namespace = target.value("module.dict", address)
    if not namespace:
        return "cleared", None
    cleared = True
    file: Optional[str] = None
    for count, (key, value) in enumerate(dicts.items(target, namespace)):
        if count >= _LOOK:
            break
        none = is_none(target, value)
        if none and not cleared:
            continue
        name = string(target, key, 64)
        if not none and name != "__builtins__":
            cleared = False
        if name == "__file__" and not none:
            try:
                file = string(target, value)
            except Unreadable:
                pass
        if not cleared and (file is not None or count >= _HEADER):
            break
    return ("cleared" if cleared else "live"), file
