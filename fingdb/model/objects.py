"""Records about single objects: what they refer to, who refers to them, and what keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional


@dataclass
class Reference:
    """A reference between two objects; ``address``, ``type`` and ``repr`` are of the object at its other end.

    ``name`` is a member, a key or an index. ``how`` is ``visited`` (the collector sees it), ``held`` (owned, and not
    visited), ``borrowed`` (a pointer that owns nothing), ``shown`` (visited here, owned by another object),
    ``assumed`` (owned; whether it is visited only the type's C code knows) or ``guessed`` (a word that is the address
    of an object, in a structure that nobody describes).
    """

    name: str
    how: str
    address: int
    type: str
    repr: str


@dataclass
class ObjectRecord:
    """One object. ``generation`` is -1 when it is in none; ``tracked`` None when its type has no part in collection.

    ``refcount`` is None for an immortal object. ``scanned`` tells that words of its body were taken for references,
    because neither debug information nor its type describes it.
    """

    address: int
    type: str
    type_address: int
    heap_type: bool
    refcount: Optional[int]
    immortal: bool
    tracked: Optional[bool]
    generation: int
    interpreter: Optional[int]
    size: Optional[int]
    repr: str
    struct: str = ""
    scanned: bool = False
    referents: List[Reference] = field(default_factory=list)
    #: How many references there are beyond those listed.
    more: int = 0
    problems: List[str] = field(default_factory=list)
