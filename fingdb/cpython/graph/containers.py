"""References out of dicts, lists, tuples, sets and deques."""

from __future__ import annotations

from typing import Dict, Iterator, List, Set

from .. import dicts
from ..objects import HEAP_TYPE, LIST, TUPLE, flags_of_type, type_of
from ..runtime import interpreter_addresses
from ..target import Corrupt, PythonTarget, Unreadable
from .edges import ATTRIBUTE, INDEX, KEY, VALUE, Edge
from .rows import BORROWED, HELD, SHOWN, VISITED

#: More items are not believed.
_MOST = 1 << 27
_PIECE = 1 << 15
_DEQUE_BLOCK = 64


def interned_tables(target: PythonTarget) -> Set[int]:
    """Return the addresses of the dicts of interned strings, which hold these without counting it (3.12 on). Never raises.

    Mirrors intern_common (Objects/unicodeobject.c): key and value are taken from the string's count again. The collector knows
    these dicts from 3.14 on.
    """
    found = set()
    for interpreter in interpreter_addresses(target):
        try:
            found.add(target.value("interp.interned", interpreter) or 0)
        except Unreadable:
            continue
    return found - {0}


def interned_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield what one of `interned_tables` refers to. Raises Unreadable."""
    for key, value in dicts.items_of_keys(target, target.number("dict.keys", address), None):
        yield Edge(value, BORROWED, "", VALUE, key)
        yield Edge(key, BORROWED, "", KEY, key)


def dict_edges(target: PythonTarget, address: int, symbol: "Symbols") -> Iterator[Edge]:
    """Yield the references of a dict. Raises Unreadable.

    Mirrors dict_traverse (Objects/dictobject.c): keys of a table that has only str keys are not visited, those
    of a split table belong to the type; values inside an instance (3.13) belong to the instance, or
    to the dict (`dict_visits_inside`).
    """
    keys = target.number("dict.keys", address)
    values = target.number("dict.values", address)
    shown = VISITED
    if values:
        if target.value("dict_values.embedded", values) and not dict_visits_inside(target):
            shown = BORROWED
        array = values + target.layout.offset("dict_values.values")
        for key, value in dicts.items_of_keys(target, keys, array):
            yield Edge(value, shown, "", VALUE, key)
        return
    general = is_general(target, keys, symbol)
    how = VISITED if general else HELD
    for key, value in dicts.items_of_keys(target, keys, None):
        yield Edge(value, VISITED, "", VALUE, key)
        yield Edge(key, how, "", KEY, key)


def dict_visits_inside(target: PythonTarget) -> bool:
    """Tell who visits the values inside an instance that has a dict too: the dict (from 3.14 on) or the instance."""
    return target.layout.has("iframe.stackpointer")  # as old as that


class Symbols:
    """Names of functions by their address, each asked of the debugger once."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._names: Dict[int, str] = {}

    def name(self, address: int) -> str:
        """Return the name of the function at ``address`` without the suffixes of a compiler, "" if unknown."""
        name = self._names.get(address)
        if name is None:
            found = self._target.debugger.symbol_at(address) if address else None
            name = found[0].partition(".")[0].partition("@")[0] if found is not None else ""
            self._names[address] = name
        return name


def is_general(target: PythonTarget, keys: int, symbols: Symbols) -> bool:
    """Tell whether a table may have keys that are no str: the collector visits keys only there. Raises Unreadable."""
    kind = target.value("dict_keys.kind", keys)
    if kind is not None:
        return kind == 0
    # Up to 3.10 the function that looks up tells it.
    return symbols.name(target.number("dict_keys.lookup", keys)) == "lookdict"


def key_edges(target: PythonTarget, keys: int) -> Iterator[Edge]:
    """Yield the keys that a table of keys holds, which several dicts may share. Raises Unreadable."""
    for key in dicts.keys_of(target, keys):
        yield Edge(key, HELD, "ht_cached_keys ", KEY, key)


def value_edges(target: PythonTarget, type_address: int, values: int, how: str = VISITED) -> Iterator[Edge]:
    """Yield the attributes that an instance has as values without a dict. Raises Unreadable."""
    from ..attributes import values_of

    for key, value in values_of(target, type_address, values):
        yield Edge(value, how, "", ATTRIBUTE, key)


