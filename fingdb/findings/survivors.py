"""What survives, and by whom: everything that CPython's own roots do not lead to, in groups with one reason each."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterable, List, Optional, Set, Tuple

from ..cpython import objects
from ..cpython.graph.describe import is_immortal, type_words
from ..cpython.graph.edges import label
from ..cpython.graph.ordered import Sorted
from ..cpython.graph.owners import Heap
from ..cpython.graph.scan import find_words
from ..cpython.graph.whole import Graph, whole
from ..cpython.late_counts import held_references
from ..cpython.reprs import qualified_name, safe_repr
from ..cpython.target import PythonTarget, Unreadable
from ..debugger.interface import INTERRUPTS, Interrupted
from ..model.objects import Account, Holder, Reference
from ..model.report import NativeFrame, TypeCount
from ..model.survivors import SurvivorGroup, Survivors
from .culprit import PROGRAM, RUNTIME, STDLIB, origin_of, origin_of_file
from .roots import ATEXIT, FRAME, MEMORY, STACK, STATIC, STRUCTURES, Roots
from .unvisited import UNVISITED, explain_cycle

LOST, CYCLE, IMMORTAL = "lost", "cycle", "immortal"
#: Groups and names of references that are listed.
_MOST_GROUPS = 200
_MOST_NAMES = 8
_REFCOUNTS = "https://docs.python.org/3/extending/extending.html#reference-counts"
_ISOLATING = "https://docs.python.org/3/howto/isolating-extensions.html"
_IMMORTAL = "https://peps.python.org/pep-0683/"
_ADVICE = {
    LOST: "A reference was counted and never given back: look for a missing Py_DECREF in the C code that made the object "
    "or took it (the result of an error path, PyModule_AddObject, PyDict_SetItem, PyList_Append). What was in the frames "
    "of a daemon thread when Python ended it is lost like that too.",
    STATIC: "The variable holds a reference for ever. Keep the object in the module's state, with m_traverse, m_clear and "
    "m_free, or release it in a function for that.",
    MEMORY: "C code keeps the object in memory of its own (user data of a callback, a table) and never gives its reference "
    "back. Take it away before the interpreter ends, in a callback of atexit for instance.",
    IMMORTAL: "Its count says that it is never to be freed (PEP 683), and what it refers to lives as long. An object becomes "
    "so by a count that was set or added to without care (Py_SET_REFCNT, a reference lost in a loop).",
    CYCLE: "It is garbage in a cycle: if no collection has run since it became that, the next one frees it.",
}
_REFERENCES = {LOST: [_REFCOUNTS], STATIC: [_ISOLATING], MEMORY: [_REFCOUNTS], IMMORTAL: [_IMMORTAL], CYCLE: []}


def survivors(heap: Heap, roots: Roots, collected: bool, told: Callable[[int], None] = lambda _done: None) -> Survivors:
    """Return what lives that nothing of CPython's own keeps.

    ``collected`` tells that a collection was the last thing that happened to cycles. Control-C gives the groups
    found until then, marked partial. Raises Interrupted when even what is kept was not known by then.
    """
    result = Survivors(len(heap.addresses.numbers), 0, collected=collected, partial=heap.partial)
    try:
        _Division(heap, roots, result, told).run()
    except INTERRUPTS:
        if not result.kept:
            raise Interrupted() from None  # it may not be said that nothing is kept
        result.partial = True
        result.problems.append("interrupted: survivors were not looked for to the end")
    result.problems += heap.problems
    return result


@dataclass
class _Root:
    """References from outside to one object."""

    own: List[int] = field(default_factory=list)  # places of CPython's own
    foreign: List[int] = field(default_factory=list)  # places in C data of libraries
    borrowed: int = 0


class _Division:
    """The division of one heap."""

    def __init__(self, heap: Heap, roots: Roots, result: Survivors, told: Callable[[int], None]) -> None:
        self._heap = heap
        self._target = heap.target
        self._roots = roots
        self._result = result
        self._graph: Graph = whole(heap, told)
        self._outside: Dict[int, _Root] = {}
        #: For each position in the graph whether CPython's own structures keep the object.
        self._kept = bytearray()
        self._left: Set[int] = set()
        #: Lost object -> words on stacks and in C memory that are its address.
        self._hints: Dict[int, List[Holder]] = {}

    def run(self) -> None:
        """Fill in the result. Raises Interrupted."""
        graph = self._graph
        static = self._find_roots()
        own = [address for address, root in self._outside.items() if root.own]
        own += [address for address in static if self._is_runtime(address)]
        own += [edge_target for _words, edge_target in self._roots.frame_edges()]
        self._kept = graph.reached(own)
        self._left = {address for address, kept in zip(graph.nodes, self._kept) if not kept}
        self._result.kept = sum(1 for address, kept in zip(graph.nodes, self._kept) if kept and graph.tracked(address))
        foreign = [a for a, root in self._outside.items() if root.foreign and a in self._left]
        foreign += [address for address in static if address in self._left]
        # Who holds one object of a chain holds them all: the one that no other leads to comes first.
        for address in self._first_ones(foreign):
            self._take(STATIC, address)
        lost = self._lost()
        self._find_hints(lost)
        for kind, heads in ((LOST, lost), (IMMORTAL, self._immortal())):
            for address in self._first_ones(heads):
                self._take(kind, address)
        for component in self._components():
            self._take_cycle(component)
        self._result.groups = _merged(self._result.groups)
        self._result.groups.sort(key=lambda group: (_SEVERITIES.index(group.severity), -group.objects))
        if len(self._result.groups) > _MOST_GROUPS:
            more = len(self._result.groups) - _MOST_GROUPS
            self._result.problems.append(f"{more} more groups are not listed")
            del self._result.groups[_MOST_GROUPS:]

    # -- roots ----------------------------------------------------------------------------------------
    def _find_roots(self) -> List[int]:
        """Note the references from outside; return the objects that are C data of libraries themselves."""
        graph = self._graph
        static = [address for address in graph.nodes if self._roots.library_of(address) is not None]
        inside = Sorted(static)
        for place, address in find_words(self._target.debugger, self._roots.ranges(), graph.nodes):
            below = inside.at_or_below(place)
            if below is not None and place < below + self._heap.extent(below):
                continue  # the word of an object: its references are in the graph
            root = self._outside.setdefault(address, _Root())
            library = self._roots.library_of(place)
            if library is not None and library != self._target.module.path:
                root.foreign.append(place)
                continue
            holder = self._roots.of_place(place)
            if holder is not None and holder.owned and holder.kind in (*STRUCTURES, ATEXIT, FRAME, STATIC):
                root.own.append(place)
        return static

    def _is_runtime(self, address: int) -> bool:
        return self._roots.library_of(address) == self._target.module.path

    def _closure(self, start: int) -> Set[int]:
        """Return all objects that are not kept and that owned references lead to from ``start``, that included."""
        graph = self._graph
        seen = {start} if self._is_not_kept(start) else set()
        waiting = list(seen)
        while waiting:
            for to in graph.targets(waiting.pop()):
                if to not in seen and self._is_not_kept(to):
                    seen.add(to)
                    waiting.append(to)
        return seen

    def _is_not_kept(self, address: int) -> bool:
        position = self._graph.position(address)
        return position >= 0 and not self._kept[position]

    def _first_ones(self, addresses: Iterable[int]) -> List[int]:
        """Return objects so that what others of them lead to comes later."""
        wanted = [address for address in addresses if address in self._left]
        if len(wanted) > 2000:
            return wanted
        reach = {address: self._closure(address) for address in wanted}
        return sorted(wanted, key=lambda address: (sum(address in reach[a] for a in wanted), -len(reach[address]), address))

    # -- heads ----------------------------------------------------------------------------------------
    def unexplained(self, address: int) -> int:
        """Return how many references an object counts that nothing shows. Raises Unreadable."""
        root = self._outside.get(address, _Root())
        shown = self._graph.counted(address) + len(root.own) + len(root.foreign)
        return held_references(self._target, address) - shown

    def _lost(self) -> List[int]:
        found = []
        for address in self._left:
            try:
                if not is_immortal(self._target, address) and self.unexplained(address) > 0:
                    found.append(address)
            except Unreadable:
                continue
        return found

    def _immortal(self) -> List[int]:
        found = []
        for address in self._left:
            try:
                if is_immortal(self._target, address):
                    found.append(address)
            except Unreadable:
                continue
        return found

    def _components(self) -> List[Set[int]]:
        """Return what is left in parts that no reference connects, the largest first."""
        waiting, found = set(self._left), []
        graph = self._graph
        while waiting:
            component: Set[int] = set()
            border = [waiting.pop()]
            while border:
                address = border.pop()
                component.add(address)
                for other in (*(edge.target for edge in graph.edges(address)), *graph.owners(address)):
                    if other in waiting:
                        waiting.discard(other)
                        border.append(other)
            if any(graph.tracked(address) for address in component):
                found.append(component)
        return sorted(found, key=len, reverse=True)

    # -- groups ---------------------------------------------------------------------------------------
    def _take(self, kind: str, address: int) -> None:
        """Make a group of an object and of all that it leads to and that is not in one yet."""
        if address not in self._left:
            return
        members = self._closure(address) & self._left
        self._left -= members
        if any(self._graph.tracked(member) for member in members):
            self._result.groups.append(self._group(kind, address, members))

    def _take_cycle(self, component: Set[int]) -> None:
        self._left -= component
        cause = explain_cycle(self._heap, self._graph, component, self._result.collected)
        group = self._group(UNVISITED if cause.suspects else CYCLE, cause.head, component)
        if cause.suspects:
            group.suspects, group.advice, group.references = cause.suspects, cause.advice, cause.references
            culprit = cause.suspects[0].culprit
            if culprit is not None:
                group.owner = culprit.library
            group.severity = "warning" if group.owner is None or self._origin(group.owner) == PROGRAM else "note"
        self._result.groups.append(group)

    def _group(self, kind: str, head: int, members: Set[int]) -> SurvivorGroup:
        graph, target = self._graph, self._target
        root = self._outside.get(head, _Root())
        names = Counter(type_words(target, address) for address in members)
        types = [TypeCount(n, c) for n, c in sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))]
        holders = [h for h in map(self._roots.of_place, root.foreign) if h is not None]
        account = Account(None, graph.counted(head), 0, len(root.foreign), len(root.own))
        try:
            if not is_immortal(target, head):
                account.count = held_references(target, head)
                account.unexplained = self.unexplained(head)
        except Unreadable:
            pass
        if kind == LOST:
            holders = self._hints.get(head, [])
            account.stack = sum(h.kind == STACK for h in holders)
            account.memory = sum(h.kind == MEMORY for h in holders)
            led_to = [h for h in holders if h.kind == MEMORY and h.library]
            if led_to and account.unexplained is not None and len(led_to) >= account.unexplained:
                kind, holders = MEMORY, led_to
                account.pointed = len(led_to)
        if self._roots.library_of(head) is not None:
            holder = self._roots.of_object(head)
            holders = [holder] if holder is not None else []
        owner, origin = self._owner(head, holders)
        # What is only in a cycle may be garbage that waits, and C data of a library lives as long as the library.
        severity = "warning" if origin == PROGRAM and kind != CYCLE and self._roots.library_of(head) is None else "note"
        return SurvivorGroup(
            kind, severity, Reference("", "", head, type_words(target, head), safe_repr(target, head, 1)),
            len(members), types, account, self._names(head), holders, [], owner,
            _ADVICE.get(kind, ""), list(_REFERENCES.get(kind, [])),
        )  # fmt: skip

    def _find_hints(self, lost: List[int]) -> None:
        """Note the words on stacks and in C memory that are addresses of lost objects: one of them may hold it."""
        found: List[Tuple[int, Holder]] = []
        for place, address in find_words(self._target.debugger, self._roots.mappings.written(), lost) if lost else ():
            if any(True for _owner in self._heap.owners(place, address)) or self._heap.unused(place):
                continue
            holder = self._roots.of_place(place)
            if holder is not None and holder.kind in (STACK, MEMORY):
                found.append((address, holder))
        pointed = iter(self._roots.pointed_to([holder for _address, holder in found if holder.kind == MEMORY]))
        for address, holder in found:
            self._hints.setdefault(address, []).append(next(pointed) if holder.kind == MEMORY else holder)

    def _names(self, head: int) -> List[str]:
        """Return in words who holds the references of an object that others own."""
        named: "Counter[str]" = Counter()
        for owner, edge in self._graph.incoming(head):
            kind = type_words(self._target, owner)
            named[f"{label(self._target, edge)} of a {kind}"] += 1
            if len(named) >= 64:
                break
        shown = [f"{words} ({count})" if count > 1 else words for words, count in named.most_common(_MOST_NAMES)]
        return shown + ([f"{len(named) - _MOST_NAMES} more"] if len(named) > _MOST_NAMES else [])

    def _owner(self, head: int, holders: List[Holder]) -> Tuple[Optional[str], str]:
        """Return whose the objects are: a file, and whether it is the program's or came with CPython.

        That of the library that holds them, else of the code that is nearest to the object that is held: what is
        made of data alone is the program's for all that is known.
        """
        for holder in holders:
            if holder.library:
                return holder.library, self._origin(holder.library)
        seen, level = {head}, [head]
        while level and len(seen) < _MOST_EVIDENCE:
            following: List[int] = []
            for address in level:
                found = self._made_by(address)
                if found is not None and (found[1] != RUNTIME or address == head):
                    return found
                for to in self._graph.targets(address):
                    if to not in seen:
                        seen.add(to)
                        following.append(to)
            level = following
        return None, PROGRAM

    def _made_by(self, address: int) -> Optional[Tuple[str, str]]:
        """Return the file (or module) that an object's code is from, and whose that is, None where it has none."""
        file = code_of(self._target, address)
        if file is None:
            module = module_of_class(self._target, address)
            if module is None or not _STANDARD:
                return None
            return module, STDLIB if module.partition(".")[0] in _STANDARD else PROGRAM
        if file == self._target.module.path:
            return file, RUNTIME
        return file, origin_of_file(file) if file.endswith(".py") or file[:1] == "<" else self._origin(file)

    @staticmethod
    def _origin(library: str) -> str:
        return PROGRAM if origin_of(NativeFrame(0, 0, 0, None, library)) == PROGRAM else STDLIB


