"""Which interpreters a test runs on that is marked spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set, cast

import pytest

from tests.conftest import shares

WIDE = {"3.8", "3.13"}
LABELS = ("3.8", "3.9", "3.10", "3.11", "3.13")


@dataclass
class _Python:
    label: str


@dataclass
class _Spec:
    params: Dict[str, Any]


class _Item:
    def __init__(self, label: str, expected: "Optional[Callable[..., object]]") -> None:
        self.callspec = _Spec({"python": _Python(label)})
        self._mark = pytest.mark.spread(expected=expected) if expected is not None else pytest.mark.spread

    def get_closest_marker(self, name: str) -> Optional[pytest.Mark]:
        return self._mark.mark if name == "spread" else None


def labels(turn: int, expected: "Optional[Callable[..., object]]" = None) -> Set[str]:
    items = [_Item(label, expected) for label in LABELS]
    return shares(cast(List[pytest.Item], items), WIDE, turn)


def test_one_more_in_turn() -> None:
    assert [labels(turn) - WIDE for turn in range(4)] == [{"3.9"}, {"3.10"}, {"3.11"}, {"3.9"}]
    assert all(WIDE <= labels(turn) for turn in range(4))


def test_where_something_else_is_expected_it_runs_too() -> None:
    told = {"3.8": "old", "3.9": "old", "3.10": "middle", "3.11": "middle", "3.13": "new"}
    assert labels(0, lambda python: told[python.label]) - WIDE == {"3.9", "3.10"}
    assert labels(1, lambda python: told[python.label]) - WIDE == {"3.10"}


def test_who_has_nothing_to_do_gives_its_turn_to_the_next() -> None:
    told = {"3.8": "all", "3.9": None, "3.10": "all", "3.11": "all", "3.13": None}
    assert labels(0, lambda python: told[python.label]) - WIDE == {"3.10"}
