"""The attributes of instances, wherever the build keeps them."""

from __future__ import annotations

from typing import Dict, Iterator, NamedTuple, Tuple

from . import dicts
from .objects import flags_of_type, string, type_of
from .target import PythonTarget, Unreadable

# Bits of tp_flags, from 3.13 and 3.11: Include/object.h.
INLINE_VALUES = 1 << 2
MANAGED_DICT = 1 << 4


class Place(NamedTuple):
    """Where an instance keeps its attributes: a dict object, an array of values for its type's shared keys; 0 for none."""

    dict: int = 0
    values: int = 0


def place_of(target: PythonTarget, address: int) -> Place:
    """Return where an instance keeps its attributes. Raises Unreadable.

    Mirrors _PyObject_GetDictPtr and the managed dicts of Objects/dictobject.c: a dict at
    ``tp_dictoffset``; in 3.11 values or a dict before the object, in 3.12 either in one tagged
    word, from 3.13 values inside the object until a dict takes them over. There the two may be there
    together: the dict then shows the object's values.
    """
    type_address = type_of(target, address)
    flags = flags_of_type(target, type_address)
    layout, word = target.layout, target.memory.pointer_size
    if not (flags & MANAGED_DICT and layout.has("dict_values.values")):
        offset = target.value("type.dictoffset", type_address) or 0
        if offset < 0:
            # Behind the items of an object of variable size.
            count = abs(target.number("var.size", address))
            size = target.number("type.basicsize", type_address) + count * target.number("type.itemsize", type_address)
            offset += size + word - 1 & ~(word - 1)
        return Place(target.memory.pointer(address + offset) if offset > 0 else 0)
    if layout.has("dict_values.valid"):
        values = 0
        if flags & INLINE_VALUES:
            values = address + target.number("type.basicsize", type_address)
            if not target.number("dict_values.valid", values):
                values = 0
        before = 1 if layout.has("object.thread") else 3
        return Place(target.memory.pointer(address - before * word), values)
    if layout.has("dict_or_values.values"):
        held = target.memory.pointer(address - 3 * word)
        return Place(0, held + 1) if held & 1 else Place(held)
    return Place(target.memory.pointer(address - 3 * word), target.memory.pointer(address - 4 * word))


def attributes(target: PythonTarget, address: int) -> Iterator[Tuple[int, int]]:
    """Yield (address of the name, address of the value) of an instance's own attributes. Raises Unreadable."""
    place = place_of(target, address)
    if place.values:
        yield from values_of(target, type_of(target, address), place.values)
    elif place.dict:
        yield from dicts.items(target, place.dict)


def values_of(target: PythonTarget, type_address: int, values: int) -> Iterator[Tuple[int, int]]:
    """Yield (name, value) of an array of values that goes with the shared keys of a type. Raises Unreadable."""
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
