"""Cycles that a collection should have freed: which reference of theirs does some tp_traverse not visit?

The collector's own algorithm (Modules/gcmodule.c, subtract_refs and move_unreachable) is run again on what survives. If
a group has no reference from outside and yet survived, its tp_traverse functions do not visit all that is owned: the
reference is the one without which the group would look like one that is held from outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, List, Optional, Set, Tuple

from ..cpython import objects
from ..cpython.graph.edges import MEMBER, Edge
from ..cpython.graph.owners import Heap
from ..cpython.graph.rows import ASSUMED, GUESSED, LATE
from ..cpython.graph.whole import Graph
from ..cpython.late_counts import held_references
from ..cpython.target import PythonTarget, Unreadable
from ..debugger.interface import Debugger, DebuggerError
from ..model.report import Culprit
from ..model.survivors import Suspect
from .calls import end_of
from .judgement import CERTAIN, LIKELY
from .operands import reach

UNVISITED = "unvisited"
TYPE_EDGE = "ob_type"
_REFERENCES = [
    "https://bugs.python.org/issue40217",
    "https://docs.python.org/3/howto/isolating-extensions.html#tp-traverse-in-python-3-8-and-lower",
]
_PROTOCOL = ["https://docs.python.org/3/c-api/gcsupport.html"]
#: A call that leads elsewhere is followed so deep.
_DEEPEST = 3
#: More candidates than this are not tried one by one.
_MOST_CLASSES = 64
_MOST_BASES = 200

#: So much of a function without a name is read (bytes).
_MOST_CODE = 1 << 10
#: `call` and `jmp` through the global offset table, as compiled with -fno-plt.
_THROUGH_TABLE = (b"\xff\x15", b"\xff\x25")
#: Where registers are said to point to find out what an instruction's operand is relative to.
_REGISTERS = {
    name: number << 40 for number, name in enumerate(
        ("rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)), "fs_base", "gs_base"), 1
    )
}  # fmt: skip

#: References of one name out of the objects of one type: visited all or not at all.
_Class = Tuple[int, str]


@dataclass
class Cause:
    """What explains a group: the object to show for it, and suspects, the likeliest first; none for plain garbage."""

    head: int
    suspects: List[Suspect] = field(default_factory=list)
    advice: str = ""
    references: List[str] = field(default_factory=list)


def explain_cycle(heap: Heap, graph: Graph, component: Set[int], collected: bool) -> Cause:
    """Return why a group without any reference from outside survives. Never raises."""
    work = _Group(heap, graph, component)
    cause = Cause(work.head())
    if not work.core:
        return cause
    never = work.never_visited()
    if never:
        cause.suspects = [work.suspect(each, CERTAIN, why) for each, why in never]
    else:
        cause.suspects = work.suspects(collected)
    if cause.suspects:
        first = cause.suspects[0]
        if first.edge == TYPE_EDGE:
            cause.head = work.type_called(first) or cause.head
        cause.advice, cause.references = _advice(first)
    return cause


def _advice(suspect: Suspect) -> Tuple[str, List[str]]:
    function = suspect.culprit.function if suspect.culprit is not None else "its tp_traverse"
    if suspect.edge == TYPE_EDGE and suspect.culprit is not None:
        return (
            f"Add Py_VISIT(Py_TYPE(self)) to {function}: an instance of a heap type owns a reference to its type, and the "
            "collector must see it (Python 3.9 and later).",
            _REFERENCES,
        )
    if suspect.culprit is None:
        return (
            f"Give {suspect.type} Py_TPFLAGS_HAVE_GC, a tp_traverse that visits {suspect.edge}"
            f"{'' if suspect.edge == TYPE_EDGE else ' (and the type)'}, and a tp_clear: its objects can be part of cycles.",
            _PROTOCOL,
        )
    return f"Let {function} visit {suspect.edge}: what an object owns the collector must see.", _PROTOCOL


class _Group:
    """One group, and the collector's algorithm on it."""

    def __init__(self, heap: Heap, graph: Graph, component: Set[int]) -> None:
        self._heap = heap
        self._target: PythonTarget = heap.target
        self._graph = graph
        self._component = component
        self._edges = {address: graph.edges(address) for address in component}
        self._types: Dict[int, int] = {}
        self._refcounts: Dict[int, int] = {}
        for address in component:
            try:
                self._types[address] = objects.type_of(self._target, address)
                self._refcounts[address] = held_references(self._target, address)
            except Unreadable:
                self._types[address], self._refcounts[address] = 0, 0
        self.core = self._find_core()

    def _find_core(self) -> Set[int]:
        """Return the objects of the group that are in cycles, or between them."""
        core = set(self._component)
        changed = True
        while changed:
            changed = False
            for address in list(core):
                out = any(edge.owned and edge.target in core for edge in self._edges[address])
                into = any(owner in core for owner in self._graph.owners(address))
                if not out or not into:
                    core.discard(address)
                    changed = True
        return core

    def head(self) -> int:
        """Return the object to show for the group: a heap type if one is in a cycle, else what most refer to."""
        def weight(address: int) -> Tuple[bool, int, int]:
            return self._heap.referents.is_type(address), self._graph.counted(address), -address

        return max(self.core or self._component, key=weight)

    # -- the collector --------------------------------------------------------------------------------
    def survive(self, unvisited: Callable[[int, Edge], bool]) -> Set[int]:
        """Return the tracked objects that a collection would leave alive if some references were not visited."""
        graph = self._graph
        tracked = [address for address in self._component if graph.tracked(address)]
        left = {address: self._refcounts[address] for address in tracked}
        visited: Dict[int, List[int]] = {}
        for address in tracked:
            seen = visited[address] = []
            for edge in self._edges[address]:
                sees = edge.visited or edge.how in (ASSUMED, GUESSED)
                if sees and edge.target in left and not unvisited(address, edge):
                    left[edge.target] -= edge.how != LATE
                    seen.append(edge.target)
        alive = {address for address, count in left.items() if count > 0}
        waiting = list(alive)
        while waiting:
            for other in visited[waiting.pop()]:
                if other not in alive:
                    alive.add(other)
                    waiting.append(other)
        return alive

    def _explains(self, classes: FrozenSet[_Class]) -> bool:
        """Tell whether the group survives when the references of some classes are not visited."""
        alive = self.survive(lambda owner, edge: (self._types[owner], _name(edge)) in classes)
        return all(address in alive for address in self.core if self._graph.tracked(address))

    # -- suspects -------------------------------------------------------------------------------------
    def never_visited(self) -> List[Tuple[_Class, str]]:
        """Return references that are known not to be visited, if those alone explain that the group survives."""
        if not self._explains(frozenset()):
            return []
        found: Dict[_Class, str] = {}
        for address in self.core:
            for edge in self._edges[address]:
                if edge.target not in self.core or not edge.owned:
                    continue
                if not self._graph.tracked(address):
                    found[self._types[address], _name(edge)] = "the collector does not look into its objects"
                elif not edge.visited and edge.how not in (ASSUMED, GUESSED):
                    found[self._types[address], _name(edge)] = "its tp_traverse does not visit it, by design"
        # An object of a type without support for the collector hides its type as well, but whoever mends the one mends both.
        listed = sorted(found.items(), key=lambda item: item[0][1] == TYPE_EDGE)
        return [(each, why) for each, why in listed if self._is_foreign(each[0])] or listed

    def _is_foreign(self, kind: int) -> bool:
        function = 0
        try:
            function = self._target.value("type.dealloc", kind) or 0
        except Unreadable:
            pass
        return self._target.debugger.module_at(function) != self._target.module.path if function else False

    def classes(self) -> List[_Class]:
        """Return the references within the group of which nobody but the C code knows whether they are visited."""
        found: Dict[_Class, bool] = {}
        for address in self._component:
            for edge in self._edges[address]:
                if edge.how in (ASSUMED, GUESSED) and edge.target in self.core and edge.owned:
                    found[self._types[address], _name(edge)] = True
        # The type first: that is what most forget.
        return sorted(found, key=lambda each: (each[1] != TYPE_EDGE, each))

    def suspects(self, collected: bool) -> List[Suspect]:
        """Return the references one of which is not visited, the likeliest first."""
        classes = self.classes()
        shown = {each: visits_type(self._target, self._traverse(each[0])) for each in classes if each[1] == TYPE_EDGE}
        certain = frozenset(each for each, visits in shown.items() if visits is False)
        if certain and self._explains(certain):
            why = "its code never reads the type of the object, and without that reference the group looks held from outside"
            return [self.suspect(each, CERTAIN, why) for each in sorted(certain)]
        if not collected or len(classes) > _MOST_CLASSES:
            return []
        alone = [each for each in classes if self._explains(frozenset((each,)))]
        if alone:
            why = "it is the only reference that explains why the collection left the group alive"
            if len(alone) > 1:
                why = f"one of {len(alone)} references that explain why the collection left the group alive"
            return [self.suspect(each, LIKELY, why) for each in alone]
        types = frozenset(each for each in classes if each[1] == TYPE_EDGE)
        if types and self._explains(types):
            why = "together with the others it explains why the collection left the group alive"
            return [self.suspect(each, LIKELY, why) for each in sorted(types)]
        return []

    def suspect(self, each: _Class, confidence: str, why: str) -> Suspect:
        """Return the record of a class of references."""
        kind, edge = each
        instances = sum(1 for address in self._component if self._types[address] == kind)
        try:
            name = objects.name_of_type(self._target, kind)
            text = self._target.memory.cstring(self._target.number("type.name", kind), 200).decode("utf-8", "replace")
            name = text if "." in text else name
        except Unreadable:
            name = "?"
        return Suspect(name, edge, instances, culprit_of(self._target, self._traverse(kind)), confidence, why)

    def type_called(self, suspect: Suspect) -> Optional[int]:
        """Return the type of a suspect, if it is in the group."""
        for kind in set(self._types.values()):
            if kind in self._component and self.suspect((kind, suspect.edge), "", "").type == suspect.type:
                return kind
        return None

    def _traverse(self, kind: int) -> int:
        """Return the tp_traverse of a type; of a class of Python that of the base that is none, which its own calls."""
        debugger, runtime = self._target.debugger, self._target.module.path
        try:
            own = function = self._target.value("type.traverse", kind) or 0
            for _ in range(_MOST_BASES):
                if not kind or not function or debugger.module_at(function) != runtime:
                    break
                kind = self._target.value("type.base", kind) or 0
                function = (self._target.value("type.traverse", kind) or 0) if kind else 0
        except Unreadable:
            return 0
        return function or own


