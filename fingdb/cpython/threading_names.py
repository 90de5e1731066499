"""What the threading module knows of threads: their names and whether they are daemons."""

from __future__ import annotations

from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from . import attributes, dicts
from .objects import integer, is_none, string
from .target import PythonTarget, Unreadable

#: `threading._active` with more threads than this is not read to its end.
_MOST = 100_000


class ThreadInfo(NamedTuple):
    """Name and daemon flag of a ``threading.Thread``; None where they cannot be read."""

    name: Optional[str]
    daemon: Optional[bool]


def thread_infos(target: PythonTarget, interpreter: int) -> Dict[int, ThreadInfo]:
    """Return what ``threading._active`` holds, by thread identifier. Never raises.

    Empty when the module was never imported, or is already cleared.
    """
    found: Dict[int, ThreadInfo] = {}
    for number, thread in thread_objects(target, interpreter):
        found[number] = _info(target, thread)
    return found


def thread_objects(target: PythonTarget, interpreter: int) -> Iterator[Tuple[int, int]]:
    """Yield (thread identifier, address) of the ``threading.Thread`` objects in ``threading._active``. Never raises."""
    count = 0
    try:
        active = _active(target, interpreter)
        if active is None:
            return
        for key, thread in dicts.items(target, active):
            count += 1
            if count > _MOST:
                break
            try:
                number = integer(target, key)
            except Unreadable:
                continue
            yield number, thread
    except Unreadable:
        return  # what was read so far is the answer


def _active(target: PythonTarget, interpreter: int) -> Optional[int]:
    modules = target.value("interp.modules", interpreter)
    module = dicts.lookup(target, modules, "threading") if modules else None
    if module is None or is_none(target, module):
        return None
    namespace = target.value("module.dict", module)
    active = dicts.lookup(target, namespace, "_active") if namespace else None
    return None if active is None or is_none(target, active) else active


def _info(target: PythonTarget, thread: int) -> ThreadInfo:
    found = attributes.attributes_named(target, thread, ("_name", "_daemonic"))
    name: Optional[str] = None
    daemon: Optional[bool] = None
    try:
        if "_name" in found:
            name = string(target, found["_name"])
    except Unreadable:
        pass
    try:
        if "_daemonic" in found:
            daemon = bool(integer(target, found["_daemonic"]))
    except Unreadable:
        pass
    return ThreadInfo(name, daemon)
