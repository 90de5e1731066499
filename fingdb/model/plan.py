"""The finalization steps of one particular binary, as its own code lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Tuple

from .phase import Phase

#: What a plan may be made of, from the least to the best: the names of exported functions alone (a stripped file),
#: a whole symbol table, debug information, which knows of inlined steps too.
SOURCES: Tuple[str, ...] = ("exported-functions", "symbol-table", "debug-information")


@dataclass
class PlanStep:
    """One step of the plan: a function that finalization calls, or one inlined into its caller.

    Addresses are relative to the module that holds the code (the ELF file's own addresses), so
    that a plan can be kept and used for every process that runs the same build.
    """

    name: str
    #: Name of the function whose instructions hold the step: the parent for an inlined step.
    container: str
    inlined: bool
    #: First instruction: the function's entry, or the first instruction of the inlined block.
    address: int
    #: Instructions that belong to the step inside its container, as [start, end) pairs: the call
    #: instruction for a step that is called, the block for an inlined one.
    sites: List[Tuple[int, int]]
    phase: Phase
    #: Key of the catalogue's row, None when the catalogue does not know the step.
    row: Optional[str] = None
    #: Place in the container's order of execution (see `finalization.flow`).
    order: int = 0
    file: Optional[str] = None
    line: Optional[int] = None
    children: List["PlanStep"] = field(default_factory=list)
    #: Further first instructions of an inlined step: the compiler may lay a way into it beside `address`.
    also: List[int] = field(default_factory=list)
    #: Calls of functions without a name that lead from the parent to the container, outermost first, each with its
    #: function: (function, start, end). Empty but for a stripped build, whose functions have no names.
    through: List[Tuple[str, int, int]] = field(default_factory=list)

    def containers(self) -> List[str]:
        """Return the functions whose code holds the step or a call that leads to it."""
        return [*(name for name, _start, _end in self.through), self.container]

    def walk(self) -> Iterator["PlanStep"]:
        """Yield this step and all steps below it, in order of execution."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class Plan:
    """All steps of a build, from each function that starts a finalization.

    ``roots`` holds one tree for the end of the main interpreter, and one each for the end of a
    subinterpreter and for what runs after ``Py_FinalizeEx`` has returned, where the build has them.
    """

    module: str
    build_id: Optional[str]
    roots: List[PlanStep]
    #: container name -> list of (start, end, order): the order of execution of its instructions.
    flow: "dict[str, List[Tuple[int, int, int]]]" = field(default_factory=dict)
    #: What told the steps, one of `SOURCES`.
    source: str = "debug-information"

    def root(self, name: str) -> Optional[PlanStep]:
        """Return the tree that starts at function ``name``, None where there is none."""
        for root in self.roots:
            if root.name == name:
                return root
        return None

    def walk(self) -> Iterator[PlanStep]:
        """Yield every step of every root."""
        for root in self.roots:
            yield from root.walk()
