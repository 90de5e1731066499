"""Descriptions of objects for people: what repr() would say, without running any code of the program."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, Tuple

from . import dicts, objects
from .graph.containers import item_edges, set_edges
from .graph.edges import Edge
from .target import PythonTarget, Unreadable

#: Items of a container, characters of a text.
_ITEMS = 6
_TEXT = 60
_DEPTH = 2
_ELLIPSIS = "…"


def safe_repr(target: PythonTarget, address: int, depth: int = _DEPTH) -> str:
    """Return what an object is, as its repr() would say it where that can be read off: never raises.

    Containers are followed ``depth`` deep, with a few of their items; long texts are cut. What the program could have
    decided about (instances of its classes) is shown by type and address.
    """
    try:
        return _Reader(target).show(address, depth)
    except Unreadable:
        return f"<? at {address:#x}>"


class _Reader:
    def __init__(self, target: PythonTarget) -> None:
        self._target = target

    def show(self, address: int, depth: int) -> str:
        """Return the description of one object. Raises Unreadable."""
        target = self._target
        kind = objects.type_of(target, address)
        name = objects.name_of_type(target, kind)
        flags = objects.flags_of_type(target, kind)
        heap = bool(flags & objects.HEAP_TYPE)
        if flags & objects.TYPE:
            return f"<class {qualified_name(target, address)!r}>"
        plain = objects.short_repr(target, address, _TEXT)
        if not plain.startswith("<"):
            return plain
        if name == "float" and not heap:
            return self._float(address)
        if not heap and flags & (objects.LIST | objects.TUPLE | objects.DICT) or name in ("set", "frozenset"):
            return self._container(address, name, flags, depth)
        special = _SPECIAL.get(name) if not heap else None
        return special(target, address) if special is not None else f"<{name} at {address:#x}>"

    def _float(self, address: int) -> str:
        import struct

        field = self._target.layout.field("float.value")
        if field is None:
            return f"<float at {address:#x}>"
        data = self._target.memory.read(address + field.offset, 8)
        return repr(struct.unpack(">d" if self._target.memory.big_endian else "<d", data)[0])

    def _container(self, address: int, name: str, flags: int, depth: int) -> str:
        target = self._target
        if flags & objects.DICT:
            shown, more = self._first(self._pairs(address, depth), dicts.length(target, address), depth)
            return "{" + ", ".join(shown) + more + "}"
        if flags & (objects.LIST | objects.TUPLE):
            size = target.number("var.size", address)
            shown, more = self._first(self._items(item_edges(target, address), depth), size, depth)
            if flags & objects.LIST:
                return "[" + ", ".join(shown) + more + "]"
            return "(" + ", ".join(shown) + more + ("," if size == 1 and shown else "") + ")"
        size = target.value("set.used", address) or 0
        shown, more = self._first(self._items(set_edges(target, address), depth), size, depth)
        inside = "{" + ", ".join(shown) + more + "}" if size else ""
        return inside if name == "set" and size else f"{name}({inside})"

    def _first(self, texts: Iterator[str], size: int, depth: int) -> Tuple[List[str], str]:
        if depth <= 0:
            return [], _ELLIPSIS if size else ""
        shown: List[str] = []
        for text in texts:
            if len(shown) >= _ITEMS:
                break
            shown.append(text)
        return shown, f", {_ELLIPSIS} {size - len(shown)} more" if size > len(shown) else ""

    def _items(self, edges: Iterator[Edge], depth: int) -> Iterator[str]:
        for edge in edges:
            yield self._inner(edge.target, depth)

    def _pairs(self, address: int, depth: int) -> Iterator[str]:
        for key, value in dicts.items(self._target, address):
            yield f"{self._inner(key, depth)}: {self._inner(value, depth)}"

    def _inner(self, address: int, depth: int) -> str:
        try:
            return self.show(address, depth - 1)
        except Unreadable:
            return f"<? at {address:#x}>"


def qualified_name(target: PythonTarget, type_address: int) -> str:
    """Return a type's name with its module where that can be read: ``collections.OrderedDict``. Raises Unreadable."""
    name = objects.name_of_type(target, type_address)
    text = target.memory.cstring(target.number("type.name", type_address), 1024).decode("utf-8", "replace")
    if "." in text:
        return text
    try:
        namespace = objects.dict_of_type(target, type_address)
        module = dicts.lookup(target, namespace, "__module__") if namespace else None
        if module is not None:
            return f"{objects.string(target, module, 200)}.{name}"
    except Unreadable:
        pass
    return name


def _code(target: PythonTarget, address: int) -> str:
    held = target.value("code.qualname", address) or target.number("code.name", address)
    name = objects.string(target, held, 100)
    file = objects.string(target, target.number("code.filename", address), 400)
    return f"<code {name} {file}:{target.number('code.firstlineno', address)}>"


def _function(target: PythonTarget, address: int) -> str:
    name = objects.string(target, target.number("function.name", address), 100)
    code = target.number("function.code", address)
    file = objects.string(target, target.number("code.filename", code), 400)
    return f"<function {name} {file}:{target.number('code.firstlineno', code)}>"


def _module(target: PythonTarget, address: int) -> str:
    held = target.value("module.name", address)
    name = objects.string(target, held, 200) if held else "?"
    return f"<module {name!r}>"


_SPECIAL: Dict[str, Callable[[PythonTarget, int], str]] = {"code": _code, "function": _function, "module": _module}
