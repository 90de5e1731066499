"""What the nets of `fingdb check` could watch on a build without debug information, and what they could not.

The end of a part of the runtime is seen where a step that ends it has a name, its use where a function that needs it has
one. "Nothing was touched" says no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Tuple

from ..cpython.target import PythonTarget
from ..finalization import catalogue
from ..finalization.catalogue.rows import Subsystem
from ..finalization.runtime_module import RuntimeModule
from .ledger import Ledger

#: Parts that are named in a sentence; the JSON document has all of them.
_NAMED = 5
#: What is looked for among objects: in words, and the field that it takes.
_OBJECTS: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("files that stay open", ("fileio.fd",)),
    ("entries of environ that lie in objects of Python", ("bytes.data",)),
)


@dataclass(frozen=True)
class Coverage:
    """Titles of the parts of the runtime whose use was noticed after their end, and of those whose was not.

    ``after`` tells whether calls of the exported functions were watched when finalization had returned.
    """

    watched: List[str]
    unwatched: List[str]
    after: bool
    #: What was not looked for among objects, in words.
    unsought: List[str]

    @property
    def sentence(self) -> str:
        """All of it in a sentence."""
        seen = [_some("the use after their end of {n} of the runtime", self.watched)] if self.watched else []
        if self.after:
            seen.append("every call of an exported function once finalization had returned")
        text = f"watched: {', and '.join(seen) or 'nothing'}"
        if self.unwatched:
            text += f"; not watched, for what ends or uses them has no name: {_some('{n} of the runtime', self.unwatched)}"
        return text + (f"; not looked for: {', '.join(self.unsought)}" if self.unsought else "")


def coverage(
    runtime: RuntimeModule, python: PythonTarget, armed: Mapping[str, int], ledger: Ledger, after: bool
) -> Coverage:
    """Return what was watched. ``armed``: key of a subsystem -> functions that were watched for its use."""
    planned = {node.row for root in runtime.plan().roots for node in root.walk()}
    watched, unwatched = [], []
    for part in catalogue.subsystems():
        if not part.touched_by or not _is_of(part, python.version):
            continue
        if armed.get(part.key):
            watched.append(part.title)
        elif ledger.end_of(part.key) is not None or not planned.intersection(part.ended_by):
            unwatched.append(part.title)  # otherwise this run did not come to its end
    unsought = [words for words, fields in _OBJECTS if not any(map(python.layout.has, fields))]
    return Coverage(watched, unwatched, after, unsought)


def _is_of(part: Subsystem, version: Tuple[int, int]) -> bool:
    """Tell whether a version ends the part, by any step that is said to be of that version."""
    rows = [row for row in map(catalogue.step, part.ended_by) if row is not None]
    return any((row.since or version) <= version <= (row.until or version) for row in rows)


def _some(words: str, titles: List[str]) -> str:
    number = f"{len(titles)} part{'s' if len(titles) != 1 else ''}"
    more = f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    return f"{words.format(n=number)} ({', '.join(titles[:_NAMED])}{more})"
