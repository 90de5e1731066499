"""What became of the objects between two moments, by type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List

from .census import Census
from .records import GcObjects


@dataclass
class Change:
    """Of a type: how many objects there were and are, which of the old ones are gone and how many are new.

    An object is the same when one of that type is still at its address.
    """

    name: str
    type: int
    before: int
    now: int
    freed: int
    made: int


def difference(before: GcObjects, then: Census, after: GcObjects, now: Census) -> List[Change]:
    """Return the types whose objects changed, those that lost or got most first."""
    old: Dict[int, int] = dict(zip(map(int, before.addresses), map(int, before.types)))
    freed, made = Counter(old.values()), Counter[int]()
    for address, type_ in zip(map(int, after.addresses), map(int, after.types)):
        if old.get(address) == type_:
            freed[type_] -= 1
        else:
            made[type_] += 1
    names = {each.type: each.name for census in (then, now) for each in census.types}
    had = {each.type: each.count for each in then.types}
    has = {each.type: each.count for each in now.types}
    changes = [
        Change(name, type_, had.get(type_, 0), has.get(type_, 0), freed[type_], made[type_])
        for type_, name in names.items()
        if freed[type_] or made[type_]
    ]
    return sorted(changes, key=lambda each: (-each.freed - each.made, each.name, each.type))
