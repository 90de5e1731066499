"""mimalloc, the allocator of free-threaded builds: its pages, and which blocks of them are free.

Mirrors Objects/mimalloc/ (heap.c, segment.c, page.c) as far as a walk over blocks needs it. Segments of 32 MiB
hold slices of 64 KiB; a page is one slice or several, and has blocks of one size. Everything is
read as it lies there: nobody stops the world for a debugger, so lists may be met half changed.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..target import Corrupt, PythonTarget, Unreadable

#: MI_SEGMENT_SLICE_SIZE, of 64-bit builds: a macro, which debug information does not tell.
_SLICE = 1 << 16
#: Blocks of at most so many bytes begin three blocks, or one block, behind the start of their page where that does not
#: say it itself (up to mimalloc 2.1): _mi_segment_page_start_from_slice().
_THREE_BEHIND, _ONE_BEHIND = 64, 512
#: MI_HUGE_BLOCK_SIZE of mimalloc 2.1: what pages of larger blocks say instead of their size.
_HUGE = 2 << 30
#: More pages, or segments, than this are not believed (16 Mi pages of 64 KiB are a terabyte).
_MOST_PAGES = 1 << 24
#: The low bits of xthread_free are flags.
_DELAYED_FLAGS = 3
_NEEDED = (
    "mi_heap.queues", "mi_queue.first", "mi_page.capacity", "mi_page.used", "mi_page.block_size", "mi_page.free",
    "mi_page.local_free", "mi_page.thread_free", "mi_page.next", "mi_page.tag", "mi_page.slice_count",
    "mi_page.slice_offset", "mi_segment.slices", "mi_segment.size", "mi_segment.slice_count",
    "mi_segment.slice_entries", "mi_segment.abandoned_next",
)  # fmt: skip


class Page(NamedTuple):
    """A page: where its blocks begin, how many were made of it (``capacity``) and how large each is."""

    address: int
    start: int
    block_size: int
    capacity: int
    #: Blocks in use, with those that wait in the page's own lists to become free.
    used: int

    def holds(self, address: int) -> bool:
        """Tell whether an address lies in one of the blocks."""
        return 0 <= address - self.start < self.capacity * self.block_size


class PageBlock(NamedTuple):
    """A block of a page. ``state`` is ``used``, ``freed``, ``untouched`` (never handed out) or ``unknown`` (the lists
    of free blocks are damaged, as ``problem`` says)."""

    start: int
    size: int
    state: str
    problem: str = ""


class FreeBlocks(NamedTuple):
    """The indices of a page's free blocks; ``problem`` says why there may be more of them."""

    indices: Set[int]
    problem: Optional[str] = None


