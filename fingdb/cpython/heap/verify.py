"""Are the lists of the collector as they must be? Links, flags, types and counts of every object in them.

What validate_list and visit_decref check in debug builds of CPython (Python/gc.c), and what a header in memory that was
written over shows.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import List, Optional, Sequence

from ...debugger.interface import INTERRUPTS
from ..reprs import qualified_name
from ..target import PythonTarget, Unreadable
from .lists import GcList, collecting, gc_lists
from .pages import paged_objects
from .sizes import HAVE_GC
from .typetest import TypeTest
from .walk import FLAGS, MOST_OBJECTS, header_size, walk_list

#: Of ``_gc_prev``: set while the collector looks for garbage. Include/internal/pycore_gc.h.
_COLLECTING = 2
_PATIENCE = 1 << 15


@dataclass(frozen=True)
class BadNode:
    """Something that is wrong with an object in a list: the object's address, its type's name where that can be
    read, its place in the list, and what is wrong (a sentence)."""

    address: int
    type: Optional[str]
    place: int
    problem: str


@dataclass
class ListCheck:
    """A list: how many objects were checked, how many of them are bad, the first bad one, and why the walk ended early."""

    name: str
    objects: int = 0
    bad: int = 0
    first: Optional[BadNode] = None
    broken: Optional[str] = None


@dataclass
class Verification:
    """All lists of an interpreter. ``notes`` say what was not checked, and why."""

    lists: List[ListCheck] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    interrupted: bool = False
    #: What was looked at, of each object.
    checked: str = "links, flags, types and counts"

    @property
    def consistent(self) -> bool:
        """Whether nothing is wrong with what was checked."""
        return not any(each.bad or each.broken for each in self.lists)


def verify_lists(target: PythonTarget, interpreter: int) -> Verification:
    """Check the lists of an interpreter's collector. Never raises; Control-C gives what was checked so far."""
    if target.build.free_threaded:
        return _verify_pages(target, interpreter)
    found = Verification()
    lists = gc_lists(target, interpreter, found.notes)
    at_work = collecting(target, interpreter)
    if at_work:
        found.notes.append("the collector is at work: back links and flags are its scratch space now and were not checked")
    checker = _Checker(target, not at_work)
    total = 0
    for each in lists:
        check = ListCheck(each.name)
        found.lists.append(check)
        try:
            checker.check(each, lists, check, total)
        except INTERRUPTS:
            found.interrupted = True
        if found.interrupted or check.broken == "interrupted":
            found.interrupted, check.broken = True, None
            found.notes.append("interrupted: not all objects were checked")
            break
        total += check.objects
    return found


def _verify_pages(target: PythonTarget, interpreter: int) -> Verification:
    """Check the objects of a free-threaded build, which has no lists: pages, their lists of free blocks, and types."""
    found = paged_objects(target, interpreter)
    types = TypeTest(target)
    check = ListCheck("the allocator's pages", len(found))
    for place, (address, type_) in enumerate(zip(found.addresses, found.types)):
        flags = types.flags(type_)
        if flags < 0 or not flags & HAVE_GC:
            check.bad += 1
            check.first = check.first or BadNode(address, None, place, "its type is none, or one whose objects are not collected")
    if not found.interrupted:
        check.broken = "; ".join(found.problems) or None
    notes = ["interrupted: not all objects were checked"] if found.interrupted else []
    return Verification([check], notes, found.interrupted, "lists of free blocks and types")


class _Checker:
    """Checks one list after the other."""

    def __init__(self, target: PythonTarget, back_links: bool) -> None:
        self._target, self._back_links = target, back_links
        self._types = TypeTest(target)
        self._header = header_size(target)

    def check(self, each: GcList, lists: Sequence[GcList], check: ListCheck, before: int) -> None:
        """Fill ``check``. Raises Interrupted."""
        target = self._target
        walk = walk_list(target, each.head, MOST_OBJECTS, [other.head for other in lists if other != each], before)
        check.broken = walk.problem
        if walk.interrupted:
            return
        behind = self._behind(each, walk.nodes)
        start = end = 0
        words: Sequence[int] = ()
        refcnt = (self._header + target.layout.offset("object.refcnt")) // 8
        count_field = target.layout.field("object.refcnt")
        whole = count_field is not None
        signed = count_field is not None and count_field.size == 8
        for place, (node, type_) in enumerate(zip(walk.nodes, walk.types)):
            if not start <= node < end:
                start, end, words = target.memory.window(node)
            index = (node - start) >> 3
            back = words[index + 1]
            flags = self._types.flags(type_)
            problem = None
            if flags < 0:
                problem = f"its type at {type_:#x} is no type"
            elif not flags & HAVE_GC:
                problem = "its type is not one that the collector manages"
            elif whole and not 0 < words[index + refcnt] & 0xFFFFFFFF < 1 << 32:
                problem = "its reference count is 0"
            elif signed and words[index + refcnt] >> 63:
                problem = f"its reference count is {words[index + refcnt] - (1 << 64)}"
            elif self._back_links and back & ~FLAGS != behind:
                problem = f"its back link is {back & ~FLAGS:#x}, but the node before it is {behind:#x}"
            elif self._back_links and back & _COLLECTING:
                problem = "it is flagged as being collected, but the collector is not at work"
            if problem is not None:
                check.bad += 1
                if check.first is None:
                    check.first = BadNode(node + self._header, self._name(type_), place, problem)
            behind = node
            check.objects += 1
            if not place % _PATIENCE:
                target.walked(before + place)
                target.debugger.check_interrupt()
        self._check_end(each, behind, check)

    def _behind(self, each: GcList, nodes: "array[int]") -> int:
        """Return what the first node must point back to: the head, or the last node where the head was taken out."""
        if nodes:
            try:
                back = self._target.memory.pointer(nodes[0] + 8) & ~FLAGS
                if back != each.head and self._target.memory.pointer(nodes[-1]) & ~FLAGS == nodes[0]:
                    return nodes[-1]
            except Unreadable:
                pass
        return each.head

    def _check_end(self, each: GcList, last: int, check: ListCheck) -> None:
        """The head must point back to the last node."""
        if check.broken or not self._back_links:
            return
        try:
            back, first = (self._target.memory.pointer(each.head + 8 * which) & ~FLAGS for which in (1, 0))
        except Unreadable:
            return
        if first and back != last and check.objects and self._headed(each.head, first):
            check.broken = f"the head at {each.head:#x} points back to {back:#x}, but the last node is {last:#x}"

    def _headed(self, head: int, first: int) -> bool:
        try:
            return self._target.memory.pointer(first + 8) & ~FLAGS == head
        except Unreadable:
            return False

    def _name(self, type_: int) -> Optional[str]:
        try:
            return qualified_name(self._target, type_)
        except Unreadable:
            return None
