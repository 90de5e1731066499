"""What the heap's readers return: parallel columns, for a heap has millions of objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Sequence

#: The generation of objects that ``gc.freeze()`` set aside.
PERMANENT = 255
#: See `Blocks.heads`.
NO_OBJECT = 255


@dataclass(frozen=True)
class GcObjects:
    """All objects that a collector has in its lists; the columns have one entry per object, in no promised order.

    Columns are ``array`` or numpy arrays of unsigned numbers. ``addresses`` are of the objects themselves (behind
    their ``PyGC_Head``), ``types`` their ``ob_type``, ``generations`` as ``gc.get_objects(generation=)`` numbers
    them, `PERMANENT` for frozen ones. ``partial`` when a list could not be followed to its end or the user
    ``interrupted``; ``problems`` has a sentence for each thing that could not be read.
    """

    addresses: Sequence[int]
    types: Sequence[int]
    generations: Sequence[int]
    partial: bool = False
    problems: List[str] = field(default_factory=list)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.addresses)


@dataclass(frozen=True)
class Blocks:
    """Blocks of pymalloc that are in use; ``starts`` (addresses) and ``sizes`` (of the size class, in bytes) are parallel.

    With the debug hooks of ``PYTHONMALLOC=debug`` an object begins ``debug_header`` bytes behind the block's
    start (0 without them). ``large`` counts what pymalloc has passed on to malloc for being too large, None where
    this build does not count it: ``len(starts) + large`` is ``sys.getallocatedblocks()``. ``partial`` when not all
    blocks could be read, or none is known (``PYTHONMALLOC=malloc``); ``problems`` says why.
    """

    starts: Sequence[int]
    sizes: Sequence[int]
    debug_header: int = 0
    large: "int | None" = None
    partial: bool = False
    problems: List[str] = field(default_factory=list)
    interrupted: bool = False
    #: Whose blocks they are: mimalloc's in free-threaded builds.
    allocator: str = "pymalloc"
    #: Bytes before the object in each block behind ``debug_header``, `NO_OBJECT` for memory that never holds one; empty
    #: where the allocator does not keep them apart.
    heads: bytes = b""

    def __len__(self) -> int:
        return len(self.starts)
