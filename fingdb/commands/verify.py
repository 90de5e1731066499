"""`pyfin verify`: are the lists of the collector, and pymalloc's pools, as they must be?"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ..cpython.graph.describe import reference, type_words
from ..cpython.graph.whole import whole
from ..cpython.heap.pymalloc import used_blocks
from ..cpython.heap.records import Blocks
from ..cpython.heap.verify import ListCheck, Verification, verify_lists
from ..cpython.reprs import safe_repr
from ..debugger.interface import INTERRUPTS
from ..findings.balance import short_of_references
from ..findings.roots import Roots
from ..model.objects import ShortOfReferences
from ..report.records import encode
from .base import Command, Session, split
from .summary import (
    heaps_in,
    need_memory,
    origin_document,
    print_json,
    print_origin,
    print_problems,
    progress_line,
    summary_parser,
    walk_progress,
)
from .why import heap_of

#: Holders of one object that are named.
_HOLDERS = 5


class VerifyCommand(Command):
    """Checks the heap and says what is wrong first."""

    def run(self, words: str) -> None:
        """Check and print. Raises DebuggerError."""
        arguments = summary_parser("verify")
        arguments.add_argument("--references", action="store_true")
        options = arguments.parse_args(split(words))
        need_memory(self.session)
        session, python = self.session, self.session.python()
        problems: List[str] = []
        with walk_progress(session):
            checked = [(number, verify_lists(python, at)) for number, at in heaps_in(session, problems)]
            blocks = used_blocks(python)
        short = _short(session, problems) if options.references else None
        if not checked:
            problems.append("no interpreter is alive: there are no lists to check")
        if options.json:
            print_json(session, {
                "consistent": _consistent(checked, blocks, short),
                "interpreters": [_document(number, found) for number, found in checked],
                "blocks": {"used": len(blocks), "problems": blocks.problems},
                "short_of_references": None if short is None else encode(short), "problems": problems,
                **origin_document(session, "verify"),
            })
            return
        from ..report.heap_text import render_verification
        from ..report.short_text import render_short

        style, width = session.style(), session.width()
        for number, found in checked:
            session.print(render_verification(found, style, width, number))
        if len(blocks) or not blocks.partial:
            session.print(_of_blocks(blocks))
        if short is not None:
            session.print(render_short(short, style, width))
        print_problems(session, [*blocks.problems, *problems])
        print_origin(session, "verify")


def _short(session: Session, problems: List[str]) -> Optional[List[ShortOfReferences]]:
    """Return the objects that count too few references, None where that could not be compared. Raises DebuggerError."""
    heap = heap_of(session)
    target = heap.target
    if target.build.free_threaded:
        problems.append("references were not compared: a free-threaded build counts them in several places")
        return None
    try:
        with progress_line("objects followed:", len(heap.addresses.numbers)) as progress:
            graph = whole(heap, progress.update)
            found = list(short_of_references(heap, graph, Roots(session.debugger, target)))
    except INTERRUPTS:
        problems.append("interrupted: references were not compared")
        return None
    return [
        ShortOfReferences(
            each.address, type_words(target, each.address), safe_repr(target, each.address, 1),
            each.count, len(each.held),
            [reference(target, edge, owner) for owner, edge in each.held[:_HOLDERS]],
        )
        for each in found
    ]  # fmt: skip


def _consistent(
    checked: List[Tuple[int, Verification]], blocks: Blocks, short: Optional[List[ShortOfReferences]]
) -> Optional[bool]:
    """Return whether all is as it must be, None where nothing wrong was found and no list could be checked."""
    if short or not all(found.consistent for _number, found in checked):
        return False
    if any(not found.lists for _number, found in checked):
        return None
    return not blocks.problems


def _of_blocks(blocks: Blocks) -> str:
    if blocks.partial:
        return f"{blocks.allocator}: {len(blocks)} blocks in use could be read"
    places = "pages" if blocks.allocator == "mimalloc" else "pools"
    return f"{blocks.allocator}: {len(blocks)} blocks in use, all {places} are consistent"


def _document(number: int, found: Verification) -> Dict[str, object]:
    return {
        "id": number, "consistent": found.consistent, "partial": found.interrupted, "notes": found.notes,
        "lists": [_list(each) for each in found.lists],
    }


def _list(each: ListCheck) -> Dict[str, object]:
    first = each.first
    return {
        "name": each.name, "objects": each.objects, "bad": each.bad, "broken": each.broken,
        "first": None if first is None else {
            "address": hex(first.address), "type": first.type, "place": first.place, "problem": first.problem,
        },
    }


COMMAND = VerifyCommand()
