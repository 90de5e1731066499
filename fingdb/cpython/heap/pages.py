"""The objects of a free-threaded build's collector, which keeps no lists: they are found in the allocator's pages.

Mirrors gc_visit_heaps() and visit_get_objects() in Python/gc_free_threading.c: objects that take part
in collections have mimalloc heaps of their own in each thread, one for those with a header before them; what a
thread leaves behind when it ends goes into the interpreter's pool. A million objects take about a second:
pages are read whole, and their blocks sorted out by slices of their memory.
"""

from __future__ import annotations

from array import array
from itertools import compress
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ...debugger.interface import INTERRUPTS
from ..target import PythonTarget, Unreadable
from ..thread_list import thread_addresses
from .abandoned import abandoned_segments
from .mimalloc import Mimalloc, Page
from .records import NO_OBJECT, PERMANENT, Blocks, GcObjects
from .walk import cut_to_shortest

#: Bits of ``ob_gc_bits``: _PyGC_BITS_TRACKED and _PyGC_BITS_FROZEN in Include/internal/pycore_gc.h.
_TRACKED, _FROZEN = 1, 8
#: Words before a block's object with the debug hooks (PYTHONMALLOC=debug), and of the header of objects that have one.
_DEBUG_WORDS = _HEADER_WORDS = 2
#: Of the kinds of heaps that a thread has those for objects of the collector, with the words before each object.
#: _Py_mimalloc_heap_id in Include/internal/pycore_mimalloc.h: compilers leave its type out of the debug information.
_GC_KINDS, _KINDS = {2: 0, 3: _HEADER_WORDS}, 4
#: The same of all kinds, in bytes; the first one is for memory that is no object.
_HEADS = (NO_OBJECT, 0, 0, 8 * _HEADER_WORDS)
#: What a value of ``ob_gc_bits`` makes of an object: tracked and not frozen, or frozen.
_COUNTS = bytes(bits & (_TRACKED | _FROZEN) == _TRACKED for bits in range(256))
_FROZEN_ONES = bytes(bits & (_TRACKED | _FROZEN) == _TRACKED | _FROZEN for bits in range(256))
#: ``ob_ref_local`` of immortal objects: _Py_IMMORTAL_REFCNT_LOCAL in Include/object.h.
_IMMORTAL = b"\xff\xff\xff\xff"
#: At most so many problems are told one by one.
_MOST_PROBLEMS = 5

UNKNOWN_LAYOUT = "without debug information a free-threaded build does not tell where its objects are"
UNKNOWN_ALLOCATOR = "this free-threaded build keeps its objects in a way that is not known: they cannot be found"


class PageObjects(NamedTuple):
    """The objects of one page: those that are tracked and not frozen, and the ``frozen`` ones."""

    addresses: Sequence[int]
    types: Sequence[int]
    frozen: Sequence[int]
    frozen_types: Sequence[int]


def unknown(target: PythonTarget) -> str:
    """Return why no objects are found where the layout does not tell where they are."""
    return UNKNOWN_ALLOCATOR if target.layout.source == "dwarf" else UNKNOWN_LAYOUT


def objects_by_page(target: PythonTarget, interpreter: int, problems: List[str]) -> Iterator[PageObjects]:
    """Yield the objects of an interpreter's collector, page by page. Raises Interrupted, and nothing else.

    Objects that a running collection has marked as unreachable are among them. What could not be read
    is appended to ``problems``.
    """
    told = _Problems(problems)
    pages = _Pages(target, interpreter, told)
    if not pages.known:
        problems.append(unknown(target))
        return
    count = shown = 0
    for kind, page, delayed in pages.of_kinds(list(_GC_KINDS)):
        objects = pages.objects(page, _GC_KINDS[kind], delayed)
        if objects is None:
            continue
        count += len(objects.addresses)
        if count >> 16 != shown:
            shown = count >> 16
            target.walked(count)
        target.debugger.check_interrupt()
        yield objects
    told.sum_up()


