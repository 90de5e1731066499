"""Damage done to core files: each kind a function on the file's bytes, the same for the same random numbers."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

_PT_LOAD, _PT_NOTE = 1, 4
_WRITABLE = 2
_PAGE = 4096
#: Offsets in NT_PRSTATUS of x86-64: the registers, and how many there are.
_REGISTERS, _REGISTER_COUNT, _STACK_POINTER = 112, 27, 19
#: Words of the smallest table of offsets, that of 3.13, behind cookie, version and free_threaded.
_TABLE_WORDS = 70


class Segment(NamedTuple):
    """A loaded segment: where its program header lies in the file, its contents there, and its address."""

    header: int
    offset: int
    size: int
    address: int
    writable: bool

    @property
    def end(self) -> int:
        """Address after what the file has of it."""
        return self.address + self.size


@dataclass
class Image:
    """The bytes of a core file, to be changed, with where things are in them."""

    data: bytearray

    def __post_init__(self) -> None:
        (self.table,) = struct.unpack_from("<Q", self.data, 32)
        (self.count,) = struct.unpack_from("<H", self.data, 56)
        self.segments: List[Segment] = []
        self.notes: Tuple[int, int] = (0, 0)
        for index in range(self.count):
            at = self.table + 56 * index
            kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", self.data, at)
            if kind == _PT_NOTE:
                self.notes = (offset, size)
            elif kind == _PT_LOAD and size:
                self.segments.append(Segment(at, offset, size, address, bool(flags & _WRITABLE)))

    # -- places ---------------------------------------------------------------------------------
    def writable(self) -> List[Segment]:
        """Return the segments that the program could write to: its heap, stacks and static data."""
        return [segment for segment in self.segments if segment.writable]

    def offset_of(self, address: int) -> Optional[int]:
        """Return where in the file an address lies, None if it is not there."""
        for segment in self.segments:
            if segment.address <= address < segment.end:
                return segment.offset + address - segment.address
        return None

    def word(self, address: int) -> Optional[int]:
        """Return the 8 bytes at an address as a number, None if they are not there."""
        offset = self.offset_of(address)
        if offset is None or offset + 8 > len(self.data):
            return None
        return int(struct.unpack_from("<Q", self.data, offset)[0])

    def put(self, address: int, value: int) -> None:
        """Write 8 bytes at an address that is in the file."""
        offset = self.offset_of(address)
        if offset is not None and offset + 8 <= len(self.data):
            struct.pack_into("<Q", self.data, offset, value & (1 << 64) - 1)

    def thread_notes(self) -> Iterator[int]:
        """Yield where in the file the registers of each thread lie."""
        at, end = self.notes[0], self.notes[0] + self.notes[1]
        while at + 12 <= end:
            name_size, size, kind = struct.unpack_from("<III", self.data, at)
            start = at + 12 + (name_size + 3) // 4 * 4
            if kind == 1:
                yield start + _REGISTERS
            at = start + (size + 3) // 4 * 4

    def stack_pointers(self) -> List[int]:
        """Return the stack pointer of each thread, that of the first one (which died) first."""
        return [
            int(struct.unpack_from("<Q", self.data, registers + 8 * _STACK_POINTER)[0])
            for registers in self.thread_notes()
        ]


Mutation = Callable[[Image, random.Random], None]


def _some_place(image: Image, rng: random.Random) -> int:
    """Return an aligned address in memory that the program could write to; large segments are likelier."""
    segments = image.writable()
    segment = rng.choices(segments, [s.size for s in segments])[0]
    return segment.address + rng.randrange(0, segment.size - 8, 8)


def _some_pointer(image: Image, rng: random.Random) -> Optional[int]:
    """Return the address of something that looks like a pointer to the program's own memory."""
    for _attempt in range(2000):
        address = _some_place(image, rng)
        value = image.word(address)
        if value and value % 8 == 0 and image.offset_of(value) is not None:
            return address
    return None


def _wild(image: Image, rng: random.Random, address: int) -> int:
    """Return a value that is no pointer to what should be there."""
    return rng.choice(
        (
            0,
            8,
            rng.randrange(1 << 16),
            0xDDDDDDDDDDDDDDDD,
            rng.getrandbits(64),
            rng.getrandbits(47) & ~7,
            (1 << 64) - 8,
            address,
            _some_place(image, rng),
            _some_place(image, rng) + 1,
        )
    )


