"""Everything that a verdict looks at, read once: threads, stacks, runtime, signal."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Set, cast

from ..cpython.frame import StackReader
from ..cpython.target import PythonTarget
from ..debugger.interface import SIGNAL_HANDLER, Debugger, DebuggerError, NativeThread, SignalInfo, TargetInfo
from ..debugger.mappings import Mappings
from ..finalization.functions import base_name
from ..finalization.runtime_module import RuntimeModule
from ..model.plan import SOURCES
from ..model.report import Interpreter, NativeFrame, PythonFrame, Thread
from .culprit import Blame, Candidate, blame, candidates
from .jumped import PRESERVED
from .placing import placed
from .still import DEEPEST, Still

#: Python frames of each thread that are looked at.
DEEPEST_PYTHON = 2000
#: Functions at the outer end of a stack.
OUTERMOST = frozenset(
    {
        "_start", "main", "clone", "clone3", "__clone", "__clone3", "start_thread", "thread_start", "__libc_start_main",
        "__GI___clone", "__GI___clone3", "__libc_start_call_main", "__libc_start_main_impl", "_dl_start_user",
    }
)  # fmt: skip
#: Libraries that stacks begin in; where they have no symbols, the last frame has no name.
_STARTS_THREADS = re.compile(r"(?:libc|libc-[\d.]+|libpthread|libpthread-[\d.]+|ld-linux[^.]*|ld-[\d.]+)\.so")
#: Frames of a thread without a thread state that are searched for evaluation loops.
_LOOPS = 200


@dataclass
class Task:
    """A native thread with what Python knows of it; ``state`` is 0 for a thread without a thread state."""

    native: NativeThread
    frames: List[NativeFrame]
    state: Optional[Thread] = None
    rows: List[List[PythonFrame]] = field(default_factory=list)
    #: Which native frame runs which of them, by its level; None where the names of functions tell that.
    placed: Optional[Dict[int, List[PythonFrame]]] = None

    @property
    def python(self) -> List[PythonFrame]:
        """The Python stack, innermost first."""
        return [frame for row in self.rows for frame in row]

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        if self.state is not None and self.state.name:
            return f'thread "{self.state.name}" (LWP {self.native.native_id})'
        return f"thread LWP {self.native.native_id}"

    def calls(self, *functions: str) -> Optional[NativeFrame]:
        """Return the innermost frame of one of these functions, None if there is none."""
        for frame in self.frames:
            if frame.function and base_name(frame.function) in functions:
                return frame
        return None


class Case:
    """One target that does not move. ``python`` and ``runtime`` are None where there is no CPython to read."""

    def __init__(
        self, debugger: Debugger, python: Optional[PythonTarget], runtime: Optional[RuntimeModule],
        interpreters: Sequence[Interpreter],
    ) -> None:
        self.still = Still(debugger)
        self.debugger = cast(Debugger, self.still)
        self.python = python
        self.runtime = runtime
        self.interpreters = list(interpreters)
        self.target: TargetInfo = debugger.target()
        self.mappings = Mappings.of(self.target)
        self.signal: Optional[SignalInfo] = debugger.signal_info()
        self._states: Dict[int, Thread] = {
            t.native_id: t for i in self.interpreters for t in i.threads if t.native_id
        }
        self._reader = StackReader(python) if python is not None else None
        self._tasks: Dict[int, Task] = {}
        self.problems: List[str] = []
        #: Threads (by debugger id) whose stack leads to what is no code.
        self._astray: Set[int] = set()
        #: A handler of the signal ran, and raised it again: what it interrupted is what crashed.
        self.handled = False

    @property
    def nameless(self) -> bool:
        """Whether the runtime's file has the names of exported functions only."""
        return self.runtime is not None and self.runtime.source == SOURCES[0]

    @property
    def reads_python(self) -> bool:
        """Whether Python stacks can be read."""
        names = ("thread.frame", "thread.current_frame", "thread.cframe")
        return self.python is not None and any(map(self.python.layout.has, names))

    @property
    def reads_objects(self) -> bool:
        """Whether objects can be read: their types, at least."""
        return self.python is not None and self.python.layout.has("object.type")

    def tasks(self) -> List[Task]:
        """Return all threads, in the debugger's order."""
        return [self.task(native) for native in self.debugger.threads()]

    def task(self, native: NativeThread) -> Task:
        """Return a thread with its stacks."""
        task = self._tasks.get(native.debugger_id)
        if task is None:
            frames = self._frames(native)
            task = Task(native, frames, self._states.get(native.native_id))
            task.rows = self._python_rows(task)
            self._tasks[native.debugger_id] = task
        return task

    def selected(self) -> Optional[Task]:
        """Return the thread that the debugger has selected: in a core the one that got the signal."""
        for native in self.debugger.threads():
            if native.selected:
                return self.task(native)
        return None

    def by_native_id(self, native_id: int) -> Optional[Task]:
        """Return the thread with that kernel id, None if it is gone."""
        for native in self.debugger.threads():
            if native.native_id == native_id:
                return self.task(native)
        return None

    def by_state(self, address: int) -> Optional[Task]:
        """Return the thread of the thread state at ``address``, None if there is none."""
        for task in self.tasks():
            if task.state is not None and task.state.address == address:
                return task
        return None

    def blame(self, task: Task, frames: Optional[Sequence[NativeFrame]] = None) -> Blame:
        """Return whose code a thread runs; ``frames`` in place of its whole stack (a part from the inside)."""
        return blame(self.debugger, task.frames if frames is None else frames, task.python, task.rows, task.placed)

    def candidates(self, task: Task) -> List[Candidate]:
        """Return the frames of a thread that could be blamed, innermost first."""
        return list(candidates(self.debugger, task.frames, task.python, task.rows, task.placed))

    def _frames(self, native: NativeThread) -> List[NativeFrame]:
        try:
            frames = self.debugger.frames(native.debugger_id, DEEPEST)
        except DebuggerError as error:
            self.problems.append(f"the stack of thread LWP {native.native_id} cannot be read: {error}")
            return []
        # What a signal interrupted is what matters: a handler that dumps a stack and raises the signal again.
        frames = self._without_garbage(native, frames)
        for index in range(len(frames) - 1, -1, -1):
            if frames[index].function == SIGNAL_HANDLER and index + 1 < len(frames) and native.selected:
                self.handled = True
                return frames[index + 1 :]
        return frames

    def _without_garbage(self, native: NativeThread, frames: List[NativeFrame]) -> List[NativeFrame]:
        """Return the frames up to where unwinding went astray: a caller whose code cannot be code.

        The innermost frame may be anywhere: a call through a bad pointer is how processes crash.
        """
        for index, frame in enumerate(frames):
            if index and frame.library is None and not self.mappings.may_hold_code(frame.pc):
                self._astray.add(native.debugger_id)
                return frames[:index]
        return frames

    def is_complete(self, task: Task) -> bool:
        """Tell whether a thread's stack was unwound to where the thread began."""
        if not task.frames or task.native.debugger_id in self._astray:
            return False
        if len(task.frames) >= DEEPEST:
            return True
        last = task.frames[-1]
        if last.function:
            return base_name(last.function) in OUTERMOST
        if _STARTS_THREADS.match(os.path.basename(last.library or "")):
            return True
        # The `_start` of a program without symbols: what calls `main` lies just inside of it.
        inner = task.frames[-2].function if len(task.frames) > 1 else None
        return bool(inner) and base_name(inner or "").startswith("__libc_start_main")

    def _python_rows(self, task: Task) -> List[List[PythonFrame]]:
        if self._reader is None:
            return []
        problems: List[str] = []
        if task.state is not None:
            loops = self._reader.loops(task.state.address, problems, DEEPEST_PYTHON)
            task.state.problems.extend(p for p in problems if p not in task.state.problems)
            task.placed = placed(loops, task.frames)
            return [loop.frames for loop in loops]
        return self._rows_in_frames(task)

    def _rows_in_frames(self, task: Task) -> List[List[PythonFrame]]:
        """Return the Python frames that a thread's evaluation loops say they run.

        For a thread whose thread state is gone: the loops on its C stack still have their frames.
        """
        assert self._reader is not None
        rows: List[List[PythonFrame]] = []
        for index, frame in enumerate(task.frames[:_LOOPS]):
            if not frame.function or frame.inlined or base_name(frame.function) != "_PyEval_EvalFrameDefault":
                continue
            row = self._row_of(task, frame) or self._row_in_registers(task, frame)
            outside = task.frames[index + 1] if index + 1 < len(task.frames) else None
            if not row and outside is not None and outside.function == "_PyEval_EvalFrame":
                row = self._row_of(task, outside)  # its caller may still have the argument
            rows.append(row)
        return rows if any(rows) else []

    def _row_in_registers(self, task: Task, frame: NativeFrame) -> List[PythonFrame]:
        """Return the Python frames of a loop whose variables the debug information has lost.

        The loop goes on with its frame when what it calls returns: compilers keep that in a register until then.
        """
        assert self._reader is not None
        found: List[PythonFrame] = []
        for name in PRESERVED:
            at = self.debugger.register(task.native.debugger_id, frame.level, name)
            if at and self._reader.is_frame(at):
                rows = self._reader.rows_from(at, [], DEEPEST_PYTHON, 1)
                if rows and len(rows[0]) > len(found):
                    found = rows[0]  # the innermost: the others are among those that called it
        return found

    def _row_of(self, task: Task, frame: NativeFrame) -> List[PythonFrame]:
        assert self._reader is not None
        for name in ("frame", "cframe.current_frame", "f"):
            at = self.debugger.frame_argument(task.native.debugger_id, frame.level, name)
            found = self._reader.rows_from(at, [], DEEPEST_PYTHON, 1) if at else []
            if found and found[0]:
                return found[0]
        return []
