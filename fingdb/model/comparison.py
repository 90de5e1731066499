"""Two orders of finalization side by side: what `fingdb compare` answers (schema ``fingdb-compare/1``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

SCHEMA = "fingdb-compare/1"


@dataclass
class Side:
    """What was compared. ``kind`` is ``plan`` (an interpreter's code) or ``trace`` (a recorded run)."""

    name: str
    kind: str
    #: The file with the interpreter's code, the executable that ran, "" where a trace does not tell.
    path: str = ""
    version: Optional[str] = None
    build_id: Optional[str] = None


@dataclass
class Place:
    """Where a step stands in one order. Neighbours are the steps beside it in the same container."""

    name: str
    phase: str
    container: Optional[str]
    after: Optional[str]
    before: Optional[str]
    #: Times it ran there one after the other (1 in a plan).
    count: int = 1
    state: Optional[str] = None


@dataclass
class Change:
    """One step that is not the same on both sides. ``a`` is None for a new one, ``b`` for one that is gone."""

    step: str
    a: Optional[Place]
    b: Optional[Place]
    #: Other steps that it ran before in A and runs after in B, in B's order, and the other way round.
    now_after: List[str] = field(default_factory=list)
    now_before: List[str] = field(default_factory=list)
    #: For one that is new or gone: containers in which the other side has the same step.
    also_in: List[str] = field(default_factory=list)
    #: For a container that is new or gone: the steps inside it that both sides have.
    holds: List[str] = field(default_factory=list)


@dataclass
class Row:
    """One line of the two lists side by side. A side without the step there has an empty name.

    ``mark`` is ``same``, ``renamed``, ``moved`` (the line tells its place on one side), ``new``, ``gone`` or
    ``inside`` (it went with the container that moved).
    """

    mark: str
    a: str = ""
    b: str = ""
    phase_a: str = ""
    phase_b: str = ""
    depth_a: int = 0
    depth_b: int = 0


@dataclass
class FinalizationComparison:
    """The comparison of one finalization: ``kind`` is ``main``, ``subinterpreter`` or ``after``."""

    kind: str
    steps_a: int = 0
    steps_b: int = 0
    #: How many steps both have, in the same order and under the same name.
    same: int = 0
    moved: List[Change] = field(default_factory=list)
    new: List[Change] = field(default_factory=list)
    gone: List[Change] = field(default_factory=list)
    #: Not moved, but in another phase.
    rephased: List[Change] = field(default_factory=list)
    renamed: List[Change] = field(default_factory=list)
    #: In traces: ran another number of times, or got another distance (done, running, pending).
    counted: List[Change] = field(default_factory=list)
    rows: List[Row] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether the order is another one. A new name or another count makes no other order."""
        return bool(self.moved or self.new or self.gone or self.rephased)


@dataclass
class TypeDifference:
    """How many GC objects of a type there were when each side was last looked at."""

    interpreter: int
    type: str
    a: int
    b: int


@dataclass
class Comparison:
    """Everything about two interpreters or two traces."""

    a: Side
    b: Side
    finalizations: List[FinalizationComparison] = field(default_factory=list)
    #: The types whose counts differ, the largest difference first.
    types: List[TypeDifference] = field(default_factory=list)
    #: GC objects in all, by interpreter: [of A, of B].
    objects: Dict[int, List[int]] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether any finalization has another order."""
        return any(each.differs for each in self.finalizations)
