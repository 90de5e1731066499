"""What is still allocated: blocks of pymalloc in use, by the type of the object in them and by size."""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Optional, Tuple

from ..cpython import objects
from ..cpython.graph.referents import HAVE_GC, Referents
from ..cpython.heap.pymalloc import used_blocks
from ..cpython.target import PythonTarget, Unreadable
from ..model.survivors import LeftBehind, SizeCount, TypeBytes

#: Where in its block an object without, and with, a place in the collector's lists begins; and one that keeps its dict
#: and weak references before that.
_PLAIN, _COLLECTED = (0,), (16, 32)
#: Free-threaded builds have no head of the collector before their objects.
_FREE_THREADED = (0, 16)
_PATIENCE = 1 << 14


def left_behind(target: PythonTarget) -> LeftBehind:
    """Return what is allocated now. Never raises but Interrupted."""
    blocks = used_blocks(target)
    found = LeftBehind(
        len(blocks.starts), blocks.large, partial=blocks.partial, problems=list(blocks.problems), allocator=blocks.allocator
    )
    if target.build.free_threaded and not found.blocks:
        found.problems.append("a free-threaded build has its blocks in heaps of its threads, which are gone")
    reader = _Reader(target)
    types: Dict[str, List[int]] = {}
    sizes: "Counter[int]" = Counter()
    for count, (start, size) in enumerate(zip(blocks.starts, blocks.sizes)):
        sizes[int(size)] += 1
        name = reader.type_in(int(start) + blocks.debug_header)
        if name is None:
            found.no_object += 1
        else:
            held = types.setdefault(name, [0, 0])
            held[0] += 1
            held[1] += int(size)
        if count % _PATIENCE == 0:
            target.walked(count)
            target.debugger.check_interrupt()
    found.types = [
        TypeBytes(name, count, size) for name, (count, size) in sorted(types.items(), key=lambda p: (-p[1][0], p[0]))
    ]
    found.sizes = [SizeCount(size, count) for size, count in sorted(sizes.items())]
    return found


class _Reader:
    """Tells which objects lie in blocks; types are looked at once."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._referents = Referents(target)
        behind = _FREE_THREADED if target.build.free_threaded else _COLLECTED
        self._heads = ((False, _PLAIN), (True, behind))
        #: Type -> its name and whether its objects have a head of the collector, None for what is no type.
        self._types: Dict[int, Optional[Tuple[str, bool]]] = {}

    def type_in(self, block: int) -> Optional[str]:
        """Return the type's name of the object in the block whose first byte is at ``block``, None if there is none."""
        for collected, heads in self._heads:
            for head in heads:
                try:
                    count = objects.refcount(self._target, block + head)
                    kind = objects.type_of(self._target, block + head)
                except Unreadable:
                    return None
                if objects.is_likely_count(count):
                    known = self._type(kind)
                    if known is not None and known[1] == collected:
                        return known[0]
        return None

    def _type(self, kind: int) -> Optional[Tuple[str, bool]]:
        if kind not in self._types:
            self._types[kind] = None
            try:
                if kind >= 1 << 16 and self._referents.is_type(kind):
                    flags = objects.flags_of_type(self._target, kind)
                    self._types[kind] = objects.name_of_type(self._target, kind), bool(flags & HAVE_GC)
            except Unreadable:
                pass
        return self._types[kind]
