"""What is seen at the moment of a touch: both stacks of the thread, and whose code it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable, Dict, List, Optional

from ..cpython.frame import Loop, StackReader
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget
from ..cpython.thread import read_threads
from ..debugger.interface import Debugger, DebuggerError, Hit
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..model.report import NativeFrame, PythonFrame, Thread
from .culprit import RUNTIME, Blame, blame
from .jumped import called_from_plumbing, who_jumped
from .known_stacks import KnownStacks
from .placing import placed

#: Frames of a touch that are looked at, and that are kept in its finding.
LOOK, KEEP = 48, 24


@dataclass
class Scene:
    """One moment of one thread."""

    native_id: int
    frames: List[NativeFrame]
    python: List[PythonFrame]
    blame: Blame
    #: True when the frames had to be cut off.
    cut: bool = False
    threads: Dict[int, Thread] = field(default_factory=dict)


class Witness:
    """Looks at threads of a stopped target."""

    def __init__(self, debugger: Debugger, python: Callable[[], PythonTarget]) -> None:
        self._debugger = debugger
        self._python = python
        #: Python stacks of threads as they were before their thread states were deleted, by native id.
        self._remembered: Dict[int, List[Loop]] = {}
        #: Set where a stack that was seen in an earlier run need not be asked of the debugger again.
        self.stacks: Optional[KnownStacks] = None

    def remember_threads(self) -> None:
        """Keep the Python stacks of all threads: from now on finalization deletes thread states."""
        try:
            target = self._python()
            reader = StackReader(target)
            for interpreter in interpreter_addresses(target):
                for thread in read_threads(target, interpreter, False, []):
                    self._remembered[thread.native_id] = reader.loops(thread.address, [])
        except DebuggerError:
            pass

    def look(self, hit: Hit) -> Scene:
        """Return what the thread that reached a breakpoint is doing."""
        frames = self.frames_of(hit.native_id, bool(hit.address))
        loops = self._loops(hit.native_id)
        python = [frame for loop in loops for frame in loop.frames]
        # A function that finalizes, called too late, is what its caller does wrong.
        begins = bool(frames) and catalogue.roots().get(base_name(frames[0].function or "")) is not None and hit.address
        whose = blame(self._debugger, frames[1:] if begins else frames, python, placed=placed(loops, frames))
        if hit.address and whose.origin == RUNTIME and called_from_plumbing(frames):
            whose = who_jumped(self._debugger, hit)
        return Scene(hit.native_id, frames[:KEEP], python, whose, len(frames) >= LOOK)

    def frames_of(self, native_id: int, entered: bool, limit: int = LOOK) -> List[NativeFrame]:
        """Return at most ``limit`` frames of a thread, innermost first; empty when it is gone.

        ``entered`` says that it stands at a breakpoint of ours.
        """
        for thread in self._debugger.threads():
            if thread.native_id == native_id:
                if self.stacks is not None:
                    frames = self.stacks.frames(thread.debugger_id, limit, entered)
                else:
                    frames = self._debugger.frames(thread.debugger_id, limit)
                return _as_entered(frames) if entered else frames
        return []

    def _loops(self, native_id: int) -> List[Loop]:
        """Return the runs of the evaluation loop of a thread; of one whose thread state is gone as it was remembered."""
        try:
            target = self._python()
            for interpreter in interpreter_addresses(target):
                for thread in read_threads(target, interpreter, False, []):
                    if thread.native_id == native_id:
                        return StackReader(target).loops(thread.address, [])
        except DebuggerError:
            pass
        return self._remembered.get(native_id, [])

    def forget(self) -> None:
        """Forget the threads of an earlier life of the runtime."""
        self._remembered.clear()


def _as_entered(frames: List[NativeFrame]) -> List[NativeFrame]:
    """Return the frames of a thread at a function's first instruction, the innermost that function's own.

    What was inlined into the function may begin with the same instruction, but nothing of it has run. gdb hides such
    frames when a thread stops, and cannot if it reads the symbols only afterwards (see `postponed`).
    """
    own = next((at for at, frame in enumerate(frames) if not frame.inlined), 0)
    if not own or any(frame.pc != frames[own].pc for frame in frames[:own]):
        return frames
    return [replace(frame, level=level) for level, frame in enumerate(frames[own:])]