def _name(edge: Edge) -> str:
    return edge.name if edge.kind == MEMBER else edge.kind


def culprit_of(target: PythonTarget, function: int) -> Optional[Culprit]:
    """Return a C function as a culprit, None for no function."""
    if not function:
        return None
    debugger = target.debugger
    symbol = debugger.symbol_at(function)
    line = debugger.source_line(function)
    name = symbol[0] if symbol is not None else f"{function:#x}"
    return Culprit(
        name, line.file if line is not None else None, line.line if line is not None else None,
        debugger.module_at(function) or "",
    )  # fmt: skip


def visits_type(target: PythonTarget, function: int) -> Optional[bool]:
    """Tell whether a tp_traverse may visit its object's type: False when it never reads it, None when it may.

    False is said when neither the function nor what it calls in its own library reads a word where an object keeps
    its type, and when it calls nothing else but what it is given.
    """
    if not function:
        return None
    offset = target.layout.offset("object.type", 8)
    return None if _may_read(target.debugger, function, offset, _DEEPEST, set()) else False


def _may_read(debugger: Debugger, function: int, offset: int, depth: int, seen: Set[int]) -> bool:
    if depth < 0:
        return True
    if function in seen:
        return False
    seen.add(function)
    end = _end(debugger, function)
    if end <= function:
        return True
    try:
        instructions = debugger.disassemble(function, end)
        code = debugger.read(function, end - function)
    except DebuggerError:
        return True
    library = debugger.module_at(function)
    for instruction in instructions:
        at = instruction.address - function
        if _reads(code[at : at + instruction.length], instruction.address, offset):
            return True
        if instruction.flow not in ("call", "jump", "branch"):
            continue
        to = instruction.target
        if instruction.stub or (to is None and code[at : at + 2] in _THROUGH_TABLE):
            return True  # a function of another library: it may visit for this one
        if to is None or function <= to < end:
            continue
        if debugger.module_at(to) != library or _may_read(debugger, to, offset, depth - 1, seen):
            return True
    return False




