"""``Py_FatalError``: its message, and the function that raised it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

from ..cpython.objects import string
from ..cpython.target import Unreadable
from ..debugger.interface import MemoryFault
from ..elf import ElfError, open_elf
from ..finalization.functions import base_name
from ..model.report import NativeFrame
from .case import Case, Task
from .constants import constants_given, function_and_message
from .culprit import REPORTING
from .variadic import rendered

_ASSERTION = ("__assert_fail", "__assert_fail_base", "__GI___assert_fail")
#: Functions (function's name, format, ...) of Python/pylifecycle.c.
_VARIADIC = ("_Py_FatalErrorFormat",)
_ABORT = ("abort", "__GI_abort")
#: So many functions report a fatal error at most, one calling the other.
_MOST_REPORTING = 4
_CONVERSION = re.compile(r"%[-+ #0-9.*]*(?:hh|h|ll|l|z|j|t)?[a-zA-Z]")
_LONGEST = 600
_MOST_STACK = 4096
#: Registers that keep their value over calls: an argument that was still needed may be in one.
_SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")


@dataclass
class FatalError:
    """A fatal error. ``caller`` is the index of the first frame that does not report it; ``inside`` says that
    the process died while it was being reported."""

    message: str
    function: str
    caller: int
    inside: bool = False
    #: True for an assertion of C code, whoever made it.
    assertion: bool = False
    #: Function that raised it, as far as the stack or the message tells.
    raised: str = ""

    @property
    def text(self) -> str:
        """The message with the function that gave it, as CPython prints it."""
        if not self.message:
            return f"{self.raised or 'a fatal error'}, whose message cannot be read"
        return f"{self.function}: {self.message}" if self.function else self.message

    @property
    def words(self) -> str:
        """The same as half a sentence behind the words "fatal error"."""
        return f'"{self.text}"' if self.message else "whose message cannot be read"


def fatal_error(case: Case, task: Task) -> Optional[FatalError]:
    """Return the fatal error that a thread reports, None if it does not report one.

    The outermost one counts: while it is reported, a second may happen.
    """
    names = [base_name(f.function) if f.function else "" for f in task.frames]
    reporting = [index for index, name in enumerate(names) if name in REPORTING]
    if not reporting:
        return _assertion(case, task, names) or _nameless(case, task, names)
    last = reporting[-1]
    first = last
    while first > 0 and names[first - 1] in REPORTING:
        first -= 1
    block = task.frames[first : last + 1]
    message, function = _failed_assertion(case, task, block) or _arguments(case, task, block)
    if case.nameless and last + 1 < len(task.frames):
        # What was on the stack and in registers is likely; what the caller's code loads is sure.
        told = _told_by_code(case, task.frames[last + 1])
        if told is not None:
            function, message = told[0], message if _is_made_by(told[1], message) else _shown(told[1])
    inside = not any(name in ("abort", "__GI_abort", "raise", "__GI_raise") for name in names[:first])
    if not function:
        # Up to 3.8 the message alone is printed: the caller's name is as good.
        caller = next((f for f in task.frames[last + 1 :] if f.function), None)
        raised = base_name(caller.function) if caller is not None and caller.function else ""
        return FatalError(message, "", last + 1, inside, raised=raised)
    return FatalError(message, function, last + 1, inside, raised=function)


def _nameless(case: Case, task: Task, names: List[str]) -> Optional[FatalError]:
    """Return the fatal error of a build where the functions that report it have no names, None if there is none.

    One of the first frames outside of abort() has called a function with the name of a function and a sentence.
    """
    aborts = [index for index, name in enumerate(names[:8]) if name in _ABORT]
    if not case.nameless or case.runtime is None or not aborts:
        return None
    first = aborts[-1] + 1
    for index in range(first, min(first + _MOST_REPORTING, len(task.frames))):
        frame = task.frames[index]
        if frame.library != case.runtime.module.path:
            return None
        given = function_and_message(constants_given(case.debugger, frame, lambda at: text_at(case, at)))
        if given is not None and index > first:
            return FatalError(_shown(given[1]), given[0], index, raised=given[0])
        if frame.function:
            return None
    return None


def _told_by_code(case: Case, frame: NativeFrame) -> Optional[Tuple[str, str]]:
    """Return (function, message) of a fatal error as the code that raised it loads them, None if not so.

    The message may be a format.
    """
    given = constants_given(case.debugger, frame, lambda at: text_at(case, at))
    both = function_and_message(given)
    if both is not None:
        return both
    message = given.get("rdi", "")  # up to 3.8 the message alone
    return ("", message) if " " in message and "rsi" not in given else None


def _is_made_by(form: str, message: str) -> bool:
    """Tell whether a message may be what a format makes."""
    return re.fullmatch(".*".join(map(re.escape, _CONVERSION.split(form))), message, re.S) is not None


def _shown(message: str) -> str:
    """Return a message that may be a format, with dots where it has values."""
    return _CONVERSION.sub("…", message)


def _failed_assertion(case: Case, task: Task, frames: List[NativeFrame]) -> Optional[Tuple[str, str]]:
    """Return (message, function) of an assertion on an object, as debug builds make them; None if it is none.

    `_PyObject_AssertFailed` gives its own name to the fatal error; what did not hold is in its arguments.
    """
    for frame in frames:
        if frame.function and base_name(frame.function) == "_PyObject_AssertFailed":
            found = [_argument(case, task, frame, name) for name in ("msg", "expr")]
            message = next((text for text in found if text), "")
            return (message, _argument(case, task, frame, "function")) if message else None
    return None


def _arguments(case: Case, task: Task, frames: List[NativeFrame]) -> Tuple[str, str]:
    """Return (message, function) from the arguments of the functions that report."""
    message = function = ""
    for frame in reversed(frames):
        for name in ("msg", "message", "expr", "format"):
            text = _argument(case, task, frame, name)
            # A format is only taken for want of a message.
            if text and ("%" not in text, len(text)) > ("%" not in message and bool(message), len(message)):
                message = text
        for name in ("func", "prefix", "function"):
            function = _argument(case, task, frame, name) or function
    if not message:
        message = _from_registers(case, task, frames) or _from_stack(case, task, frames)
    if "%" in message:
        message = _formatted(case, task, frames, message)
    return message, function if function != message else ""


def _formatted(case: Case, task: Task, frames: List[NativeFrame], message: str) -> str:
    """Return the message that a format makes, with the arguments of the variadic function that was given it."""
    for frame in frames:
        if base_name(frame.function or "") in _VARIADIC:
            return rendered(case, task, task.frames.index(frame), message, 2, lambda address: text_at(case, address))
    return message


def _argument(case: Case, task: Task, frame: NativeFrame, name: str) -> str:
    address = case.debugger.frame_argument(task.native.debugger_id, frame.level, name)
    return text_at(case, address) if address else ""


def _from_registers(case: Case, task: Task, frames: List[NativeFrame]) -> str:
    """Return the longest text that a saved register points to: builds without debug information have no arguments."""
    best = ""
    for frame in frames:
        for name in _SAVED:
            address = case.debugger.register(task.native.debugger_id, frame.level, name)
            text = text_at(case, address) if address else ""
            if len(text) > max(7, len(best)):
                best = text
    return best


def _from_stack(case: Case, task: Task, frames: List[NativeFrame]) -> str:
    """Return the longest text of several words that the frames which report, or their caller, have on the stack."""
    start = frames[0].sp
    outside = next((f.sp for f in task.frames if f.level > frames[-1].level + 2 and f.sp > frames[-1].sp), start)
    best = ""
    for address in range(start, min(outside, start + _MOST_STACK), case.debugger.pointer_size):
        try:
            word = int.from_bytes(case.debugger.read(address, case.debugger.pointer_size), "little")
        except MemoryFault:
            break
        if word >> 12 and not word >> 48:
            text = text_at(case, word) or _str_at(case, word)
            if " " in text and len(text) > max(11, len(best)):
                best = text
    return best


def _str_at(case: Case, address: int) -> str:
    if case.python is None or address & 7:
        return ""
    try:
        return string(case.python, address, _LONGEST)
    except (*Unreadable, UnicodeDecodeError):
        return ""


def text_at(case: Case, address: int) -> str:
    """Return the printable C string at ``address``, "" if there is none."""
    try:
        raw = _cstring(case, address)
    except MemoryFault:
        return ""
    try:
        text = raw.decode("utf-8").rstrip("\n")
    except UnicodeDecodeError:
        return ""
    return text if text and all(c.isprintable() or c in "\n\t" for c in text) else ""


def _cstring(case: Case, address: int) -> bytes:
    if case.python is not None:
        return case.python.memory.cstring(address, _LONGEST)
    found = b""
    while len(found) < _LONGEST and b"\0" not in found:
        found += case.debugger.read(address + len(found), 16)
    return found.split(b"\0", 1)[0]


def _assertion(case: Case, task: Task, names: List[str]) -> Optional[FatalError]:
    index = max((i for i, name in enumerate(names) if name in _ASSERTION), default=-1)
    if index < 0:
        return None
    frame = task.frames[index]
    text = ""
    for level in (index, index - 1):
        if level >= 0 and not text:
            text = _argument(case, task, task.frames[level], "assertion")
    function = _argument(case, task, frame, "function")
    if not text:
        text = abort_message(case)
    message = f"Assertion `{text}' failed" if text and "ssertion" not in text else text or "an assertion failed"
    return FatalError(message, function, index + 1, assertion=True)


def abort_message(case: Case) -> str:
    """Return what libc said before it aborted (``__abort_msg``), "" if it said nothing or it cannot be read.

    glibc keeps the text of failed assertions and of its heap checks for debuggers: a length, then the text.
    """
    address = _abort_message_address(case)
    if not address:
        return ""
    try:
        size = case.debugger.pointer_size
        order = "big" if case.debugger.big_endian else "little"
        kept = int.from_bytes(case.debugger.read(address, size), "big" if order == "big" else "little")
        return text_at(case, kept + 4) if kept else ""
    except MemoryFault:
        return ""


def _abort_message_address(case: Case) -> int:
    """Return where libc keeps that text, from its own symbol table: a debugger's look-up by name takes much longer."""
    for module in case.debugger.modules():
        if os.path.basename(module.path).startswith(("libc.so", "libc-")):
            try:
                symbol = open_elf(module.path).exported().get("__abort_msg")
            except ElfError:
                return 0
            return symbol.address + module.bias if symbol is not None else 0
    return 0