class Mimalloc:
    """Reads the pages of one target. Its iterators end at damage and tell it in ``problems``."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        layout = target.layout
        slices = layout.field("mi_segment.slices")
        self.known = slices is not None and all(layout.has(name) for name in _NEEDED)
        if slices is None:
            return
        self._word = target.memory.pointer_size
        self._slices, self._header, self._most_slices = slices.offset, slices.stride, slices.count
        #: One entry more than a segment has slices.
        self.segment_size = (slices.count - 1) * _SLICE
        self._queues = layout.field("mi_heap.queues")
        keys = layout.field("mi_page.keys")
        self._page_keys = None if keys is None else keys.offset
        heap_keys = layout.field("mi_heap.keys")
        self._heap_keys = 0 if heap_keys is None else heap_keys.offset

    # -- pages ------------------------------------------------------------------------------------
    def heap_pages(self, heap: int, problems: List[str]) -> Iterator[Page]:
        """Yield the pages in the queues of a heap, with blocks in use: mi_heap_visit_pages(). Never raises."""
        target = self._target
        assert self._queues is not None
        seen: Set[int] = set()
        for index in range(self._queues.count):
            queue = heap + self._queues.offset + index * self._queues.stride
            try:
                at = target.number("mi_queue.first", queue)
                while at:
                    if at in seen or len(seen) >= _MOST_PAGES:
                        raise Corrupt(f"the pages of the heap at {heap:#x} run in a circle at {at:#x}")
                    seen.add(at)
                    page = self.page(at)
                    if page.used:
                        yield page
                    at = target.number("mi_page.next", at)
            except Unreadable as error:
                problems.append(f"a queue of pages of the heap at {heap:#x} is broken: {error}")

    def abandoned_pages(self, segments: Sequence[int], tag: int, problems: List[str]) -> Iterator[Page]:
        """Yield the pages of kind ``tag`` in segments whose thread is gone (`abandoned_segments`). Never raises.

        Mirrors mi_segment_visit_pages() under _mi_abandoned_pool_visit_blocks() (mi_abandoned_visit_blocks() from 2.5 on).
        """
        for segment in segments:
            try:
                yield from self._segment_pages(segment, tag)
            except Unreadable as error:
                problems.append(f"memory that an ended thread left cannot be read: {error}")

    def _segment_pages(self, segment: int, tag: int) -> Iterator[Page]:
        """Yield the pages of one segment. Raises Unreadable."""
        target = self._target
        entries = target.number("mi_segment.slice_entries", segment)
        if not 0 < entries <= self._most_slices:
            raise Corrupt(f"{segment:#x} is no segment")
        index, first = 0, True
        while index < entries:
            header = segment + self._slices + index * self._header
            count = target.number("mi_page.slice_count", header)
            if not 0 < count <= entries - index:
                raise Corrupt(f"the slices of the segment at {segment:#x} are damaged")
            # The first slices hold the segment's own header. A span of slices without page has no block size.
            if not first and target.number("mi_page.block_size", header) and target.number("mi_page.tag", header) == tag:
                page = self.page(header)
                if page.used:
                    yield page
            index, first = index + count, False

    def page(self, address: int) -> Page:
        """Return the page whose header lies at ``address``. Raises Unreadable."""
        target = self._target
        segment = address & ~(self.segment_size - 1)
        index, rest = divmod(address - segment - self._slices, self._header)
        if rest or not 0 < index < self._most_slices:
            raise Corrupt(f"{address:#x} is no page")
        size = block = target.number("mi_page.block_size", address)
        slices = target.number("mi_page.slice_count", address)
        start = target.value("mi_page.start", address)
        if start is None:
            if size >= _HUGE:
                size = slices * _SLICE
            behind = 3 * block if block <= _THREE_BEHIND else block if block <= _ONE_BEHIND else 0
        else:
            behind = start - segment - index * _SLICE
        capacity, used = target.number("mi_page.capacity", address), target.number("mi_page.used", address)
        fits = 0 <= behind and behind + capacity * size <= slices * _SLICE
        if size < self._word or size % self._word or not fits or used > capacity:
            raise Corrupt(f"the page at {address:#x} is damaged")
        return Page(address, segment + index * _SLICE + behind, size, capacity, used)

    def block_at(self, address: int) -> Optional[PageBlock]:
        """Return the block that holds an address, None when it lies in no page. Never raises.

        Mirrors _mi_ptr_page(): segments begin at multiples of their size, whoever owns them.
        """
        target = self._target
        if not self.known or address < self.segment_size:
            return None
        segment = address & ~(self.segment_size - 1)
        try:
            slices = target.number("mi_segment.slice_count", segment)
            entries = target.number("mi_segment.slice_entries", segment)
            if not 0 < entries <= min(slices, self._most_slices):
                return None
            if target.number("mi_segment.size", segment) != slices * _SLICE:
                return None
            header = segment + self._slices + (address - segment) // _SLICE * self._header
            page = self.page(header - target.number("mi_page.slice_offset", header))
            index = (address - page.start) // page.block_size
            start = page.start + index * page.block_size
            if address < page.start:
                return None
            if index >= page.capacity:
                return PageBlock(start, page.block_size, "untouched")
            words = target.memory.array(page.start, page.capacity * page.block_size // self._word)
            heap = target.value("mi_page.heap", page.address)
            free = self.free_blocks(page, words, self.delayed_blocks(heap, []) if heap else ())
        except Unreadable:
            return None
        if index in free.indices:
            return PageBlock(start, page.block_size, "freed")
        return PageBlock(start, page.block_size, "unknown" if free.problem else "used", free.problem or "")

    # -- free blocks ------------------------------------------------------------------------------
    def free_blocks(self, page: Page, words: Sequence[int], delayed: Sequence[int] = ()) -> FreeBlocks:
        """Return which blocks of a page are free; ``words`` is its memory. Never raises.

        They wait in three lists of the page (to be handed out, freed by its thread, freed by other
        threads). ``delayed`` are addresses of the heap's own list (`delayed_blocks`).
        """
        found: Set[int] = set()
        try:
            keys = self._keys(page.address, self._page_keys)
            own = [self._target.number(f"mi_page.{name}", page.address) for name in ("free", "local_free")]
            foreign = self._target.number("mi_page.thread_free", page.address) & ~_DELAYED_FLAGS
        except Unreadable as error:
            return FreeBlocks(found, str(error))
        broken = [at for at in (self._follow(page, head, words, keys, found) for head in own) if at]
        # A thread may be stopped in the middle of handing out one block; more than one says that a list is cut off.
        agrees = abs(page.capacity - len(found) - page.used) <= 1
        broken += [at for at in (self._follow(page, foreign, words, keys, found),) if at]
        for at in delayed:
            if page.holds(at):
                found.add((at - page.start) // page.block_size)
        if broken:
            return FreeBlocks(found, f"a list of free blocks of the page at {page.address:#x} is broken at {broken[0]:#x}")
        if not agrees:
            return FreeBlocks(found, f"the page at {page.address:#x} counts other blocks in use than its lists tell")
        return FreeBlocks(found)

    def _follow(
        self, page: Page, head: int, words: Sequence[int], keys: Optional[Tuple[int, int]], found: Set[int]
    ) -> int:
        """Add the blocks of one list to ``found``; return the link that leads out of the page, 0 without one."""
        at = head
        while at:
            index, rest = divmod(at - page.start, page.block_size)
            if rest or not page.holds(at):
                return at
            if index in found:  # a circle, or the thread is moving blocks from one list to another
                return 0
            found.add(index)
            at = _decode(words[(at - page.start) // self._word], keys, page.address)
        return 0

    def has_foreign(self, page: Page) -> bool:
        """Tell whether other threads freed blocks of a page that still counts them as used. Never raises."""
        try:
            return bool(self._target.number("mi_page.thread_free", page.address) & ~_DELAYED_FLAGS)
        except Unreadable:
            return True

    def delayed_blocks(self, heap: int, problems: List[str]) -> List[int]:
        """Return the blocks that other threads freed from full pages of a heap. Never raises.

        They wait until the heap's own thread frees them: _mi_heap_delayed_free_partial().
        """
        found: List[int] = []
        seen: Set[int] = set()
        try:
            keys = self._keys(heap, self._heap_keys if self._page_keys is not None else None)
            at = self._target.value("mi_heap.delayed_free", heap) or 0
            while at and at not in seen and len(found) < _MOST_PAGES:
                following = _decode(self._target.memory.pointer(at), keys, heap)
                seen.add(at)
                found.append(at)
                at = following
        except Unreadable as error:
            problems.append(f"the list of blocks that other threads freed is broken: {error}")
        return found

    def _keys(self, owner: int, offset: Optional[int]) -> Optional[Tuple[int, int]]:
        if offset is None:
            return None
        first, second = self._target.memory.array(owner + offset, 2)
        return first, second


def _decode(word: int, keys: Optional[Tuple[int, int]], null: int) -> int:
    """Return the address in a link of a list of free blocks, 0 at its end: mi_ptr_decode().

    Debug builds encode links by two keys; the end of a list is then the address of its owner.
    """
    if keys is None:
        return word
    mask = (1 << 64) - 1
    value = (word - keys[0]) & mask
    turn = keys[0] % 64
    value = ((value >> turn) | (value << (64 - turn))) & mask if turn else value
    value ^= keys[1]
    return 0 if value == null else value


__all__ = ["FreeBlocks", "Mimalloc", "Page", "PageBlock"]
