"""Python stacks, with the line each frame is at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional

from ..model.report import PythonFrame
from . import lines
from .objects import bytes_of, string, type_name, type_of
from .target import Corrupt, PythonTarget, Unreadable

#: Deeper stacks are cut off, with a sentence.
DEEPEST = 10_000
#: Values of `owner` of an interpreter frame, the same wherever there are any (3.11 on).
_OWNED_BY_GENERATOR = 1
#: Enumerators for frames that run no Python code: they link what C code called.
_SHIMS = ("FRAME_OWNED_BY_CSTACK", "FRAME_OWNED_BY_INTERPRETER", "FRAME_OWNED_BY_THREAD_STATE")
#: References of 3.14 and later carry tags in their low bits.
_TAGS = 7


class _Code(NamedTuple):
    """What is needed of a code object."""

    function: str
    file: str
    first_line: int
    table: bytes
    encoding: str


@dataclass
class Loop:
    """The frames of one run of the evaluation loop, innermost first. ``shim`` is the address of the frame that marks its
    beginning, which lies among the loop's own variables on the C stack (3.12 on); 0 where there is none."""

    frames: List[PythonFrame] = field(default_factory=list)
    shim: int = 0


class StackReader:
    """Reads Python stacks of one state of the target; code objects are read once."""

    def __init__(self, target: PythonTarget) -> None:
        self._target = target
        self._codes: Dict[int, _Code] = {}
        self._code_types: Dict[int, bool] = {}
        layout = target.layout
        self._shims = {value for value in map(layout.enum, _SHIMS) if value is not None}
        self._told = any(map(layout.has, ("thread.frame", "thread.current_frame", "thread.cframe")))
        self._old = layout.has("thread.frame")  # up to 3.10: chains of frame objects
        # From 3.14 on a frame ends with a stack pointer, and its code is a tagged reference.
        field = layout.field("iframe.code")
        self._tagged = field is not None and field.kind != "pointer"
        if layout.has("code.adaptive"):
            self._encoding = "locations"
        else:
            self._encoding = "pairs" if layout.has("code.linetable") else "lnotab"

    def stack(self, thread: int, problems: List[str], limit: int = DEEPEST) -> List[PythonFrame]:
        """Return the frames of a thread state, innermost first, at most ``limit``. Never raises."""
        return [frame for row in self.rows(thread, problems, limit) for frame in row]

    def rows(self, thread: int, problems: List[str], limit: int = DEEPEST) -> List[List[PythonFrame]]:
        """Return the frames of a thread state in rows, one for each run of the evaluation loop, innermost first. Never raises.

        Up to 3.10 every frame is run by a loop of its own; since then a loop runs calls from Python to
        Python itself. The frame that a loop began with is marked (3.11), or followed by a shim.
        """
        return [loop.frames for loop in self.loops(thread, problems, limit)]

    def loops(self, thread: int, problems: List[str], limit: int = DEEPEST) -> List[Loop]:
        """Return `rows` with where each begins. Never raises."""
        if not self._told:
            return []  # no layout for it: the target's `gap` says so, once
        try:
            innermost = self._innermost(thread)
        except Unreadable as error:
            problems.append(f"the Python stack cannot be read: {error}")
            return []
        return self._loops_from(innermost, problems, limit, 0)

    def rows_from(
        self, at: int, problems: List[str], limit: int = DEEPEST, loops: int = 0
    ) -> List[List[PythonFrame]]:
        """Return `rows` from the frame at ``at`` on, those of the first ``loops`` loops only if given. Never raises."""
        return [loop.frames for loop in self._loops_from(at, problems, limit, loops)]

    def _loops_from(self, at: int, problems: List[str], limit: int, loops: int) -> List[Loop]:
        found = [Loop()]
        count = 0
        seen = set()
        try:
            while at:
                if at in seen:
                    problems.append(f"the Python stack runs in a circle at {at:#x}")
                    break
                if count >= limit:
                    problems.append(f"the Python stack is cut off after {limit} frames")
                    break
                seen.add(at)
                frame = self._frame(at)
                if frame is not None:
                    found[-1].frames.append(frame)
                    count += 1
                if self._begins_loop(at):
                    found[-1].shim = at if frame is None else 0
                    if loops and len(found) >= loops:
                        break
                    found.append(Loop())
                at = self._target.number("frame.back" if self._old else "iframe.previous", at)
        except Unreadable as error:
            problems.append(f"the Python stack is broken after {count} frames: {error}")
        return found if found[-1].frames else found[:-1]

    def is_frame(self, address: int) -> bool:
        """Tell whether a frame that runs Python code surely lies at an address that may be anything. Never raises."""
        target = self._target
        try:
            if self._old:
                return type_name(target, address) == "frame"
            if self._interpreter_frame(address) is None:
                return False
            code = target.number("iframe.code", address) & ~(_TAGS if self._tagged else 0)
            at = target.number("iframe.instruction", address) - self._bytecode(address, code)
            # Before its first instruction it is one unit (of two bytes) behind.
            return at % 2 == 0 and -2 <= at < 2 * (target.value("var.size", code) or 0)
        except Unreadable:
            return False

    def _begins_loop(self, address: int) -> bool:
        """Tell whether an evaluation loop began with this frame. Raises Unreadable."""
        if self._old:
            return True
        if self._target.layout.has("iframe.is_entry"):
            return bool(self._target.value("iframe.is_entry", address))
        return self._target.value("iframe.owner", address) in self._shims

    def _innermost(self, thread: int) -> int:
        """Return the thread's innermost frame, 0 for none. Raises Unreadable."""
        target = self._target
        for name in ("thread.frame", "thread.current_frame"):
            if target.layout.has(name):
                return target.number(name, thread)
        cframe = target.number("thread.cframe", thread)
        return target.number("cframe.current_frame", cframe) if cframe else 0

    def _frame(self, address: int) -> Optional[PythonFrame]:
        """Return a frame, None for one that CPython itself does not show. Raises Unreadable."""
        if self._old:
            return self._frame_object(address)
        return self._interpreter_frame(address)

    def _frame_object(self, address: int) -> PythonFrame:
        target = self._target
        code = self._code(target.number("frame.code", address))
        lasti = target.number("frame.lasti", address)
        line = 0
        if self._encoding == "pairs":
            # 3.10 counts code units, and a tracer's line is there whenever it is not 0.
            lasti *= 2
            line = target.number("frame.lineno", address)
        elif target.value("frame.trace", address):
            line = target.number("frame.lineno", address)
        return PythonFrame(code.function, code.file, line or self._line(code, lasti))

    def _interpreter_frame(self, address: int) -> Optional[PythonFrame]:
        target = self._target
        owner = target.value("iframe.owner", address)
        if owner is not None and owner in self._shims:
            return None
        executable = target.number("iframe.code", address)
        if self._tagged:
            executable &= ~_TAGS
        if not executable or not self._is_code(executable):
            return None
        start = self._bytecode(address, executable)
        instruction = target.number("iframe.instruction", address)
        first = target.value("code.firsttraceable", executable) or 0
        # _PyFrame_IsIncomplete: a function whose cells are still being made is not shown.
        if owner != _OWNED_BY_GENERATOR and instruction < start + 2 * first:
            return None
        code = self._code(executable)
        return PythonFrame(code.function, code.file, self._line(code, instruction - start))

    def _bytecode(self, address: int, code: int) -> int:
        """Return where the instructions of a frame begin. Raises Unreadable.

        Free-threaded builds from 3.14 on have a copy for each thread: _PyFrame_GetBytecode.
        """
        target = self._target
        index, copies = target.value("iframe.tlbc_index", address), target.value("code.tlbc", code)
        if index and copies:
            count = target.memory.pointer(copies)
            if not 0 <= index < count:
                raise Corrupt(f"the frame at {address:#x} is damaged")
            return target.memory.pointer(copies + (1 + index) * target.memory.pointer_size)
        return code + target.layout.offset("code.adaptive")

    def _is_code(self, address: int) -> bool:
        kind = type_of(self._target, address)
        known = self._code_types.get(kind)
        if known is None:
            known = self._code_types[kind] = type_name(self._target, address) == "code"
        return known

    def _code(self, address: int) -> _Code:
        code = self._codes.get(address)
        if code is None:
            if not self._is_code(address):
                raise Corrupt(f"the object at {address:#x} is not a code object")
            code = self._codes[address] = self._read_code(address)
        return code

    def _read_code(self, address: int) -> _Code:
        target = self._target
        name = target.value("code.qualname", address) or target.number("code.name", address)
        field = "code.lnotab" if self._encoding == "lnotab" else "code.linetable"
        return _Code(
            string(target, name),
            string(target, target.number("code.filename", address)),
            target.number("code.firstlineno", address),
            bytes_of(target, target.number(field, address)),
            self._encoding,
        )

    @staticmethod
    def _line(code: _Code, offset: int) -> int:
        return _LINE_OF[code.encoding](code.table, code.first_line, offset)


_LINE_OF = {
    "lnotab": lines.line_of_lnotab,
    "pairs": lines.line_of_pairs,
    "locations": lines.line_of_locations,
}


def python_stack(
    target: PythonTarget, thread: int, problems: List[str], limit: int = DEEPEST
) -> List[PythonFrame]:
    """Return the Python frames of the thread state at ``thread``, innermost first. Never raises.

    ``function`` is the qualified name where the build has one (3.11 on), ``line`` is -1 for code
    without a line. Frames that CPython itself does not show (shims between C and Python, functions
    not yet begun) are left out. What went wrong is appended to ``problems``.
    """
    return StackReader(target).stack(thread, problems, limit)


__all__ = ["Loop", "StackReader", "python_stack"]
