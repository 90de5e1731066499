"""Counting and measuring many objects at once, with numpy."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..target import PythonTarget, Unreadable
from .image import Image, Mask, Words
from .sizes import LARGEST, Sizes

_BITS = 14
_FACTORS = (0x9E3779B97F4A7C1, 0x2545F4914F6CDD1, 0x5851F42D4C957F3, 0x14057B7EF767815)


def distinct(values: Words) -> Tuple[Words, NDArray[np.int32]]:
    """Return the distinct values, and for each value the position of its like among them.

    For columns of few different values: much faster than sorting them.
    """
    codes = np.empty(len(values), dtype=np.int32)
    found: List[Words] = []
    known = 0
    left: Any = slice(None)
    rest = values
    for factor in _FACTORS:
        place = (rest * factor >> 40) & ((1 << _BITS) - 1)
        table = np.zeros(1 << _BITS, dtype=np.int64)
        table[place] = rest
        held = table[place] == rest
        used = np.zeros(1 << _BITS, dtype=np.bool_)
        used[place[held]] = True
        number = np.cumsum(used, dtype=np.int32) + (known - 1)
        found.append(table[used])
        known += int(used.sum())
        if held.all():
            codes[left] = number[place]
            return np.concatenate(found), codes
        positions = np.arange(len(values))[left]
        codes[positions[held]] = number[place[held]]
        left = positions[~held]
        rest = values[left]
    others, inverse = np.unique(rest, return_inverse=True)
    codes[left] = inverse + known
    return np.concatenate((*found, others)), codes


def tally(types: Any, generations: Any) -> Tuple[Words, NDArray[np.int32], Dict[int, Dict[int, int]]]:
    """Return distinct types, each object's position among them, and counts by type and generation."""
    values, codes = distinct(np.asarray(types).view(np.int64))
    numbers = np.asarray(generations)
    known = np.flatnonzero(np.bincount(numbers, minlength=256)) if len(numbers) else np.empty(0, dtype=np.int64)
    rank = np.zeros(256, dtype=np.int32)
    rank[known] = np.arange(len(known))
    counts: Any = np.bincount(codes * len(known) + rank[numbers], minlength=len(values) * len(known)) if len(codes) else []
    table = np.asarray(counts).reshape(len(values), len(known)) if len(codes) else np.zeros((0, 0))
    found: Dict[int, Dict[int, int]] = {}
    for type_, row in zip(values.tolist(), table.tolist()):
        found[type_ & (1 << 64) - 1] = {int(g): int(c) for g, c in zip(known, row) if c}
    return values, codes, found


class Columns:
    """The `sizes.Reader` of many objects. ``bad`` tells which of them could not be read."""

    def __init__(self, target: PythonTarget, image: Image, count: int) -> None:
        self._target, self._image = target, image
        self.bad: Mask = np.zeros(count, dtype=np.bool_)

    def member(self, name: str, addresses: Words) -> Words:
        """Return the numbers, 0 where memory cannot be read."""
        field = self._target.layout.field(name)
        if field is None:
            raise ValueError(name)  # the formulas ask only for what the layout has
        at = addresses + field.offset
        index, known = self._image.locate(at & ~7)
        self.bad |= ~known
        words: Words = self._image.flat[index]
        if field.size < 8 or field.bit_size:
            low = (at & 7) * 8 + field.bit_offset
            bits = field.bit_size or 8 * field.size
            words = (words >> low) & ((1 << bits) - 1)
            if field.kind == "int" and not field.bit_size:
                words = words - ((words >> (bits - 1)) << bits)
        return words

    def choose(self, condition: Mask, yes: Any, no: Any) -> Any:
        """Return ``yes`` where the condition holds, else ``no``."""
        return np.where(condition, yes, no)


def measure(
    target: PythonTarget, image: Image, sizes: Sizes, values: Words, codes: NDArray[np.int32], addresses: Any
) -> Tuple[Dict[int, int], int]:
    """Return the bytes of all objects of each type, and how many objects could not be measured.

    ``values`` and ``codes`` are what `tally` returned. Types that cannot be read are not in the answer.
    """
    total: Dict[int, int] = {}
    counts = np.bincount(codes, minlength=len(values)) if len(codes) else np.zeros(len(values), dtype=np.int64)
    varies = np.zeros(len(values), dtype=np.bool_)
    lost = 0
    for number, type_ in enumerate((values & -1).tolist()):
        try:
            rule = sizes.rule(type_ & (1 << 64) - 1)
        except Unreadable:
            lost += int(counts[number])
            continue
        total[type_ & (1 << 64) - 1] = rule.fixed * int(counts[number])
        varies[number] = rule.variable is not None
    chosen = np.flatnonzero(varies[codes])
    where = np.asarray(addresses).view(np.int64)[chosen]
    group = codes[chosen]
    order = np.argsort(group.astype(np.uint16) if len(values) < 1 << 16 else group, kind="stable")
    where, group = where[order], group[order]
    ends = np.flatnonzero(np.diff(group)) + 1
    for part in np.split(np.arange(len(group)), ends) if len(group) else []:
        type_ = int(values[group[part[0]]]) & (1 << 64) - 1
        more, bad = _measure_type(target, image, sizes, type_, where[part[0] : part[-1] + 1])
        total[type_] += more
        lost += bad
    return total, lost


def _measure_type(target: PythonTarget, image: Image, sizes: Sizes, type_: int, addresses: Words) -> Tuple[int, int]:
    """Return what the objects of a type take beyond the fixed part, and how many could not be measured."""
    rule = sizes.rule(type_)
    if rule.variable is None:
        return 0, 0
    if not rule.columns:
        return _one_by_one(sizes, rule.fixed, type_, addresses.tolist())
    columns = Columns(target, image, len(addresses))
    more: Words = rule.variable(columns, addresses)
    good = ~columns.bad & (more >= -rule.fixed) & (more <= LARGEST)
    if good.all():
        return int(more.sum()), 0
    # Members may lie in memory that the image does not have: a file's own data.
    known = int(more[good].sum())
    rest, lost = _one_by_one(sizes, rule.fixed, type_, addresses[~good].tolist())
    return known + rest, lost


def _one_by_one(sizes: Sizes, fixed: int, type_: int, addresses: Sequence[int]) -> Tuple[int, int]:
    total = lost = 0
    rule = sizes.rule(type_)
    for address in addresses:
        try:
            total += sizes.size_as(rule, address) - fixed
        except Unreadable:
            total -= fixed
            lost += 1
    return total, lost
