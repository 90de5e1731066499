"""`pyfin objects TYPE`: the objects of a type, one by one."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, Dict, List, Optional, Tuple

from ..cpython import objects as reading
from ..cpython.heap.objects import gc_objects
from ..cpython.heap.records import PERMANENT
from ..cpython.late_counts import counted_late
from ..cpython.reprs import qualified_name, safe_repr
from ..cpython.target import Unreadable
from ..report.escape import printable
from .base import Command, split
from .heap import generation_of, matches
from .summary import (
    heaps_in,
    need_count,
    need_memory,
    origin_document,
    print_json,
    print_origin,
    print_problems,
    summary_parser,
    walk_progress,
)

_LIMIT = 20
#: (address, type, generation or None where an object is in no list)
_Found = Tuple[int, int, Optional[int]]


class ObjectsCommand(Command):
    """Lists objects of a type with count, generation and a short repr."""

    def run(self, words: str) -> None:
        """Print the objects. Raises DebuggerError."""
        arguments = summary_parser("objects")
        arguments.add_argument("type")
        arguments.add_argument("--gen")
        arguments.add_argument("--limit", type=int, default=_LIMIT)
        arguments.add_argument("--all", action="store_true")
        options = arguments.parse_args(split(words))
        need_count("objects", "--limit", options.limit)
        options.gen = generation_of(options.gen)
        need_memory(self.session)
        problems: List[str] = []
        with walk_progress(self.session):
            found, count, partial = self._find(options, problems)
        rows = [self._row(*each) for each in found]
        if options.json:
            print_json(self.session, {
                "type": options.type, "count": count, "objects": rows, "partial": partial, "problems": problems,
                **origin_document(self.session, "objects"),
            })
            return
        from ..report.heap_text import render_objects

        session = self.session
        session.print(render_objects(rows, count, options.type, session.style(), session.width(), partial))
        print_problems(session, problems)
        print_origin(session, "objects")

    def _find(self, options: Namespace, problems: List[str]) -> Tuple[List[_Found], int, bool]:
        """Return the first objects that are meant, how many there are, and whether not all could be looked at."""
        python = self.session.python()
        limit = options.limit or None
        listed = []
        found: List[_Found] = []
        count, partial = 0, False
        names: Dict[int, bool] = {}
        for _number, interpreter in heaps_in(self.session, problems):
            objects = gc_objects(python, interpreter)
            problems.extend(objects.problems)
            partial = partial or objects.partial
            listed.append(objects)
            for type_ in set(map(int, _distinct(objects.types))):
                names[type_] = self._meant(type_, options.type)
            wanted = {type_ for type_, meant in names.items() if meant}
            for address, type_, generation in zip(objects.addresses, objects.types, objects.generations):
                if type_ in wanted and options.gen in (None, generation):
                    count += 1
                    if limit is None or len(found) < limit:
                        found.append((int(address), int(type_), int(generation)))
        if options.gen is None and (options.all or not count):
            from ..cpython.heap.blocks import contents

            held = contents(python, (int(address) for objects in listed for address in objects.addresses))
            if options.all or held.blocks.partial:
                problems.extend(held.blocks.problems)
            partial = partial or held.blocks.partial
            for address, type_ in zip(held.addresses, held.types):
                if type_ not in names:
                    names[type_] = self._meant(type_, options.type)
                if names[type_]:
                    count += 1
                    if limit is None or len(found) < limit:
                        found.append((address, type_, None))
        return found, count, partial

    def _meant(self, type_: int, pattern: str) -> bool:
        try:
            return matches(qualified_name(self.session.python(), type_), pattern)
        except Unreadable:
            return False

    def _row(self, address: int, type_: int, generation: Optional[int]) -> Dict[str, object]:
        python = self.session.python()
        try:
            count: Optional[int] = reading.refcount(python, address)
            held = counted_late(python, address)
        except Unreadable:
            count = held = None
        return {
            "address": hex(address), "type": qualified_name(python, type_), "refcount": count, "held": held,
            "generation": "frozen" if generation == PERMANENT else generation,
            "repr": printable(safe_repr(python, address), 200),
        }


def _distinct(types: Any) -> Any:
    if hasattr(types, "dtype"):
        from ..cpython.heap.columns import distinct

        return distinct(types.view("int64"))[0].view("uint64")
    return types


COMMAND = ObjectsCommand()
