"""Objects that count fewer references than other objects hold: somebody gave back one that was not his.

What visit_decref asserts in debug builds of CPython (Python/gc.c: "gc_refs must not get negative"), of all objects and in
any build: a Py_DECREF too many is seen here while the object still lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Tuple

from ..cpython import objects
from ..cpython.graph.describe import is_immortal
from ..cpython.graph.edges import Edge
from ..cpython.graph.owners import Heap
from ..cpython.graph.rows import HELD, VISITED
from ..cpython.graph.whole import Graph
from ..cpython.late_counts import held_references
from ..cpython.target import Unreadable
from .roots import Roots


@dataclass(frozen=True)
class Short:
    """An object at ``address`` that counts ``count`` references; ``held`` are those that other objects are known to hold:
    (owner, reference)."""

    address: int
    count: int
    held: Tuple[Tuple[int, Edge], ...]


def short_of_references(heap: Heap, graph: Graph, roots: Roots) -> Iterator[Short]:
    """Yield the objects of a graph that count too few references. Raises Interrupted.

    Only references that are known for certain are compared. Objects that are C data of the runtime or a library (static
    types, and up to 3.12 constants of frozen modules) take part neither as owners nor as owned: nobody counts properly there.
    """
    def is_static(address: int) -> bool:
        return roots.library_of(address) is not None

    for done, (address, counted) in enumerate(graph.referred()):
        if not done % 4096:
            heap.target.debugger.check_interrupt()
        try:
            if is_immortal(heap.target, address):
                continue
            count = held_references(heap.target, address)
        except Unreadable:
            continue
        if count >= counted or is_static(address):
            continue
        held = [
            (owner, edge) for owner, edge in graph.incoming(address) if not is_static(owner) and _certain(heap, owner, edge)
        ]  # fmt: skip
        if count < len(held) and heap.referents.looks_like_object(address):
            yield Short(address, count, tuple(held))


def _certain(heap: Heap, owner: int, edge: Edge) -> bool:
    """Tell whether the owner counts this reference beyond doubt."""
    if edge.how not in (VISITED, HELD):
        return False
    try:
        return heap.referents.plan(objects.type_of(heap.target, owner)).sure
    except Unreadable:
        return False
