"""All objects counted and measured by type: what `pyfin heap` shows and compares."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, List

from ...debugger.interface import INTERRUPTS
from ..reprs import qualified_name
from ..target import PythonTarget, Unreadable
from .records import GcObjects
from .sizes import Sizes


@dataclass
class TypeCount:
    """The objects of one type: ``type`` is its address, ``counts`` are by generation.

    ``bytes`` are what ``sys.getsizeof`` says of them together, headers of the collector included; None when they were
    not measured. Not ``exact``: what the objects own elsewhere is not known and not counted.
    """

    name: str
    type: int
    counts: Dict[int, int]
    bytes: "int | None" = None
    exact: bool = True

    @property
    def count(self) -> int:
        """Objects of all generations."""
        return sum(self.counts.values())


@dataclass
class Census:
    """All objects of an interpreter by type, most frequent first. ``partial`` and ``problems`` as in `GcObjects`."""

    types: List[TypeCount] = field(default_factory=list)
    partial: bool = False
    problems: List[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def count(self) -> int:
        """All objects."""
        return sum(each.count for each in self.types)


def census_of(target: PythonTarget, objects: GcObjects, measured: bool = True) -> Census:
    """Return objects that were read by type. Never raises."""
    problems = list(objects.problems)
    sizes = Sizes(target)
    if hasattr(objects.types, "dtype"):
        from .columns import measure, tally
        from .image import image_of

        values, codes, counts = tally(objects.types, objects.generations)
        image = image_of(target) if measured else None
        bytes_, lost = ({}, 0) if image is None else measure(target, image, sizes, values, codes, objects.addresses)
    else:
        counts = _tally(objects)
        try:
            bytes_, lost = _measure(target, sizes, objects, counts) if measured else ({}, 0)
        except INTERRUPTS:
            problems.append("interrupted: sizes were not read")
            return Census(_rows(target, sizes, counts, {}, problems), True, problems, True)
    if lost:
        problems.append(f"the size of {lost} objects cannot be read")
    rows = _rows(target, sizes, counts, bytes_, problems)
    return Census(rows, objects.partial, problems, objects.interrupted)


def _rows(
    target: PythonTarget, sizes: Sizes, counts: Dict[int, Dict[int, int]], bytes_: Dict[int, int], problems: List[str]
) -> List[TypeCount]:
    """Return a row for each type, most frequent first."""
    found = [_named(target, sizes, type_, by_generation, bytes_.get(type_)) for type_, by_generation in counts.items()]
    unknown = sum(each.count for each in found if each.name == "?")
    if unknown:
        problems.append(f"the type of {unknown} objects cannot be read")
    found.sort(key=lambda each: (-each.count, each.name, each.type))
    return _together(found)


def count_types(objects: GcObjects) -> Dict[int, Dict[int, int]]:
    """Return how many objects there are of each type (its address) in each generation. Never raises."""
    if hasattr(objects.types, "dtype"):
        from .columns import tally

        return tally(objects.types, objects.generations)[2]
    return _tally(objects)


def _named(target: PythonTarget, sizes: Sizes, type_: int, counts: Dict[int, int], bytes_: "int | None") -> TypeCount:
    try:
        name = qualified_name(target, type_)
        return TypeCount(name, type_, counts, bytes_, sizes.rule(type_).exact)
    except Unreadable:
        return TypeCount("?", type_, counts, None, False)


def _together(found: List[TypeCount]) -> List[TypeCount]:
    """Make one row of all types that cannot be read: of damaged objects there may be very many."""
    unknown = [each for each in found if each.name == "?"]
    if len(unknown) < 2:
        return found
    counts: "Counter[int]" = Counter()
    for each in unknown:
        counts.update(each.counts)
    rest = [each for each in found if each.name != "?"]
    return sorted([*rest, TypeCount("?", 0, dict(counts), None, False)], key=lambda each: -each.count)


def _tally(objects: GcObjects) -> Dict[int, Dict[int, int]]:
    """Return counts by type and generation; generations come in runs."""
    found: Dict[int, Dict[int, int]] = {}
    generations = bytes(objects.generations)
    begin = 0
    while begin < len(generations):
        generation = generations[begin]
        other = re.compile(b"[^" + re.escape(generations[begin : begin + 1]) + b"]", re.DOTALL).search(generations, begin)
        end = other.start() if other else len(generations)
        for type_, count in Counter(objects.types[begin:end]).items():
            counts = found.setdefault(type_, {})
            counts[generation] = counts.get(generation, 0) + count
        begin = end
    return found


def _measure(
    target: PythonTarget, sizes: Sizes, objects: GcObjects, counts: Dict[int, Dict[int, int]]
) -> "tuple[Dict[int, int], int]":
    """Return bytes by type, and how many objects could not be measured."""
    total: Dict[int, int] = {}
    varies = {}
    lost = 0
    for type_, by_generation in counts.items():
        try:
            rule = sizes.rule(type_)
        except Unreadable:
            lost += sum(by_generation.values())
            continue
        total[type_] = 0 if rule.variable else rule.fixed * sum(by_generation.values())
        if rule.variable is not None:
            varies[type_] = rule
    done = 0
    for address, type_ in zip(objects.addresses, objects.types):
        rule_of_this = varies.get(type_)
        if rule_of_this is None:
            continue
        try:
            total[type_] += sizes.size_as(rule_of_this, address)
        except Unreadable:
            lost += 1
        done += 1
        if not done & 0xFFFF:
            target.walked(done)
            target.debugger.check_interrupt()
    return total, lost
