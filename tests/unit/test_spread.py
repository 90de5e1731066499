"""Which interpreters a test runs on that is marked spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set, cast

import pytest

from tests.conftest import shares

LABELS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.12-dbg", "3.13")
NEWEST = {"3.13"}


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
    return shares(cast(List[pytest.Item], items), "3.13", turn)


def test_a_third_of_the_others_in_turn() -> None:
    thirds = [{"3.8", "3.9"}, {"3.10", "3.11"}, {"3.12", "3.12-dbg"}]
    assert [labels(turn) - NEWEST for turn in range(4)] == [*thirds, thirds[0]]
    assert all(NEWEST <= labels(turn) for turn in range(4))


def test_where_something_else_is_expected_it_runs_too() -> None:
    told = {"3.8": "old", "3.9": "old", "3.10": "middle", "3.11": "middle", "3.12": "new", "3.12-dbg": "new", "3.13": "new"}
    assert labels(0, lambda python: told[python.label]) - NEWEST == {"3.8", "3.9", "3.10"}
    assert labels(1, lambda python: told[python.label]) - NEWEST == {"3.10", "3.11", "3.8"}
    assert labels(2, lambda python: told[python.label]) - NEWEST == {"3.12", "3.12-dbg", "3.8", "3.10"}


def test_who_has_nothing_to_do_gives_its_turn_to_the_next() -> None:
    told = {"3.8": "all", "3.9": None, "3.10": "all", "3.11": "all", "3.12": "all", "3.12-dbg": "all", "3.13": None}
    assert labels(0, lambda python: told[python.label]) - NEWEST == {"3.8", "3.10"}


def test_one_interpreter_or_two_have_it_all() -> None:
    assert shares(cast(List[pytest.Item], [_Item("3.13", None)]), "3.13", 5) == NEWEST
    assert shares(cast(List[pytest.Item], [_Item("3.8", None), _Item("3.13", None)]), "3.13", 5) == {"3.8", *NEWEST}