def paged_objects(target: PythonTarget, interpreter: int) -> GcObjects:
    """Return all objects of an interpreter's collector; there is one generation only. Never raises."""
    problems: List[str] = []
    addresses, types, generations = array("Q"), array("Q"), array("B")
    interrupted = False
    try:
        for objects in objects_by_page(target, interpreter, problems):
            addresses.extend(objects.addresses)
            addresses.extend(objects.frozen)
            types.extend(objects.types)
            types.extend(objects.frozen_types)
            generations.extend(bytes(len(objects.addresses)))
            generations.extend(bytes((PERMANENT,)) * len(objects.frozen))
    except INTERRUPTS:
        interrupted = True
        problems.append("interrupted: not all objects were read")
        cut_to_shortest(addresses, types, generations)
    return GcObjects(addresses, types, generations, bool(problems), problems, interrupted)


def untracked_immortals(target: PythonTarget, interpreter: int) -> List[int]:
    """Return the immortal objects that a collection has let go of: it forgets them, and they hold others all the same.

    Mirrors update_refs() in Python/gc_free_threading.c. Raises Interrupted, and nothing else.
    """
    pages = _Pages(target, interpreter, _Problems([]))
    found: List[int] = []
    if not pages.known:
        return found
    for kind, page, delayed in pages.of_kinds(list(_GC_KINDS)):
        found.extend(pages.immortals(page, _GC_KINDS[kind], delayed))
        target.debugger.check_interrupt()
    return found


def paged_blocks(target: PythonTarget, interpreters: Sequence[int]) -> Blocks:
    """Return all blocks in use in the heaps of the interpreters' threads, whatever they are for. Never raises.

    Mirrors get_mimalloc_allocated_blocks() in Objects/obmalloc.c: what threads that ended have left is among
    them, what was allocated without a thread state (PyMem_RawMalloc) is not.
    """
    problems: List[str] = []
    starts, sizes, heads = array("Q"), array("Q"), bytearray()
    interrupted, hooks = False, 0
    for interpreter in interpreters:
        told = _Problems(problems)
        pages = _Pages(target, interpreter, told)
        if not pages.known:
            problems.append(unknown(target))
            break
        hooks = pages.debug_words
        try:
            for kind, page, delayed in pages.of_kinds(range(_KINDS)):
                used = pages.used(page, delayed)
                starts.extend(used)
                sizes.extend([page.block_size] * len(used))
                heads.extend([_HEADS[kind]] * len(used))
                target.debugger.check_interrupt()
        except INTERRUPTS:
            interrupted = True
            problems.append("interrupted: not all blocks were read")
            cut_to_shortest(starts, sizes, heads)
            break
        told.sum_up()
    header = hooks * target.memory.pointer_size
    return Blocks(starts, sizes, header, 0, bool(problems), problems, interrupted, "mimalloc", bytes(heads))


class _Problems:
    """Problems of many pages: the first ones in words, then how many more."""

    def __init__(self, told: List[str]) -> None:
        self._told = told
        self._more = 0
        self._room = _MOST_PROBLEMS

    def add(self, problem: str) -> None:
        if self._room:
            self._room -= 1
            self._told.append(problem)
        else:
            self._more += 1

    def sum_up(self) -> None:
        if self._more:
            self._told.append(f"{self._more} more pages could not be read, or not to their end")


