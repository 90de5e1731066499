"""Which lists a collector has: the generations' and that of frozen objects."""

from __future__ import annotations

from typing import List, NamedTuple

from .. import generations
from ..target import PythonTarget, Unreadable
from .records import PERMANENT

#: The problem of a build that does not tell where its objects are.
UNKNOWN_STATE = "without debug information it is not known where the collector's state lies"


class GcList(NamedTuple):
    """A list of the collector: the address of its head, and its generation as `records.GcObjects` numbers it."""

    head: int
    generation: int

    @property
    def name(self) -> str:
        """What people call it."""
        return "frozen objects" if self.generation == PERMANENT else f"generation {self.generation}"


def gc_lists(target: PythonTarget, interpreter: int, problems: List[str]) -> List[GcList]:
    """Return the lists of an interpreter's collector, none (and a problem) where they cannot be found. Never raises."""
    state = generations.state_of(target, interpreter)
    if state is None:
        problems.append(UNKNOWN_STATE)
        return []
    try:
        places = generations.generations(target, state)
    except Unreadable as error:
        problems.append(f"the state of the collector cannot be read: {error}")
        return []
    if not places:
        problems.append("without debug information the lists of the collector cannot be found")
        return []
    lists = [GcList(place.head, place.index) for place in places]
    permanent = generations.permanent_head(target, state)
    if permanent is not None:
        lists.append(GcList(permanent, PERMANENT))
    return lists


def collecting(target: PythonTarget, interpreter: int) -> bool:
    """Tell whether the collector of an interpreter is at work. Never raises."""
    state = generations.state_of(target, interpreter)
    try:
        return state is not None and bool(generations.flags(target, state)[1])
    except Unreadable:
        return False
