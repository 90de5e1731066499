"""What a stop at a finalization step shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Tuple


@dataclass
class StopView:
    """One stop: where finalization stands, in which code, and what changed since the last stop.

    ``k`` counts the steps that began so far, this one included, and ``n`` those of the plan (None
    when the plan is not known). Text that comes from the target is kept as it is: the renderer
    makes it printable.
    """

    phase: str
    function: str
    k: Optional[int] = None
    n: Optional[int] = None
    #: ``begin`` (before the step's first instruction), ``end`` (it has returned), ``signal`` (the
    #: program stopped or died in the middle of it) or ``inside`` (any other stop within it).
    event: str = "begin"
    signal: Optional[str] = None
    #: Function whose instructions hold the step when it is inlined, None when it is called.
    inlined: Optional[str] = None
    #: How many times the step has run under the same parent, this time included.
    count: int = 1
    uncatalogued: bool = False
    #: The function was called, but not where the plan has it: by Python code in a callback, for instance.
    elsewhere: bool = False
    file: Optional[str] = None
    line: Optional[int] = None
    #: Source around the stop as (line number, text).
    source: List[Tuple[int, str]] = field(default_factory=list)
    current_line: Optional[int] = None
    #: ``c`` or ``python``.
    language: str = "c"
    #: Title of the subsystem that the step ends, and what is gone afterwards, one clause each.
    ends: Optional[str] = None
    gone: Optional[str] = None
    changes: List[str] = field(default_factory=list)
    interpreter: int = 0
    cycle: int = 1
    pid: int = 0
    note: Optional[str] = None
