"""Dictionaries, in every form they have had since 3.8."""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from ..layout.layout import Layout
from .objects import DICT, has_flag, string
from .target import Corrupt, PythonTarget, Unreadable

#: A dict with more entries than this is taken for damaged (64 Mi entries are 1.5 GiB).
_MOST_ENTRIES = 1 << 26
#: Entries are read in pieces of this many.
_PIECE = 4096


def length(target: PythonTarget, address: int) -> int:
    """Return ``len()`` of a dict. Raises Unreadable."""
    if not has_flag(target, address, DICT):
        raise Corrupt(f"the object at {address:#x} is not a dict")
    used = target.number("dict.used", address)
    if used < 0:
        raise Corrupt(f"the dict at {address:#x} is damaged")
    return used


def items(target: PythonTarget, address: int) -> Iterator[Tuple[int, int]]:
    """Yield (key, value) addresses of a dict in its order. Raises Unreadable.

    Mirrors Objects/dictobject.c: combined tables, and split tables whose values lie apart.
    """
    used = length(target, address)
    keys = target.number("dict.keys", address)
    values = target.number("dict.values", address)
    if values:
        # Up to 3.10 a plain array; a structure that ends in the array from 3.11 on.
        values += target.layout.offset("dict_values.values")
    if used:
        yield from items_of_keys(target, keys, values or None)


def items_of_keys(target: PythonTarget, keys: int, values: Optional[int]) -> Iterator[Tuple[int, int]]:
    """Yield (key, value) addresses of a keys object, values from the array at ``values`` if given.

    Raises Unreadable.
    """
    layout = target.layout
    count = target.number("dict_keys.entries", keys)
    slots, index_bytes = _index_table(target, keys)
    if not 0 <= count <= min(slots, _MOST_ENTRIES):
        raise Corrupt(f"the keys of a dict at {keys:#x} are damaged")
    # From 3.11: tables whose keys are all str have entries without a hash.
    unicode_only = bool(target.value("dict_keys.kind", keys))
    stride, key_at, value_at = _entry(layout, "dict_unicode_entry" if unicode_only else "dict_entry")
    word = target.memory.pointer_size
    start = keys + layout.offset("dict_keys.indices") + index_bytes
    for first in range(0, count, _PIECE):
        piece = min(_PIECE, count - first)
        words = target.memory.array(start + first * stride, piece * stride // word)
        apart = None if values is None else target.memory.array(values + first * word, piece)
        for index in range(piece):
            base = index * stride // word
            key = words[base + key_at // word]
            value = words[base + value_at // word] if apart is None else apart[index]
            if key and value:  # deleted entries, and attributes an instance does not have
                yield key, value


def keys_of(target: PythonTarget, keys: int) -> Iterator[int]:
    """Yield the addresses of the keys of a keys object, those without a value in it too. Raises Unreadable."""
    layout = target.layout
    count = target.number("dict_keys.entries", keys)
    slots, index_bytes = _index_table(target, keys)
    if not 0 <= count <= min(slots, _MOST_ENTRIES):
        raise Corrupt(f"the keys of a dict at {keys:#x} are damaged")
    stride, key_at, _value_at = _entry(
        layout, "dict_unicode_entry" if target.value("dict_keys.kind", keys) else "dict_entry"
    )
    start = keys + layout.offset("dict_keys.indices") + index_bytes
    for index in range(count):
        key = target.memory.pointer(start + index * stride + key_at)
        if key:
            yield key


def _index_table(target: PythonTarget, keys: int) -> Tuple[int, int]:
    """Return how many slots a table has, and how many bytes its indices take."""
    log2_size = target.value("dict_keys.log2_size", keys)
    if log2_size is not None:
        log2_bytes = target.number("dict_keys.log2_index_bytes", keys)
        if log2_size > 40 or log2_bytes > 44:
            raise Corrupt(f"the keys of a dict at {keys:#x} are damaged")
        return 1 << log2_size, 1 << log2_bytes
    slots = target.number("dict_keys.size", keys)
    if not 0 < slots <= 1 << 40:
        raise Corrupt(f"the keys of a dict at {keys:#x} are damaged")
    width = 1 if slots <= 0xFF else 2 if slots <= 0xFFFF else 4 if slots <= 0xFFFFFFFF else 8
    return slots, slots * width


def _entry(layout: Layout, name: str) -> Tuple[int, int, int]:
    stride = layout.size(name)
    if stride is None:
        raise Corrupt("this build does not tell how dicts keep their entries")
    return stride, layout.offset(f"{name}.key"), layout.offset(f"{name}.value")


def lookup(target: PythonTarget, address: int, name: str) -> Optional[int]:
    """Return the address of the value whose key is the str ``name``, None if there is none.

    Raises Unreadable.
    """
    for key, value in items(target, address):
        try:
            if target.number("str.length", key) == len(name) and string(target, key, len(name) + 1) == name:
                return value
        except Unreadable:
            continue
    return None
