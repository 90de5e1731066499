"""References out of frames: frame objects up to 3.10, interpreter frames since then, and generators."""

from __future__ import annotations

from typing import Iterator, List, Optional, Set

from .. import objects
from ..target import PythonTarget, Unreadable
from .edges import INDEX, LOCAL, MEMBER, Edge
from .rows import BORROWED, HELD, LATE, VISITED

#: More locals and stack slots than this are not believed.
_MOST_SLOTS = 1 << 16
#: `owner` of an interpreter frame that a frame object took over: FRAME_OWNED_BY_FRAME_OBJECT.
_OWNED_BY_OBJECT = 2


def local_names(target: PythonTarget, code: int) -> List[int]:
    """Return the addresses of the names of a code object's locals, cells and free variables in order. Never raises."""
    names: List[int] = []
    try:
        together = target.value("code.localsplusnames", code)
        if together:
            return objects.items(target, together, _MOST_SLOTS)
        for member in ("code.varnames", "code.cellvars", "code.freevars"):
            held = target.value(member, code)
            if held:
                names += objects.items(target, held, _MOST_SLOTS)
    except Unreadable:
        pass
    return names


def untagged(word: int) -> int:
    """Return the object that a word of a frame refers to, 0 for none.

    From 3.14 on the words are tagged (Include/internal/pycore_stackref.h): both low bits set is an int, one of them a
    reference that is not counted. Addresses of objects have neither.
    """
    return 0 if word & 3 == 3 else word & ~3


def _how(target: PythonTarget, word: int, how: str) -> str:
    """Return how a word of a frame refers to its object: ``how``, or as one that is not counted.

    With a GIL only constants are not counted in frames that do not run, and in one that runs what another place keeps.
    """
    return LATE if word & 3 == 1 and target.build.free_threaded else how


def _slots(target: PythonTarget, start: int, count: int, code: int, how: str = VISITED) -> Iterator[Edge]:
    names = local_names(target, code)
    for index, word in enumerate(target.memory.array(start, max(0, min(count, _MOST_SLOTS)))):
        held = untagged(word)
        if held:
            if index < len(names):
                yield Edge(held, _how(target, word, how), "", LOCAL, names[index])
            else:
                yield Edge(held, _how(target, word, how), "stack", INDEX, index - len(names))


def frame_object_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield what a frame object refers to beside its named members. Raises Unreadable.

    Mirrors frame_traverse (Objects/frameobject.c): up to 3.10 locals and the stack are in the object; from 3.11
    on it only visits an interpreter frame that it has taken over.
    """
    if target.layout.has("frame.locals"):
        code = target.number("frame.code", address)
        start = address + target.layout.offset("frame.locals")
        word = target.memory.pointer_size
        count = len(local_names(target, code))
        stack = target.value("frame.valuestack", address) or 0
        depth = target.value("frame.stackdepth", address)
        if depth is None:
            top = target.value("frame.stacktop", address) or 0
            depth = (top - stack) // word if top >= stack else 0
        yield from _slots(target, start, count + max(0, depth), code)
        return
    frame = target.value("frame.frame", address)
    if not frame or target.value("iframe.owner", frame) != _OWNED_BY_OBJECT:
        return
    yield from interpreter_frame_edges(target, frame)


def generator_edges(target: PythonTarget, address: int) -> Iterator[Edge]:
    """Yield what a generator refers to through the interpreter frame inside it (3.11 on). Raises Unreadable."""
    field = target.layout.field("generator.frame")
    cleared = target.layout.enum("FRAME_CLEARED")
    if field is None or cleared is None:
        return
    frame = address + field.offset
    if target.number("generator.state", address) < cleared:
        yield from interpreter_frame_edges(target, frame)
    elif target.layout.has("iframe.stackpointer"):
        # Its code is kept to the end (from 3.14 on).
        word = target.number("iframe.code", frame)
        if untagged(word):
            yield Edge(untagged(word), _how(target, word, VISITED), _NAMES["code"], MEMBER)


def interpreter_frame_edges(target: PythonTarget, frame: int, running: bool = False) -> Iterator[Edge]:
    """Yield what an interpreter frame refers to. Raises Unreadable.

    Mirrors _PyFrame_Traverse (Python/frame.c). A frame that runs keeps the height of its stack to itself: with
    ``running`` its locals are listed whatever it says.
    """
    for name in ("frame_obj", "locals_dict", "function", "code"):
        word = target.value(f"iframe.{name}", frame) or 0
        if untagged(word):
            yield Edge(untagged(word), _how(target, word, VISITED), _NAMES[name], MEMBER)
    for name in ("globals", "builtins"):
        held = target.value(f"iframe.{name}", frame) or 0
        if held:
            yield Edge(held, BORROWED, f"f_{name}", MEMBER)
    code = untagged(target.number("iframe.code", frame))
    start = frame + target.layout.offset("iframe.locals")
    count: Optional[int] = target.value("iframe.stacktop", frame)
    if count is not None and count >= 1 << 31:
        count -= 1 << 32
    top = target.value("iframe.stackpointer", frame)
    if top:
        count = (top - start) // target.memory.pointer_size
    if count is None or count < 0:
        count = (target.value("code.nlocalsplus", code) or 0) if running else 0
    yield from _slots(target, start, count, code, HELD if running else VISITED)


_NAMES = {"frame_obj": "frame_obj", "locals_dict": "f_locals", "function": "f_funcobj", "code": "f_code"}


def thread_frames(target: PythonTarget, thread: int, limit: int = _MOST_SLOTS) -> Iterator[int]:
    """Yield the addresses of a thread's frames, innermost first, shims included. Raises Unreadable."""
    old = target.layout.has("thread.frame")
    if old or target.layout.has("thread.current_frame"):
        at = target.number("thread.frame" if old else "thread.current_frame", thread)
    else:
        cframe = target.number("thread.cframe", thread)
        at = target.number("cframe.current_frame", cframe) if cframe else 0
    seen: Set[int] = set()
    while at and at not in seen and len(seen) < limit:
        seen.add(at)
        yield at
        at = target.number("frame.back" if old else "iframe.previous", at)


def frame_extent(target: PythonTarget, frame: int) -> int:
    """Return how many bytes an interpreter frame has, its stack included, 0 if that cannot be told. Raises Unreadable."""
    code = untagged(target.number("iframe.code", frame))
    if not code:
        return 0
    slots = (target.value("code.nlocalsplus", code) or 0) + (target.value("code.stacksize", code) or 0)
    if not 0 <= slots <= _MOST_SLOTS:
        return 0
    return target.layout.offset("iframe.locals") + slots * target.memory.pointer_size
