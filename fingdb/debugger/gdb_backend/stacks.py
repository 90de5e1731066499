"""Threads and frames as data."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, List, Optional

import gdb

from ...model.report import NativeFrame
from ..interface import SIGNAL_HANDLER, NativeThread
from .targets import Targets


class Stacks(Targets):
    """Threads of the selected inferior and their frames; the user's selection is put back."""

    def threads(self) -> List[NativeThread]:
        """Return the threads of the target in gdb's order."""
        selected = gdb.selected_thread()
        found = []
        for thread in gdb.selected_inferior().threads():
            pid, lwp, tid = thread.ptid
            chosen = selected is not None and thread.global_num == selected.global_num
            found.append(NativeThread(thread.num, pid, lwp or tid, thread.name, chosen))
        return sorted(found, key=lambda t: t.debugger_id)

    @contextmanager
    def _thread(self, debugger_id: int) -> Iterator[bool]:
        """Select a thread for a while; yields whether it was found."""
        before = gdb.selected_thread()
        frame = _selected_frame()
        wanted = next((t for t in gdb.selected_inferior().threads() if t.num == debugger_id), None)
        switch = wanted is not None and (before is None or before.global_num != wanted.global_num)
        try:
            if switch and wanted is not None:
                wanted.switch()
            yield wanted is not None
        finally:
            if switch and before is not None and before.is_valid():
                before.switch()
            if frame is not None and frame.is_valid():
                frame.select()

    def frames(self, debugger_id: int, limit: int = 64) -> List[NativeFrame]:
        """Return at most ``limit`` frames, innermost first; fewer where unwinding fails."""
        self.need_symbols()
        found: List[NativeFrame] = []
        with self._thread(debugger_id) as known:
            if not known:
                return found
            try:
                frame: Optional[gdb.Frame] = gdb.newest_frame()
                while frame is not None and len(found) < limit:
                    found.append(self._frame(frame, len(found)))
                    frame = frame.older()
            except (gdb.error, gdb.MemoryError):
                pass  # what was unwound so far is the answer
        return found

    def _frame(self, frame: gdb.Frame, level: int) -> NativeFrame:
        pc = frame.pc()
        sp = 0
        try:
            sp = int(_with_a_place(frame).read_register("sp")) & (1 << 64) - 1
        except (gdb.error, ValueError):
            pass
        inlined = frame.type() == gdb.INLINE_FRAME
        file, line = None, None
        try:
            sal = frame.find_sal()
            if sal.symtab is not None and sal.line:
                file, line = sal.symtab.fullname(), sal.line
        except gdb.error:
            pass
        name = SIGNAL_HANDLER if frame.type() == gdb.SIGTRAMP_FRAME else frame.name()
        if frame.type() == gdb.TAILCALL_FRAME:
            # What was inlined around the jump has no frame there, and gdb calls the whole frame by its name.
            function = _function_at(pc - 1)  # the address behind the jump may lie in the next function
            if function is not None and function.symtab is not None and _without_parameters(function) != name:
                name, file, line = _without_parameters(function), function.symtab.fullname(), function.line
        return NativeFrame(level, pc, sp, name, self.module_at(pc), file, line, inlined)

    def frame_argument(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return an integer or pointer argument or local of a frame (or ``local.member``), None if it cannot be had."""
        self.need_symbols()
        with self._thread(debugger_id) as known:
            if not known:
                return None
            try:
                frame: Optional[gdb.Frame] = gdb.newest_frame()
                while frame is not None and level > 0:
                    frame, level = frame.older(), level - 1
                if frame is None:
                    return None
                variable, *members = name.split(".")
                value = frame.read_var(variable)
                for member in members:
                    value = value[member]
                return int(value) & (1 << 64) - 1
            except (gdb.error, ValueError, TypeError, gdb.MemoryError):
                return None


def _with_a_place(frame: gdb.Frame) -> gdb.Frame:
    """Return the frame, or for one that gdb made up for a function that jumped the next that is on the stack.

    gdb 13 gives such a frame that stack pointer by itself, 18 that of the frame before.
    """
    placed: Optional[gdb.Frame] = frame
    while placed is not None and placed.type() == gdb.TAILCALL_FRAME:
        placed = placed.older()
    return placed or frame


def _function_at(pc: int) -> Optional[gdb.Symbol]:
    """Return the function that an address lies in, not one that was inlined into it; None without debug information."""
    function = None
    try:
        block = gdb.block_for_pc(pc)
        while block is not None and not block.is_static and not block.is_global:
            function = block.function or function
            block = block.superblock
    except (gdb.error, RuntimeError):
        pass
    return function


def _without_parameters(function: gdb.Symbol) -> str:
    """Return a function's name as frames have it."""
    name: str = function.print_name
    return name if "operator(" in name else name.split("(", 1)[0]


def _selected_frame() -> Optional[gdb.Frame]:
    try:
        return gdb.selected_frame()
    except gdb.error:
        return None