def truncate(image: Image, rng: random.Random) -> None:
    """Cut the file off."""
    del image.data[rng.randrange(64, len(image.data)) :]


def truncate_end(image: Image, rng: random.Random) -> None:
    """Cut off the last pages only."""
    del image.data[max(64, len(image.data) - rng.randrange(1, 64 * _PAGE)) :]


def lose_segments(image: Image, rng: random.Random) -> None:
    """Leave some segments without their contents."""
    for segment in rng.sample(image.segments, rng.randrange(1, 1 + max(1, len(image.segments) // 4))):
        struct.pack_into("<Q", image.data, segment.header + 32, 0)


def lose_headers(image: Image, rng: random.Random) -> None:
    """Leave some segments out of the table altogether."""
    for segment in rng.sample(image.segments, rng.randrange(1, 1 + max(1, len(image.segments) // 4))):
        struct.pack_into("<I", image.data, segment.header, 0)


def lose_pages(image: Image, rng: random.Random) -> None:
    """Fill pages with zeros, or with somebody else's page."""
    for _ in range(rng.choice((1, 4, 16, 64))):
        segment = rng.choice(image.writable())
        at = segment.offset + rng.randrange(0, segment.size, _PAGE)
        length = min(_PAGE, segment.offset + segment.size - at)
        other = rng.choice(image.segments)
        image.data[at : at + length] = rng.choice(
            (bytes(length), image.data[other.offset : other.offset + length].ljust(length, b"\0"))
        )


def flip_bits(image: Image, rng: random.Random) -> None:
    """Flip bits anywhere in the program's memory."""
    for _ in range(rng.choice((1, 8, 64, 512, 4096))):
        offset = image.offset_of(_some_place(image, rng))
        if offset is not None:
            image.data[offset + rng.randrange(8)] ^= 1 << rng.randrange(8)


def flip_small_numbers(image: Image, rng: random.Random) -> None:
    """Change what looks like reference counts, lengths and flags."""
    for _ in range(rng.choice((1, 16, 256))):
        for _attempt in range(200):
            address = _some_place(image, rng)
            value = image.word(address)
            if value is not None and 0 < value < 10_000:
                image.put(address, rng.choice((0, value - 1, value + 1, 1 << 40, (1 << 64) - 1, rng.getrandbits(64))))
                break


def wild_pointers(image: Image, rng: random.Random) -> None:
    """Let pointers lead astray."""
    for _ in range(rng.choice((1, 8, 64, 512))):
        address = _some_pointer(image, rng)
        if address is not None:
            image.put(address, _wild(image, rng, address))


def wild_runtime(image: Image, rng: random.Random) -> None:
    """Damage static data (where the runtime's own state is): all but the largest writable segments."""
    segments = sorted(image.writable(), key=lambda segment: segment.size)[:-2] or image.writable()
    for _ in range(rng.choice((1, 8, 64, 512))):
        segment = rng.choices(segments, [s.size for s in segments])[0]
        address = segment.address + rng.randrange(0, max(8, segment.size - 8), 8)
        image.put(address, _wild(image, rng, address))


def cyclic_lists(image: Image, rng: random.Random) -> None:
    """Tie doubly linked lists (of the collector, for one) into knots."""
    done = 0
    for _attempt in range(60_000):
        node = _some_place(image, rng) & ~15
        following = image.word(node)
        if not following or following % 8 or following == node:
            continue
        back = image.word(following + 8)
        if back is None or back & ~7 != node:
            continue
        beyond = image.word(following) or node
        image.put(node, rng.choice((node, beyond, node + 16, following + 16)))
        if rng.random() < 0.5:
            image.put(following, rng.choice((node, following)))
        done += 1
        if done == 4:
            return
    if not done:
        _cyclic_free_lists(image, rng)


def _cyclic_free_lists(image: Image, rng: random.Random) -> None:
    """Tie the allocator's lists of free blocks into knots: without a GIL there are hardly any others."""
    done = 0
    for _attempt in range(60_000):
        node = _some_place(image, rng) & ~15
        following = image.word(node)
        beyond = image.word(following) if following and following % 16 == 0 and following != node else None
        if following and beyond and beyond % 16 == 0 and node >> 16 == following >> 16 == beyond >> 16:
            image.put(following, rng.choice((node, following)))
            done += 1
            if done == 4:
                return


def damage_stack(image: Image, rng: random.Random) -> None:
    """Overwrite words of a stack, as a buffer overflow does."""
    pointers = [p for p in image.stack_pointers() if image.offset_of(p) is not None]
    if not pointers and image.writable():
        # That is how it crashed: the first thread's stack is the last memory of all.
        last = max(image.writable(), key=lambda segment: segment.address)
        pointers = [last.address + last.size // 2]
    if pointers:
        pointer = pointers[0] if rng.random() < 0.7 else rng.choice(pointers)
        start = pointer + rng.randrange(0, 4096, 8)
        for index in range(rng.choice((1, 2, 16, 128))):
            image.put(start + 8 * index, _wild(image, rng, start))


def damage_registers(image: Image, rng: random.Random) -> None:
    """Change registers of a thread."""
    registers = list(image.thread_notes())
    place = registers[0] if rng.random() < 0.7 else rng.choice(registers)
    for _ in range(rng.choice((1, 2, 8))):
        at = place + 8 * rng.randrange(_REGISTER_COUNT)
        struct.pack_into("<Q", image.data, at, _wild(image, rng, 8))


def damage_notes(image: Image, rng: random.Random) -> None:
    """Change bytes of the notes: sizes, signals, names of files, addresses."""
    offset, size = image.notes
    for _ in range(rng.choice((1, 4, 32, 256))):
        image.data[offset + rng.randrange(size)] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))


def damage_headers(image: Image, rng: random.Random) -> None:
    """Change bytes of the file's own headers."""
    end = image.table + 56 * image.count
    for _ in range(rng.choice((1, 2, 8, 32))):
        image.data[rng.randrange(4, min(end, len(image.data)))] = rng.choice((0, 1, 0xFF, rng.randrange(256)))


def wild_offsets(image: Image, rng: random.Random) -> None:
    """Change words of the table of offsets at the start of ``_PyRuntime`` (3.13 and later; of others nothing changes)."""
    table = _table_of_offsets(image)
    if table is None:
        return
    words = rng.choice((1, 1, 2, 8, _TABLE_WORDS))
    for index in rng.sample(range(_TABLE_WORDS), words):
        address = table + 8 * (3 + index)
        value = image.word(address) or 0
        near = value + rng.choice((-16, -8, -4, -1, 1, 4, 8, 16, 64, 4096))
        neighbour = image.word(table + 8 * (3 + rng.randrange(_TABLE_WORDS))) or 0
        image.put(address, rng.choice((near, near, neighbour, neighbour, 1 << 23, _wild(image, rng, address))))


def _table_of_offsets(image: Image) -> Optional[int]:
    """Return the address of ``_Py_DebugOffsets`` in memory that the program could write to, None without one."""
    for segment in image.writable():
        at = image.data.find(b"xdebugpy", segment.offset, segment.offset + segment.size)
        while at >= 0:
            address = segment.address + at - segment.offset
            # The word after the cookie is PY_VERSION_HEX; a copy of the cookie alone is none.
            if address % 8 == 0 and (image.word(address + 8) or 0) >> 24 == 3:
                return address
            at = image.data.find(b"xdebugpy", at + 1, segment.offset + segment.size)
    return None


MUTATIONS: Dict[str, Mutation] = {
    function.__name__.replace("_", "-"): function
    for function in (
        truncate,
        truncate_end,
        lose_segments,
        lose_headers,
        lose_pages,
        flip_bits,
        flip_small_numbers,
        wild_pointers,
        wild_runtime,
        cyclic_lists,
        damage_stack,
        damage_registers,
        damage_notes,
        damage_headers,
    )
}
#: Damage that only a core of a build without debug information shows: of the others nobody reads the table.
STRIPPED_MUTATIONS: Dict[str, Mutation] = {"wild-offsets": wild_offsets}


def mutated(data: bytes, kind: str, rng: random.Random) -> bytes:
    """Return a core file with damage of one kind."""
    image = Image(bytearray(data))
    {**MUTATIONS, **STRIPPED_MUTATIONS}[kind](image, rng)
    return bytes(image.data)
