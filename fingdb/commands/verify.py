"""`pyfin verify`: are the lists of the collector, and pymalloc's pools, as they must be?"""

from __future__ import annotations

from typing import Dict, List

from ..cpython.heap.pymalloc import used_blocks
from ..cpython.heap.records import Blocks
from ..cpython.heap.verify import ListCheck, Verification, verify_lists
from .base import Command, split
from .summary import heaps_in, need_memory, print_json, print_problems, summary_parser, walk_progress


class VerifyCommand(Command):
    """Checks the heap and says what is wrong first."""

    def run(self, words: str) -> None:
        """Check and print. Raises DebuggerError."""
        options = summary_parser("verify").parse_args(split(words))
        need_memory(self.session)
        session, python = self.session, self.session.python()
        problems: List[str] = []
        with walk_progress(session):
            checked = [(number, verify_lists(python, at)) for number, at in heaps_in(session, problems)]
            blocks = used_blocks(python)
        if not checked:
            problems.append("no interpreter is alive: there are no lists to check")
        if options.json:
            print_json(session, {
                "consistent": all(found.consistent for _number, found in checked) and not blocks.problems,
                "interpreters": [_document(number, found) for number, found in checked],
                "blocks": {"used": len(blocks), "problems": blocks.problems}, "problems": problems,
            })
            return
        from ..report.heap_text import render_verification

        style, width = session.style(), session.width()
        for number, found in checked:
            session.print(render_verification(found, style, width, number))
        session.print(_of_blocks(blocks))
        print_problems(session, [*blocks.problems, *problems])


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
