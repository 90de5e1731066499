"""`pyfin heap`: all objects by type, how large they are, and in which generation."""

from __future__ import annotations

from argparse import Namespace
from array import array
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import compress
from typing import Callable, Dict, List, Optional, Sequence

from ..cpython.heap.census import Census, TypeCount, census_of
from ..cpython.heap.objects import gc_objects
from ..cpython.heap.records import PERMANENT, GcObjects
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget
from ..debugger.interface import DebuggerError
from ..report.heap_text import nothing_known
from .base import Command, split
from .marks import Mark, marks_of
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
_SORTS = ("count", "bytes", "name")


def generation_of(word: Optional[str]) -> Optional[int]:
    """Return the generation that a word names, None for all. Raises DebuggerError."""
    if word is None:
        return None
    if word == "frozen":
        return PERMANENT
    if word in ("0", "1", "2"):
        return int(word)
    raise DebuggerError('a generation is a number (0, 1, 2) or "frozen"')


def matches(name: str, pattern: str) -> bool:
    """Tell whether a type's name is meant by what the user typed: all of it, its last part, or a pattern with ``*``."""
    return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition(".")[2], pattern)


class HeapCommand(Command):
    """Prints the histogram of each interpreter's heap, or what changed since a mark."""

    def run(self, words: str) -> None:
        """Print the heap. Raises DebuggerError."""
        arguments = summary_parser("heap")
        arguments.add_argument("--type")
        arguments.add_argument("--gen")
        arguments.add_argument("--limit", type=int, default=_LIMIT)
        arguments.add_argument("--sort", choices=_SORTS, default="count")
        arguments.add_argument("--since")
        arguments.add_argument("--all", action="store_true")
        options = arguments.parse_args(split(words))
        need_count("heap", "--limit", options.limit)
        options.gen = generation_of(options.gen)
        need_memory(self.session)
        mark = None if options.since is None else marks_of(self.session).find(options.since)
        with walk_progress(self.session):
            shown = self._heap(options) if mark is None else self._since(mark, options)
        shown()  # where the line about progress was

    # -- the histogram ----------------------------------------------------------------------------
    def _heap(self, options: Namespace) -> Callable[[], None]:
        """Read the heap, return what prints it."""
        python, session = self.session.python(), self.session
        problems: List[str] = []
        documents, texts = [], []
        listed: List[GcObjects] = []
        limit = options.limit or None
        style, width = session.style(), session.width()
        for number, address in heaps_in(session, problems):
            objects = gc_objects(python, address)
            listed.append(objects)
            census = _of_generation(python, objects, options.gen)
            rows = _sorted([each for each in census.types if options.type is None or matches(each.name, options.type)],
                           options.sort)
            if options.json:
                documents.append(document(number, address, census, rows if limit is None else rows[:limit]))
            else:
                from ..report.heap_text import render_heap

                texts.append(render_heap(census, rows, style, width, number, limit))
        if not listed:
            problems.append("no interpreter is alive: its objects are in no list"
                            + ("" if options.all else ' ("pyfin heap --all" looks into the blocks of the allocator)'))
        if options.json:
            whole: Dict[str, object] = {"interpreters": documents, "problems": problems}
            whole.update(origin_document(session, "heap"))
            if options.all:
                whole["blocks"] = self._blocks(listed, options, True)
            return lambda: print_json(session, whole)
        if options.all:
            texts.append(str(self._blocks(listed, options, False)))

        def show() -> None:
            if texts:
                session.print("\n\n".join(texts))
            print_problems(session, problems)
            print_origin(session, "heap")

        return show

    def _blocks(self, listed: Sequence[GcObjects], options: Namespace, as_json: bool) -> object:
        """Return the allocator's blocks as a text or as plain data."""
        from ..cpython.heap.blocks import contents

        python = self.session.python()
        held = contents(python, (int(address) for objects in listed for address in objects.addresses))
        nothing = GcObjects(held.addresses, held.types, bytes(len(held.addresses)))
        others = census_of(python, nothing)
        others.types = _sorted([each for each in others.types if options.type is None or matches(each.name, options.type)],
                               options.sort)
        blocks, raw = held.blocks, sum(held.raw.values())
        problems = [*blocks.problems, *others.problems]
        if as_json:
            rows = others.types[: options.limit or None]
            return {
                "used": len(blocks), "large": blocks.large, "listed": held.listed, "debug_header": blocks.debug_header,
                "raw": {str(size): count for size, count in sorted(held.raw.items())},
                "types": [{k: v for k, v in _row(each).items() if k != "generations"} for each in rows],
                "partial": blocks.partial or held.interrupted, "problems": problems,
            }
        from ..report.heap_text import render_blocks

        collected = "objects of the collector" if python.build.free_threaded else "objects in lists"
        facts = [f"{len(blocks)} in use", f"{held.listed} with {collected}", f"{len(held.addresses)} with others",
                 f"{raw} raw (or on a free list)"]
        if blocks.large is not None and blocks.allocator == "pymalloc":
            facts.append(f"{blocks.large} larger ones of malloc, not looked into")
        if blocks.partial or held.interrupted:
            facts.append("partial")
        session = self.session
        return render_blocks(others, held.raw, facts, problems, session.style(), session.width(), options.limit or None,
                             blocks.allocator)

    # -- the difference ---------------------------------------------------------------------------
    def _since(self, mark: Mark, options: Namespace) -> Callable[[], None]:
        """Compare the heap, return what prints that. Raises DebuggerError."""
        from ..cpython.heap.difference import difference

        session, python = self.session, self.session.python()
        if mark.interpreter not in interpreter_addresses(python):
            raise DebuggerError(f'the interpreter that "{mark.name}" is of is gone, its lists are no more')
        objects = gc_objects(python, mark.interpreter)
        census = census_of(python, objects, False)
        changes = [
            each for each in difference(mark.objects, mark.census, objects, census)
            if options.type is None or matches(each.name, options.type)
        ]
        limit = options.limit or None
        problems = [*(f"at {mark.name}: {problem}" for problem in mark.census.problems), *census.problems]
        if options.json:
            whole = {
                "since": mark.name, "where": mark.where, "before": mark.census.count, "now": census.count,
                "partial": mark.census.partial or census.partial, "problems": problems,
                "types": [
                    {"type": c.name, "address": hex(c.type), "before": c.before, "now": c.now, "freed": c.freed,
                     "made": c.made}
                    for c in changes[:limit]
                ],
            }
            return lambda: print_json(session, whole)
        from ..report.heap_text import render_difference

        text = render_difference(
            changes, mark.where, mark.census.count, census.count, session.style(), session.width(), limit, problems
        )
        return lambda: session.print(text)