class _Pages:
    """The pages of an interpreter's threads, and what is in them."""

    def __init__(self, target: PythonTarget, interpreter: int, problems: _Problems) -> None:
        self._target = target
        self._interpreter = interpreter
        self._problems = problems
        self._mimalloc = Mimalloc(target)
        bits = target.layout.field("object.gc_bits")
        self._heaps = target.layout.field("thread.mimalloc.heaps")
        self.known = (
            bits is not None and self._heaps is not None and self._heaps.count == _KINDS and self._mimalloc.known
        )
        self._bits = 0 if bits is None else bits.offset
        self._type = target.layout.offset("object.type")
        try:
            hooks = target.value("runtime.debug_allocator", target.runtime)
        except Unreadable:
            hooks = None
        self.debug_words = _DEBUG_WORDS if hooks else 0

    def of_kinds(self, kinds: Sequence[int]) -> Iterator[Tuple[int, Page, Sequence[int]]]:
        """Yield (kind, page, blocks of its heap that wait to be freed) of heaps and of what ended threads left."""
        for thread in thread_addresses(self._target, self._interpreter):
            yield from self._of_thread(thread, kinds)
        problems: List[str] = []
        segments = abandoned_segments(self._target, self._interpreter, self._mimalloc.segment_size, problems)
        for kind in kinds:
            for page in self._mimalloc.abandoned_pages(segments, kind, problems):
                yield kind, page, ()
        for problem in dict.fromkeys(problems):
            self._problems.add(problem)

    def _of_thread(self, thread: int, kinds: Sequence[int]) -> Iterator[Tuple[int, Page, Sequence[int]]]:
        assert self._heaps is not None
        try:
            if not self._target.value("thread.mimalloc.initialized", thread):
                return  # not bound to a native thread yet: it has allocated nothing
        except Unreadable as error:
            self._problems.add(f"the heaps of the thread state at {thread:#x} cannot be found: {error}")
            return
        for kind in kinds:
            problems: List[str] = []
            heap = thread + self._heaps.offset + kind * self._heaps.stride
            delayed = self._mimalloc.delayed_blocks(heap, problems)
            for page in self._mimalloc.heap_pages(heap, problems):
                yield kind, page, delayed
            for problem in problems:
                self._problems.add(problem)

    def objects(self, page: Page, header_words: int, delayed: Sequence[int]) -> Optional[PageObjects]:
        """Return the objects in a page, None when it cannot be read."""
        word, size = self._target.memory.pointer_size, page.block_size
        before = (header_words + self.debug_words) * word
        if before + self._type + word > size:
            self._problems.add(f"the page at {page.address:#x} has blocks too small for objects")
            return None
        data = self._read(page)
        if data is None:
            return None
        words = memoryview(data).cast("Q")
        bits = bytearray(data[before + self._bits :: size])
        for index in self._free(page, words, delayed):
            bits[index] = 0
        counts, frozen = bits.translate(_COUNTS), bits.translate(_FROZEN_ONES)
        first = page.start + before
        addresses = range(first, first + page.capacity * size, size)
        types = words[(before + self._type) // word :: size // word]
        return PageObjects(
            list(compress(addresses, counts)), list(compress(types, counts)),
            list(compress(addresses, frozen)), list(compress(types, frozen)),
        )  # fmt: skip

    def immortals(self, page: Page, header_words: int, delayed: Sequence[int]) -> List[int]:
        """Return the objects in a page that are not tracked, and whose count says that they never die."""
        size, before = page.block_size, (header_words + self.debug_words) * self._target.memory.pointer_size
        data = self._read(page)
        if data is None or before + self._type >= size:
            return []
        at = before + self._target.layout.offset("object.refcnt_local")
        free = set(self._free(page, memoryview(data).cast("Q"), delayed))
        return [
            page.start + index * size + before
            for index, bits in enumerate(data[before + self._bits :: size])
            if not bits & _TRACKED and data.startswith(_IMMORTAL, index * size + at) and index not in free
        ]

    def used(self, page: Page, delayed: Sequence[int]) -> Sequence[int]:
        """Return the addresses of the blocks of a page that are in use."""
        starts = range(page.start, page.start + page.capacity * page.block_size, page.block_size)
        if page.used == page.capacity and not delayed and not self._mimalloc.has_foreign(page):
            return starts
        data = self._read(page)
        if data is None:
            return ()
        marks = bytearray(b"\1") * page.capacity
        for index in self._free(page, memoryview(data).cast("Q"), delayed):
            marks[index] = 0
        return list(compress(starts, marks))

    def _read(self, page: Page) -> Optional[bytes]:
        try:
            return self._target.memory.read(page.start, page.capacity * page.block_size)
        except Unreadable as error:
            self._problems.add(f"the blocks of the page at {page.address:#x} cannot be read: {error}")
            return None

    def _free(self, page: Page, words: Sequence[int], delayed: Sequence[int]) -> Sequence[int]:
        free = self._mimalloc.free_blocks(page, words, delayed)
        if free.problem is not None:
            self._problems.add(free.problem)
        return tuple(free.indices)


__all__ = ["PageObjects", "objects_by_page", "paged_blocks", "paged_objects", "unknown", "untracked_immortals"]
