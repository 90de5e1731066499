"""What is known of CPython's finalization: steps, subsystems, and what may be called afterwards.

All of it is data, in the files beside this one, by subject. Supporting a new CPython should mostly
mean new rows there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Dict, FrozenSet, Optional, Tuple

from . import steps_interpreter, steps_modules, steps_runtime, steps_shutdown, steps_types
from .after_finalize import BEGIN_A_LIFE as _BEGIN_A_LIFE
from .after_finalize import NAMES as _LATE_CALLABLE
from .names import base_name, looks_like_step
from .rows import Step, Subsystem
from .subsystems import SUBSYSTEMS

__all__ = [
    "Step",
    "Subsystem",
    "base_name",
    "beginning_a_life",
    "callable_after_finalize",
    "called_by_pointer",
    "identity",
    "is_step",
    "roots",
    "step",
    "step_named",
    "steps",
    "subsystem",
    "subsystems",
    "subsystems_ended_by",
]

_STEPS: Tuple[Step, ...] = (
    *steps_shutdown.STEPS,
    *steps_modules.STEPS,
    *steps_interpreter.STEPS,
    *steps_types.STEPS,
    *steps_runtime.STEPS,
)
_BY_NAME: Dict[str, Step] = {name: row for row in _STEPS for name in row.names}
_BY_KEY: Dict[str, Step] = {row.key: row for row in _STEPS}
_SUBSYSTEMS: Dict[str, Subsystem] = {row.key: row for row in SUBSYSTEMS}
_BY_POINTER: Dict[str, Tuple[str, ...]] = {
    caller: tuple(n for other in _STEPS if caller in other.called_through for n in other.names)
    for row in _STEPS
    for caller in row.called_through
}
_ENDED: Dict[str, Tuple[Subsystem, ...]] = {
    row.key: tuple(part for part in SUBSYSTEMS if row.key in part.ended_by) for row in _STEPS
}


def steps() -> Tuple[Step, ...]:
    """Return all rows, roughly in the order of finalization."""
    return _STEPS


def step(key: str) -> Optional[Step]:
    """Return the row with that key, None if there is none."""
    return _BY_KEY.get(key)


def step_named(function: str) -> Optional[Step]:
    """Return the row of a function by any of its names, compiler suffixes ignored; None if unknown."""
    return _BY_NAME.get(base_name(function))


def identity(function: str) -> str:
    """Return what a step is called in every version: the key of its oldest row, or its name if it has none."""
    row = step_named(function)
    if row is None:
        return base_name(function)
    while row.continues is not None:
        row = _BY_KEY[row.continues]
    return row.key


@lru_cache(maxsize=1 << 14)
def is_step(function: str) -> bool:
    """Tell whether a function met in the code of finalization is a step, catalogued or not."""
    name = base_name(function)
    return name in _BY_NAME or looks_like_step(name)


def roots() -> Dict[str, str]:
    """Return the functions that start a finalization, with ``main``, ``subinterpreter`` or ``after``.

    A root may have no code of its own in a build: its row's ``hosts`` are the functions to look into.
    """
    return {name: row.root for row in _STEPS if row.root is not None for name in row.names}


def called_by_pointer(function: str) -> Tuple[str, ...]:
    """Return the names of the steps that a function calls through a pointer."""
    return _BY_POINTER.get(base_name(function), ())


def subsystem(key: str) -> Optional[Subsystem]:
    """Return the subsystem with that key, None if there is none."""
    return _SUBSYSTEMS.get(key)


def subsystems() -> Tuple[Subsystem, ...]:
    """Return all subsystems."""
    return SUBSYSTEMS


def subsystems_ended_by(function: str) -> Tuple[Subsystem, ...]:
    """Return the subsystems that are gone when a step (by any of its names) has returned."""
    row = step_named(function)
    return () if row is None else _ENDED[row.key]


def callable_after_finalize() -> FrozenSet[str]:
    """Return the names of functions that are documented as callable when Python is not initialized."""
    return _LATE_CALLABLE


def beginning_a_life() -> Tuple[str, ...]:
    """Return the functions that initialize the runtime."""
    return _BEGIN_A_LIFE
