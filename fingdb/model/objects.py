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

    ``refcount`` is None for an immortal object. ``held``: where references are counted late (builds without a GIL), how many of
    them somebody holds, but for frames, and None elsewhere. ``scanned`` tells that words of its body were taken for references,
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
    held: Optional[int] = None
    referents: List[Reference] = field(default_factory=list)
    #: How many references there are beyond those listed.
    more: int = 0
    problems: List[str] = field(default_factory=list)


@dataclass
class ShortOfReferences:
    """An object that counts fewer references (``count``) than other objects hold (``held``), a few of which are ``holders``:
    the ``name`` of each is the reference, ``address``, ``type`` and ``repr`` are of who holds it."""

    address: int
    type: str
    repr: str
    count: int
    held: int
    holders: List[Reference] = field(default_factory=list)


@dataclass
class Holder:
    """Something outside of all objects that refers to one: ``kind`` and what it is, in words.

    Kinds: ``module`` (in sys.modules), ``interpreter``, ``thread``, ``runtime`` (members of CPython's structures),
    ``frame``, ``atexit`` (a callback), ``static`` (C data of a library), ``stack`` and ``memory`` (words on a C stack
    or in C memory that are the address: conservative), ``unexplained`` (references that are counted and that nothing
    shows: lost, most often). ``address`` is of the word, or of the object that is held.
    """

    kind: str
    words: str
    address: int
    library: Optional[str] = None
    #: Whether a reference is counted for it; a word on a stack or in C memory may be left over.
    owned: bool = True
    #: The C variable that it is, or that leads to it.
    through: Optional[str] = None


@dataclass
class Referrer:
    """An object that refers to another through ``name``."""

    name: str
    how: str
    address: int
    type: str
    repr: str


@dataclass
class Path:
    """A way from a root to an object: the root, then each object with the name by which the one before it refers to it."""

    root: Holder
    steps: List[Reference]


@dataclass
class Account:
    """Who holds the references that an object counts.

    ``objects``, ``frames``, ``static``, ``structures`` (members of CPython's structures) and ``callbacks`` are counted;
    ``unexplained`` is what is left of ``count``: held by C code that nobody shows (fewer than none when more words were
    found than references are counted). ``stack`` and ``memory`` are words that may explain it; ``pointed`` are those of
    ``memory`` to which data of a library leads. An immortal object has no count: None.
    """

    count: Optional[int]
    objects: int = 0
    frames: int = 0
    static: int = 0
    structures: int = 0
    callbacks: int = 0
    stack: int = 0
    memory: int = 0
    unexplained: Optional[int] = None
    pointed: int = 0


@dataclass
class Why:
    """Why an object lives: who refers to it, the ways from the roots, the account of its references.

    ``cycle`` tells that whatever leads to it was followed to its end and no root came up.
    """

    address: int
    type: str
    repr: str
    account: Account
    referrers: List[Referrer] = field(default_factory=list)
    more: int = 0
    holders: List[Holder] = field(default_factory=list)
    paths: List[Path] = field(default_factory=list)
    cycle: bool = False
    partial: bool = False
    problems: List[str] = field(default_factory=list)