def _merged(groups: List[SurvivorGroup]) -> List[SurvivorGroup]:
    """Return groups of which those that differ only in the object are one: a call that loses a reference does so each time."""
    found: Dict[object, SurvivorGroup] = {}
    for group in groups:
        first = found.setdefault(_likeness(group), group)
        if first is group:
            continue
        first.count += group.count
        first.objects += group.objects
        first.others += [group.head.address][: _MOST_NAMES - len(first.others)]
        counts = Counter({each.type: each.count for each in first.types})
        counts.update({each.type: each.count for each in group.types})
        first.types = [TypeCount(n, c) for n, c in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    return list(found.values())


def _likeness(group: SurvivorGroup) -> object:
    """Return what is the same for groups that are to be told as one."""
    if group.kind not in (LOST, STATIC, MEMORY, IMMORTAL):
        return id(group)
    account = group.account
    by = frozenset((holder.library, holder.through) for holder in group.holders) if group.kind != LOST else None
    return (
        group.kind, group.severity, group.head.type, group.owner, by, account.count, account.objects, account.static,
        account.structures, account.unexplained,
    )  # fmt: skip


#: So many objects are asked whose code they are.
_MOST_EVIDENCE = 2000
#: Modules that come with CPython, as the debugger's own Python (3.10 and later) lists them.
_STANDARD = frozenset(getattr(sys, "stdlib_module_names", ()))
_SEVERITIES = ("error", "warning", "note")


def code_of(target: PythonTarget, address: int) -> Optional[str]:
    """Return the file of the code that an object is made of: of a function, a built-in function, a type. Never raises."""
    try:
        kind = objects.type_of(target, address)
        name = objects.name_of_type(target, kind)
        if name == "function":
            code = target.number("function.code", address)
            return objects.string(target, target.number("code.filename", code), 1024)
        if name == "code":
            return objects.string(target, target.number("code.filename", address), 1024)
        if name == "builtin_function_or_method":
            definition = target.value("builtin.method", address)
            function = target.value("method_def.function", definition) if definition else 0
        elif name == "module":
            function = target.value("module.def", address)
        elif objects.flags_of_type(target, kind) & objects.TYPE:
            kind = address
            if not objects.flags_of_type(target, kind) & objects.HEAP_TYPE:
                function = address
            else:
                function = target.value("type.traverse", kind) or target.value("type.dealloc", kind)
        elif objects.flags_of_type(target, kind) & objects.HEAP_TYPE:
            function = target.value("type.traverse", kind) or target.value("type.dealloc", kind)
        else:
            return None
        file = target.debugger.module_at(function) if function else None
    except Unreadable:
        return None
    # A class of Python has the runtime's own functions: its methods tell whose it is.
    return None if file == target.module.path and name not in ("builtin_function_or_method", "module") else file


def module_of_class(target: PythonTarget, address: int) -> Optional[str]:
    """Return the ``__module__`` of a heap type, None for what is none or has none. Never raises."""
    try:
        kind = objects.type_of(target, address)
        if not objects.flags_of_type(target, kind) & objects.TYPE:
            return None
        if not objects.flags_of_type(target, address) & objects.HEAP_TYPE:
            return None
        name, dot, _last = qualified_name(target, address).rpartition(".")
        return name if dot else None
    except Unreadable:
        return None
