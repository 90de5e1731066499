"""Records about what outlives its end: `pyfin leaks`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional

from .objects import Account, Holder, Reference
from .report import Culprit, TypeCount


@dataclass
class Suspect:
    """A reference that a tp_traverse does not visit: of type ``type`` (``instances`` of it are among the survivors).

    ``edge`` is its name (``ob_type`` for the type itself), ``culprit`` the function, None for a type that the
    collector does not look into at all. ``confidence`` is ``certain``, ``likely`` or ``possible``, ``why`` the reason.
    """

    type: str
    edge: str
    instances: int
    culprit: Optional[Culprit]
    confidence: str
    why: str


@dataclass
class SurvivorGroup:
    """Objects that live for one reason.

    ``kind`` is ``unvisited`` (a cycle that the collector cannot see whole), ``cycle`` (one that it can), ``lost``
    (references that nothing shows), ``static`` (C data of a library), ``memory`` (memory of C code to which a library's
    data leads), ``immortal``. ``head`` is the object that is held, ``objects`` are all that it keeps, those without a
    place in the collector's lists too, ``account`` its references; ``referrers`` name those that are explained.
    ``count`` objects are held alike, of which ``head`` is the first and ``others`` are some.
    ``severity`` is that of findings.
    """

    kind: str
    severity: str
    head: Reference
    objects: int
    types: List[TypeCount]
    account: Account
    referrers: List[str] = field(default_factory=list)
    holders: List[Holder] = field(default_factory=list)
    suspects: List[Suspect] = field(default_factory=list)
    owner: Optional[str] = None
    advice: str = ""
    references: List[str] = field(default_factory=list)
    count: int = 1
    others: List[int] = field(default_factory=list)


@dataclass
class Survivors:
    """What lives that nothing of CPython's own keeps. ``objects`` are all that the collector knows, ``kept`` those of
    them that CPython's own structures, its running frames and its C data lead to."""

    objects: int
    kept: int
    groups: List[SurvivorGroup] = field(default_factory=list)
    partial: bool = False
    #: Whether a collection is known to have been the last thing that happened to cycles.
    collected: bool = False
    problems: List[str] = field(default_factory=list)


@dataclass
class TypeBytes:
    """How many objects of a type lie in blocks of pymalloc, and how large the blocks are together."""

    type: str
    count: int
    bytes: int


@dataclass
class SizeCount:
    """How many blocks of a size are in use."""

    size: int
    count: int


@dataclass
class LeftBehind:
    """What is allocated: ``blocks`` of the ``allocator``, and ``large`` ones that it has passed on (None: not counted).

    ``no_object`` counts blocks with something else than an object in them.
    """

    blocks: int
    large: Optional[int]
    no_object: int = 0
    types: List[TypeBytes] = field(default_factory=list)
    sizes: List[SizeCount] = field(default_factory=list)
    partial: bool = False
    problems: List[str] = field(default_factory=list)
    allocator: str = "pymalloc"
