"""Why an object lives: paths from roots to it, and who holds each of the references that it counts."""

from __future__ import annotations

from typing import Callable, Dict, List, Tuple

from ..cpython.graph.describe import is_immortal, reference, type_words
from ..cpython.graph.edges import Edge, label
from ..cpython.graph.owners import Heap
from ..cpython.graph.referrers import Referrers, referrers
from ..cpython.late_counts import held_references
from ..cpython.reprs import safe_repr
from ..cpython.target import Corrupt
from ..debugger.interface import INTERRUPTS, Interrupted
from ..model.objects import Account, Holder, Path, Reference, Referrer, Why
from .roots import (
    ATEXIT,
    CONSERVATIVE,
    FRAME,
    INTERPRETER,
    MEMORY,
    MODULE,
    RUNTIME,
    STACK,
    STATIC,
    STRUCTURES,
    THREAD,
    UNEXPLAINED,
    Roots,
)

#: Paths that are looked for, how far back, and how many objects are followed from one level to the next.
PATHS = 3
_DEEPEST = 64
_WIDEST = 20_000


def explain(
    heap: Heap, roots: Roots, address: int, paths: int = PATHS, limit: int = 20,
    told: Callable[[int], None] = lambda _done: None,
) -> Why:
    """Return why the object at ``address`` lives.

    ``limit`` bounds the referrers that are listed. Control-C gives what was found so far, marked partial. Raises
    Corrupt when no object is there, Interrupted when not all of memory was looked through for references to it.
    """
    target = heap.target
    if not heap.referents.looks_like_object(address):
        raise Corrupt(f'no object begins at {address:#x} ("pyfin whatis {address:#x}" tells what is there)')
    why = Why(address, type_words(target, address), safe_repr(target, address), Account(None))
    search = _Search(heap, roots, address, told)
    try:
        search.run(paths)
    except INTERRUPTS:
        if not search.searched:
            raise Interrupted() from None  # of whom nobody was found to refer to, nobody may not be said to refer to
        why.partial = True
        why.problems.append("interrupted: what follows is what was found until then")
    why.problems += heap.problems + search.problems
    why.partial = why.partial or heap.partial or search.partial
    why.paths = search.paths
    why.cycle = search.exhausted and not search.paths and not search.conservative
    _fill(why, heap, roots, search.first, limit)
    return why


def _fill(why: Why, heap: Heap, roots: Roots, found: Referrers, limit: int) -> None:
    """Fill in referrers, holders and the account."""
    target = heap.target
    for owner, edge in found.edges:
        if len(why.referrers) < limit:
            why.referrers.append(
                Referrer(label(target, edge), edge.how, owner, type_words(target, owner), safe_repr(target, owner, 1))
            )
        else:
            why.more += 1
    holders = [roots.of_place(place) for place in found.places]
    why.holders = [holder for holder in holders if holder is not None]
    why.account = account_of(heap, why.address, found, why.holders)


def account_of(heap: Heap, address: int, found: Referrers, holders: List[Holder]) -> Account:
    """Return who holds the references that an object counts. Raises Unreadable."""
    target = heap.target
    kinds = [holder.kind for holder in holders if holder.owned or holder.kind in CONSERVATIVE]
    account = Account(
        None if is_immortal(target, address) else held_references(target, address),
        sum(1 for _owner, edge in found.edges if edge.owned),
        kinds.count(FRAME), kinds.count(STATIC), sum(kinds.count(kind) for kind in STRUCTURES), kinds.count(ATEXIT),
        kinds.count(STACK), kinds.count(MEMORY),
    )  # fmt: skip
    if account.count is not None:
        named = account.objects + account.frames + account.static + account.structures + account.callbacks
        account.unexplained = account.count - named
    return account