def _end(debugger: Debugger, function: int) -> int:
    """Return where a function ends: by its name, else where its last return is. ``function`` itself if unknown."""
    symbol = debugger.symbol_at(function)
    if symbol is not None and symbol[1] == function:
        return end_of(debugger, function) + 1  # what is told is the last byte that its name covers
    try:
        instructions = debugger.disassemble(function, function + _MOST_CODE)
    except DebuggerError:
        return function
    farthest = function
    for instruction in instructions:
        following = instruction.address + instruction.length
        if instruction.flow in ("jump", "branch") and instruction.target is not None:
            if function <= instruction.target < function + _MOST_CODE:
                farthest = max(farthest, instruction.target)
        if instruction.flow in ("return", "jump") and following > farthest:
            return following
    return function


def _reads(code: bytes, pc: int, offset: int) -> bool:
    """Tell whether an instruction may read what is so far behind the beginning of something: all but the stack counts."""
    reached = reach(code, pc, lambda name: _REGISTERS.get(name, 0))
    if reached is None:
        # An instruction that is not in the tables; those that do nothing begin like this.
        return not code.startswith((b"\x0f\x1f", b"\x66\x0f\x1f", b"\xf3\x0f\x1e"))
    return any(address - base == offset for address in reached.addresses for base in _REGISTERS.values())