def item_edges(target: PythonTarget, address: int, how: str = VISITED) -> Iterator[Edge]:
    """Yield the items of a list or tuple, or of what derives from them. Raises Unreadable."""
    flags = flags_of_type(target, type_of(target, address))
    size = target.number("var.size", address)
    if not 0 <= size <= _MOST or not flags & (LIST | TUPLE):
        raise Corrupt(f"the object at {address:#x} is not a tuple or list")
    start = address + target.layout.offset("tuple.items") if flags & TUPLE else 0
    if flags & LIST and size:
        start = target.number("list.items", address)
    yield from array_edges(target, start, size, how)


def array_edges(target: PythonTarget, start: int, size: int, how: str, name: str = "") -> Iterator[Edge]:
    """Yield the pointers of an array that are not null. Raises Unreadable."""
    word = target.memory.pointer_size
    for first in range(0, size, _PIECE):
        piece = min(_PIECE, size - first)
        for index, item in enumerate(target.memory.array(start + first * word, piece), first):
            if item:
                yield Edge(item, how, name, INDEX, index)


def set_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield the elements of a set. Raises Unreadable.

    Mirrors set_next (Objects/setobject.c); the place of an element that was removed has -1 for a hash.
    """
    table, mask = target.number("set.table", address), target.number("set.mask", address)
    stride = target.layout.size("set_entry")
    if not stride or not 0 <= mask <= _MOST:
        raise Corrupt(f"the set at {address:#x} is damaged")
    word = target.memory.pointer_size
    step = stride // word
    key_at, hash_at = target.layout.offset("set_entry.key") // word, target.layout.offset("set_entry.hash") // word
    gone = (1 << 8 * word) - 1
    for first in range(0, mask + 1, _PIECE):
        piece = min(_PIECE, mask + 1 - first)
        words = target.memory.array(table + first * stride, piece * step)
        for index in range(0, piece * step, step):
            key = words[index + key_at]
            if key and words[index + hash_at] != gone:
                yield Edge(key, VISITED, "element ", KEY, key)


def deque_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield the items of a collections.deque. Raises Unreadable.

    Mirrors deque_traverse (Modules/_collectionsmodule.c): a chain of blocks of 64 items.
    """
    block, left = target.number("deque.left", address), target.number("deque.first", address)
    field = target.layout.field("deque_block.items")
    size = target.number("var.size", address)
    if field is None or not 0 <= size <= _MOST or not 0 <= left <= _DEQUE_BLOCK:
        raise Corrupt(f"the deque at {address:#x} is damaged")
    per_block, word = field.count or _DEQUE_BLOCK, target.memory.pointer_size
    index = 0
    while index < size:
        piece = min(per_block - left, size - index)
        if piece <= 0 and left == 0:
            raise Corrupt(f"the deque at {address:#x} is damaged")
        items: List[int] = list(target.memory.array(block + field.offset + left * word, piece))
        for item in items:
            if item:
                yield Edge(item, VISITED, "", INDEX, index)
            index += 1
        left = 0
        block = target.number("deque_block.next", block)




def _chain(target: PythonTarget, first: int, end: int, following: str) -> Iterator[int]:
    """Yield the nodes of a linked list. Raises Unreadable, also when it runs in a circle."""
    seen: Set[int] = set()
    at = first
    while at and at != end:
        if at in seen or len(seen) > _MOST:
            raise Corrupt(f"a linked list runs in a circle at {at:#x}")
        seen.add(at)
        yield at
        at = target.number(following, at)


def odict_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield the keys that the nodes of an OrderedDict hold beside the table: Objects/odictobject.c. Raises Unreadable."""
    for node in _chain(target, target.number("odict.first", address), 0, "odict_node.next"):
        key = target.number("odict_node.key", node)
        yield Edge(key, VISITED, "node ", KEY, key)


def lru_cache_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield what the entries of a functools.lru_cache refer to, which is visited through the cache. Raises Unreadable.

    Mirrors lru_cache_tp_traverse (Modules/_functoolsmodule.c); the entries themselves are values of the dict.
    """
    field = target.layout.field("lru_cache.root")
    if field is None:
        return
    root = address + field.offset
    for link in _chain(target, target.number("lru_link.next", root), root, "lru_link.next"):
        yield Edge(link, HELD, "entry")
        for name in ("key", "result"):
            held = target.number(f"lru_link.{name}", link)
            if held:
                yield Edge(held, SHOWN, f"entry {name}")
        kind = type_of(target, link)
        if flags_of_type(target, kind) & HEAP_TYPE:
            yield Edge(kind, SHOWN, "entry ob_type")
