"""Two orders of finalization, step by step: what moved, what is new, what is gone.

The steps are trees, of a plan or of a trace. A step is the same on both sides when the catalogue says so, whatever
its name. A container that only one side has (``finalize_interp_clear`` of 3.9) is transparent: what it holds is
compared with what stands beside it on the other side, so that a new wrapper moves nothing. Within a container the
longest common subsequence stays where it is, so that as few steps as can be count as moved.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ..model.comparison import Change, FinalizationComparison, Place, Row
from . import catalogue
from .functions import base_name


@dataclass
class StepTree:
    """A step with those inside it, in order: of a plan, or of a trace (with its count and state)."""

    name: str
    phase: str
    children: List["StepTree"] = field(default_factory=list)
    count: int = 1
    state: Optional[str] = None


@dataclass(eq=False)
class _Entry:
    """A step in the list of one side. ``container`` is the nearest one around it that both sides have."""

    name: str
    key: str
    phase: str
    count: int
    state: Optional[str]
    parent: Optional["_Entry"]
    depth: int
    index: int = 0
    children: List["_Entry"] = field(default_factory=list)
    container: str = ""
    size: int = 1
    partner: Optional["_Entry"] = None
    #: Same place in the order of the container as the partner.
    kept: bool = False

    def around(self) -> Iterator["_Entry"]:
        """Yield the steps around this one, innermost first."""
        outer = self.parent
        while outer is not None:
            yield outer
            outer = outer.parent


def compare_trees(kind: str, a: StepTree, b: StepTree) -> FinalizationComparison:
    """Return the comparison of two finalizations of one kind (``main``, ``subinterpreter``, ``after``)."""
    left, right = _flatten(a), _flatten(b)
    _set_containers(left, {entry.key for entry in right})
    _set_containers(right, {entry.key for entry in left})
    _match(left, right)
    result = FinalizationComparison(kind, len(left), len(right))
    _report(result, left, right)
    result.rows = _rows(left, right)
    return result


# -- the lists ----------------------------------------------------------------------------------------


def _flatten(tree: StepTree) -> List[_Entry]:
    """Return the steps in order of their beginning. What is inside a function is told once, where it is called first."""
    fullest: Dict[str, StepTree] = {}
    sizes: Dict[int, int] = {}
    _measure(tree, sizes, fullest)
    entries: List[_Entry] = []

    def visit(node: StepTree, parent: Optional[_Entry], depth: int) -> None:
        name = base_name(node.name)
        entry = _Entry(name, catalogue.identity(name), node.phase, node.count, node.state, parent, depth, len(entries))
        entries.append(entry)
        if parent is not None:
            parent.children.append(entry)
        if fullest[name] is node:
            for child in _parts(node):
                visit(child, entry, depth + 1)
        entry.size = len(entries) - entry.index

    visit(tree, None, 0)
    return entries


def _parts(node: StepTree) -> Iterator[StepTree]:
    """Yield the steps inside one; the second half of a function that the compiler has split is the function itself."""
    for child in node.children:
        if base_name(child.name) == base_name(node.name):
            yield from _parts(child)
        else:
            yield child


def _measure(node: StepTree, sizes: Dict[int, int], fullest: Dict[str, StepTree]) -> int:
    size = 1 + sum(_measure(child, sizes, fullest) for child in _parts(node))
    sizes[id(node)] = size
    name = base_name(node.name)
    known = fullest.get(name)
    # The parts were measured first: of equal ones the outer, then the earlier is wanted.
    if known is None or size > sizes[id(known)]:
        fullest[name] = node
    return size


def _set_containers(entries: Sequence[_Entry], shared: Set[str]) -> None:
    for entry in entries:
        entry.container = next((outer.key for outer in entry.around() if outer.key in shared), "")


# -- which step is which --------------------------------------------------------------------------------


def _match(left: Sequence[_Entry], right: Sequence[_Entry]) -> None:
    """Pair the steps of both sides; what stays in the order of its container is ``kept``."""
    _pair(left[0], right[0], kept=True)
    inside: Dict[str, Tuple[List[_Entry], List[_Entry]]] = {}
    for side, entries in enumerate((left, right)):
        for entry in entries[1:]:
            inside.setdefault(entry.container, ([], []))[side].append(entry)
    for ours, theirs in inside.values():
        for one, other in _common(ours, theirs):
            _pair(one, other, kept=True)
    for same_container, same_phase in ((True, True), (True, False), (False, True), (False, False)):
        for one in left:
            if one.partner is not None:
                continue
            for other in right:
                if other.partner is not None or other.key != one.key:
                    continue
                if same_container and other.container != one.container or same_phase and other.phase != one.phase:
                    continue
                _pair(one, other, kept=False)
                break


def _pair(one: _Entry, other: _Entry, kept: bool) -> None:
    one.partner, other.partner = other, one
    one.kept = other.kept = kept


def _common(ours: Sequence[_Entry], theirs: Sequence[_Entry]) -> List[Tuple[_Entry, _Entry]]:
    """Return the longest common subsequence; of equally long ones, that with more steps inside and equal names."""
    best = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            if ours[i].key == theirs[j].key:
                best[i][j] = max(best[i][j], best[i + 1][j + 1] + _weight(ours[i], theirs[j]))
    found = []
    i = j = 0
    while i < len(ours) and j < len(theirs):
        if ours[i].key == theirs[j].key and best[i][j] == best[i + 1][j + 1] + _weight(ours[i], theirs[j]):
            found.append((ours[i], theirs[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _weight(one: _Entry, other: _Entry) -> int:
    return 1_000_000 + 2 * min(one.size, other.size, 1000) + (one.name == other.name)


# -- what changed ---------------------------------------------------------------------------------------


def _report(result: FinalizationComparison, left: Sequence[_Entry], right: Sequence[_Entry]) -> None:
    labels = _Labels(left, right)
    pairs = [(other.partner, other) for other in right if other.partner is not None]
    for one, other in pairs:
        change = Change(other.name, _place(one), _place(other))
        if not one.kept:
            _order_changes(change, one, other, pairs, labels)
            result.moved.append(change)
        elif one.phase != other.phase:
            if not _phase_came_with_container(one, other):
                result.rephased.append(change)
        elif one.name == other.name:
            result.same += 1
        if one.name != other.name:
            result.renamed.append(Change(other.name, _place(one), _place(other)))
        if None not in (one.state, other.state) and (one.count, one.state) != (other.count, other.state):
            result.counted.append(Change(other.name, _place(one), _place(other)))
    for entries, others, changes, new in ((right, left, result.new, True), (left, right, result.gone, False)):
        for entry in entries:
            if entry.partner is not None:
                continue
            place = _place(entry)
            change = Change(entry.name, None if new else place, place if new else None)
            there = (other.parent.name for other in others if other.key == entry.key and other.parent is not None)
            change.also_in = list(dict.fromkeys(there))
            change.holds = [child.name for child in _held(entry) if child.partner is not None and child.kept]
            changes.append(change)


def _held(entry: _Entry) -> Iterator[_Entry]:
    """Yield what a container that one side does not have puts a frame around."""
    for child in entry.children:
        yield child
        if child.partner is None:
            yield from _held(child)


def _phase_came_with_container(one: _Entry, other: _Entry) -> bool:
    """Tell whether the step around it has gone from and to the same phases, and so says it all."""
    around_one = next((e for e in one.around() if e.partner is not None), None)
    return (
        around_one is not None
        and around_one.partner is not None
        and around_one.parent is not None
        and (around_one.phase, around_one.partner.phase) == (one.phase, other.phase)
    )


def _order_changes(
    change: Change, one: _Entry, other: _Entry, pairs: Sequence[Tuple[_Entry, _Entry]], labels: "_Labels"
) -> None:
    """Note which steps a moved one has overtaken, or has fallen behind. Of a container and its parts, the container.

    One that moved within its container is seen in relation to the others there; that these passed something
    outside is told of whatever went there.
    """
    within = one.container == other.container
    before: List[_Entry] = []
    after: List[_Entry] = []
    for left, right in pairs:
        if _nested(left, one) or _nested(right, other):
            continue
        if within and not left.container == right.container == one.container:
            continue
        if left.index < one.index and right.index > other.index:
            before.append(right)
        elif left.index > one.index and right.index < other.index:
            after.append(right)
    change.now_before = [labels.of(entry) for entry in _outermost(before)]
    change.now_after = [labels.of(entry) for entry in _outermost(after)]


def _outermost(entries: Sequence[_Entry]) -> List[_Entry]:
    chosen = {id(entry) for entry in entries}
    return [entry for entry in entries if not any(id(outer) in chosen for outer in entry.around())]


def _nested(one: _Entry, other: _Entry) -> bool:
    first, second = (one, other) if one.index <= other.index else (other, one)
    return second.index < first.index + first.size


class _Labels:
    """Names steps so that one name means one step: with its container where a function is called more than once."""

    def __init__(self, left: Sequence[_Entry], right: Sequence[_Entry]) -> None:
        self._often = {key for side in (left, right) for key, n in Counter(e.key for e in side).items() if n > 1}

    def of(self, entry: _Entry) -> str:
        """Return the label of a step."""
        if entry.key in self._often and entry.parent is not None:
            return f"{entry.name} in {entry.parent.name}"
        return entry.name


def _place(entry: _Entry) -> Place:
    siblings = entry.parent.children if entry.parent is not None else [entry]
    at = next(index for index, sibling in enumerate(siblings) if sibling is entry)
    return Place(
        entry.name,
        entry.phase,
        entry.parent.name if entry.parent is not None else None,
        siblings[at - 1].name if at else None,
        siblings[at + 1].name if at + 1 < len(siblings) else None,
        entry.count,
        entry.state,
    )


# -- side by side ---------------------------------------------------------------------------------------


def _rows(left: Sequence[_Entry], right: Sequence[_Entry]) -> List[Row]:
    """Return both lists beside each other: what stayed in its place stands on one line."""
    aligned: Set[int] = set()
    for entry in left:
        partner = entry.partner
        if partner is None or not entry.kept:
            continue
        around, there = _frame(entry), _frame(partner)
        if around is None and there is None or around is not None and around.partner is there and id(around) in aligned:
            aligned |= {id(entry), id(partner)}
    rows: List[Row] = []
    at = 0
    for entry in left:
        if id(entry) not in aligned:
            rows.append(Row(_mark(entry, "gone"), a=entry.name, phase_a=entry.phase, depth_a=entry.depth))
            continue
        while right[at] is not entry.partner:
            rows.append(_right_only(right[at]))
            at += 1
        other = right[at]
        at += 1
        mark = "same" if entry.name == other.name else "renamed"
        rows.append(Row(mark, entry.name, other.name, entry.phase, other.phase, entry.depth, other.depth))
    rows.extend(_right_only(entry) for entry in right[at:])
    return rows


def _frame(entry: _Entry) -> Optional[_Entry]:
    """Return the step around one that makes its container."""
    frames = [outer for outer in entry.around() if outer.key == entry.container]
    return next((outer for outer in frames if outer.partner is not None), frames[0] if frames else None)


def _right_only(entry: _Entry) -> Row:
    return Row(_mark(entry, "new"), b=entry.name, phase_b=entry.phase, depth_b=entry.depth)


def _mark(entry: _Entry, alone: str) -> str:
    if entry.partner is None:
        return alone
    return "inside" if entry.kept else "moved"