class _Search:
    """A search from an object backwards, level by level, until roots come up."""

    def __init__(self, heap: Heap, roots: Roots, address: int, told: Callable[[int], None]) -> None:
        self._heap = heap
        self._roots = roots
        self._address = address
        self._told = told
        self._ranges = roots.mappings.written()
        #: Object -> the object that it leads to, and through which reference.
        self._next: Dict[int, Tuple[int, Edge]] = {}
        self._found: Dict[int, Referrers] = {}
        self.paths: List[Path] = []
        self.conservative: List[Path] = []
        self.first = Referrers()
        #: Whether all memory was looked through for ``first``.
        self.searched = False
        self.partial = False
        self.exhausted = False
        self.problems: List[str] = []

    def run(self, wanted: int) -> None:
        """Search. Raises Interrupted."""
        level = [self._address]
        own = self._roots.of_object(self._address)
        if own is not None:
            self._add(own, self._address)
        for depth in range(_DEEPEST):
            found = referrers(self._heap, self._ranges, level, self._told)
            self._found.update(found)
            if depth == 0:
                self.first = found[self._address]
                self.searched = True
            following: List[int] = []
            for address in level:
                self._places(address, found[address])
                for owner, edge in found[address].edges:
                    if not edge.keeps or owner in self._next or owner == self._address:
                        continue
                    self._next[owner] = (address, edge)
                    root = self._roots.of_object(owner)
                    if root is None:
                        following.append(owner)
                    else:
                        self._add(root, owner)
            if len(_distinct(self.paths)) >= wanted:
                break  # none is wanted where only the referrers are
            level = following
            if not level:
                self.exhausted = True
                break
            if len(level) > _WIDEST:
                self.partial = True
                self.problems.append(f"of {len(level)} objects that lead there only {_WIDEST} were followed")
                del level[_WIDEST:]
        self.paths = _distinct(self.paths)
        if not self.paths and wanted:
            if self.exhausted:
                self._unexplained()
                # A word in memory explains nothing where every reference is explained.
                self.conservative = [p for p in self.conservative if self._lacking(p.steps[0].address)]
            self.paths = _distinct(self.paths) + _distinct(self.conservative)
        del self.paths[wanted:]
        for path in self.paths:
            if path.root.kind == MEMORY:
                path.root = self._roots.pointed_to([path.root])[0]

    def _unexplained(self) -> None:
        """Add paths from those objects that count more references than anything shows."""
        for address in self._found:
            left = self._lacking(address)
            if left:
                words = f"{left} reference{'s' if left > 1 else ''} that nothing shows"
                self._add(Holder(UNEXPLAINED, words, address), address)

    def _lacking(self, address: int) -> int:
        """Return how many references an object of the search counts that nothing shows, 0 also for an immortal one."""
        found = self._found[address]
        holders = [h for h in map(self._roots.of_place, found.places) if h is not None]
        return max(0, account_of(self._heap, address, found, holders).unexplained or 0)

    def _places(self, address: int, found: Referrers) -> None:
        told = set()
        for place in found.places:
            holder = self._roots.of_place(place)
            if holder is None:
                continue
            if not holder.owned and holder.kind not in CONSERVATIVE and not _borrowed_local(holder):
                continue
            if holder.kind in CONSERVATIVE or not holder.owned and ", stack[" in holder.words:
                if holder.kind not in told and len(self.conservative) < 64:
                    told.add(holder.kind)
                    self.conservative.append(self._path(holder, address))
            else:
                self._add(holder, address)

    def _add(self, root: Holder, address: int) -> None:
        if len(self.paths) < 64:
            self.paths.append(self._path(root, address))

    def _path(self, root: Holder, address: int) -> Path:
        target = self._heap.target
        steps = [Reference("", "", address, type_words(target, address), safe_repr(target, address, 1))]
        seen = {address}
        while address in self._next:
            following, edge = self._next[address]
            if following in seen:
                break
            seen.add(following)
            steps.append(reference(target, edge, following))
            address = following
        return Path(root, steps)


def _borrowed_local(holder: Holder) -> bool:
    """Tell whether a frame keeps an object through its function: that is a root, though it owns no reference."""
    return holder.kind == FRAME


#: The root that says most comes first where several hold the same object.
_ORDER = (MODULE, ATEXIT, INTERPRETER, FRAME, STATIC, THREAD, RUNTIME, UNEXPLAINED, MEMORY, STACK)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}


def _distinct(paths: List[Path]) -> List[Path]:
    """Return the paths by length, one for each object that a root holds."""
    found: Dict[int, Path] = {}
    for path in paths:
        first = path.steps[0].address
        known = found.get(first)
        if known is None or _RANK[path.root.kind] < _RANK[known.root.kind]:
            found[first] = path
    return sorted(found.values(), key=lambda path: (len(path.steps), _RANK[path.root.kind]))
