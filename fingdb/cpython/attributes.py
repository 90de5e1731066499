"""The attributes of instances, wherever the build keeps them."""

from __future__ import annotations

from typing import Dict, Iterator, Tuple

from . import dicts
from .objects import flags_of_type, string, type_of
from .target import PythonTarget, Unreadable

# Bits of tp_flags, from 3.13 and 3.11: Include/object.h.
INLINE_VALUES = 1 << 2
MANAGED_DICT = 1 << 4


def attributes(target: PythonTarget, address: int) -> Iterator[Tuple[int, int]]:
    """Yield (address of the name, address of the value) of an instance's own attributes.

    Mirrors _PyObject_GetDictPtr and the managed dicts of Objects/dictobject.c: a dict at
    ``tp_dictoffset``; in 3.11 values or a dict before the object, in 3.12 either in one tagged
    word, from 3.13 values inside the object until a dict takes them over. Raises Unreadable.
    """
    type_address = type_of(target, address)
    flags = flags_of_type(target, type_address)
    layout, word = target.layout, target.memory.pointer_size
    if not (flags & MANAGED_DICT and layout.has("dict_values.values")):
        offset = target.value("type.dictoffset", type_address) or 0
        if offset > 0:
            yield from _of_dict(target, target.memory.pointer(address + offset))
        return
    if layout.has("dict_values.valid"):
        if flags & INLINE_VALUES:
            values = address + target.number("type.basicsize", type_address)
            if target.number("dict_values.valid", values):
                yield from _of_values(target, type_address, values)
                return
        before = 1 if layout.has("object.thread") else 3
        yield from _of_dict(target, target.memory.pointer(address - before * word))
    elif layout.has("dict_or_values.values"):
        held = target.memory.pointer(address - 3 * word)
        if held & 1:
            yield from _of_values(target, type_address, held + 1)
        else:
            yield from _of_dict(target, held)
    else:
        values = target.memory.pointer(address - 4 * word)
        if values:
            yield from _of_values(target, type_address, values)
        else:
            yield from _of_dict(target, target.memory.pointer(address - 3 * word))


def _of_dict(target: PythonTarget, address: int) -> Iterator[Tuple[int, int]]:
    if address:
        yield from dicts.items(target, address)


def _of_values(target: PythonTarget, type_address: int, values: int) -> Iterator[Tuple[int, int]]:
    keys = target.number("heap_type.cached_keys", type_address)
    yield from dicts.items_of_keys(target, keys, values + target.layout.offset("dict_values.values"))


def attributes_named(target: PythonTarget, address: int, names: Tuple[str, ...]) -> Dict[str, int]:
    """Return the addresses of those of an instance's attributes that are called ``names``.

    Empty, or short of some, when the instance cannot be read.
    """
    found: Dict[str, int] = {}
    try:
        for key, value in attributes(target, address):
            try:
                text = string(target, key, 64)
            except Unreadable:
                continue
            if text in names:
                found[text] = value
                if len(found) == len(names):
                    break
    except Unreadable:
        pass
    return found