def _of_generation(python: PythonTarget, objects: GcObjects, generation: Optional[int]) -> Census:
    """Return the census of all objects, or of those of one generation."""
    if generation is None:
        return census_of(python, objects)
    chosen = [g == generation for g in map(int, objects.generations)]
    return census_of(python, replace(
        objects,
        addresses=array("Q", compress(map(int, objects.addresses), chosen)),
        types=array("Q", compress(map(int, objects.types), chosen)),
        generations=array("B", compress(map(int, objects.generations), chosen)),
    ))


def _sorted(rows: Sequence[TypeCount], by: str) -> List[TypeCount]:
    if by == "bytes":
        return sorted(rows, key=lambda each: (-(each.bytes or 0), each.name))
    if by == "name":
        return sorted(rows, key=lambda each: each.name)
    return sorted(rows, key=lambda each: (-each.count, each.name))


def _row(each: TypeCount) -> Dict[str, object]:
    return {
        "type": each.name, "address": hex(each.type), "count": each.count, "bytes": each.bytes, "exact": each.exact,
        "generations": {"frozen" if g == PERMANENT else str(g): count for g, count in sorted(each.counts.items())},
    }


def document(number: int, address: int, census: Census, rows: Sequence[TypeCount]) -> Dict[str, object]:
    """Return an interpreter's heap as plain data; ``rows`` are the types to list."""
    measured = [each.bytes for each in census.types if each.bytes is not None]
    return {
        "id": number, "address": hex(address), "objects": None if nothing_known(census) else census.count,
        "bytes": sum(measured) if measured else None,
        "partial": census.partial, "problems": census.problems, "types": [_row(each) for each in rows],
    }


COMMAND = HeapCommand()
