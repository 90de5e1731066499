"""One reference from an object to another."""

from __future__ import annotations

from typing import NamedTuple

from ..objects import short_repr
from ..target import PythonTarget
from .rows import BORROWED, LATE, SHOWN, VISITED

#: What an edge's label says of the number beside it.
MEMBER, INDEX, VALUE, KEY, ATTRIBUTE, LOCAL = "", "index", "value", "key", "attribute", "local"


class Edge(NamedTuple):
    """A reference. ``how`` is one of `rows`; ``kind`` and ``detail`` (an index, the address of a key) make the name.

    A tuple, and named only when somebody reads it: a heap has them by the million.
    """

    target: int
    how: str
    name: str
    kind: str = MEMBER
    detail: int = 0

    @property
    def owned(self) -> bool:
        """Whether a reference is counted for it."""
        return self.how not in (BORROWED, SHOWN, LATE)

    @property
    def keeps(self) -> bool:
        """Whether the object at its end lives as long as the reference is there."""
        return self.how not in (BORROWED, SHOWN)

    @property
    def visited(self) -> bool:
        """Whether it is known that the collector sees it."""
        return self.how in (VISITED, SHOWN, LATE)


def label(target: PythonTarget, edge: Edge) -> str:
    """Return the name of an edge for people: a member, ``['key']``, ``[3]``, ``.attribute``. Never raises."""
    if edge.kind == INDEX:
        return f"{edge.name}[{edge.detail}]"
    if edge.kind in (VALUE, KEY):
        text = short_repr(target, edge.detail, 40)
        return f"{edge.name}[{text}]" if edge.kind == VALUE else f"{edge.name}key {text}"
    if edge.kind in (ATTRIBUTE, LOCAL):
        text = short_repr(target, edge.detail, 60)
        text = text[1:-1] if text[:1] == text[-1:] == "'" else text
        return f".{text}" if edge.kind == ATTRIBUTE else f"local {text}"
    return edge.name
