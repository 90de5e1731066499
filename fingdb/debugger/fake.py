"""A debugger whose target is made of Python objects: for tests without a debugger.

Memory is a set of regions that a test maps and changes, types and symbols are dictionaries, and
what a program would do is a list of actions that `resume` takes one by one.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ..model.report import NativeFrame
from .core_memory import CoreMemory
from .interface import (
    Debugger,
    DebuggerError,
    ExitEvent,
    Field,
    Hints,
    Hit,
    HitCallback,
    InlinedBlock,
    Instruction,
    Interrupted,
    MemoryFault,
    Module,
    NativeThread,
    SignalInfo,
    SourceLine,
    StopEvent,
    TargetInfo,
    TargetKind,
)


@dataclass(eq=False)
class FakeBreakpoint:
    """A breakpoint of a FakeDebugger; `deleted` once `delete` was called."""

    address: int
    callback: HitCallback
    enabled: bool = True
    deleted: bool = False

    def delete(self) -> None:
        """Remove it."""
        self.deleted = True
        self.enabled = False


@dataclass
class Script:
    """What the target does each time it is resumed: actions on the debugger, first to last."""

    actions: List[Callable[["FakeDebugger"], None]] = field(default_factory=list)


class FakeDebugger:
    """Implements `interface.Debugger` in memory.

    Public attributes are what it answers from; tests fill them. ``reads`` counts raw reads.
    """

    name = "fake"
    hints = Hints("write a test", "change `info`", "there is none")

    def __init__(self, pointer_size: int = 8, big_endian: bool = False) -> None:
        self.version: Tuple[int, ...] = (1, 0)
        self.pointer_size = pointer_size
        self.big_endian = big_endian
        self.generation = 0
        self.info = TargetInfo(TargetKind.LIVE, "/fake/python3", 1000)
        self.files: List[Module] = []
        self.fields: Dict[Tuple[str, str], Field] = {}
        self.sizes: Dict[str, int] = {}
        self.enums: Dict[str, Mapping[str, int]] = {}
        self.symbols: Dict[str, int] = {}
        self.instructions: List[Instruction] = []
        self.lines: Dict[int, SourceLine] = {}
        self.inlined: Dict[int, Tuple[InlinedBlock, ...]] = {}
        self.native_threads: List[NativeThread] = []
        self.stacks: Dict[int, List[NativeFrame]] = {}
        self.arguments: Dict[Tuple[int, int, str], int] = {}
        self.signal: Optional[SignalInfo] = None
        self.return_addresses: Dict[int, int] = {}
        self.first_arguments: Dict[int, int] = {}
        self.breakpoints: List[FakeBreakpoint] = []
        self.script = Script()
        self.output: List[str] = []
        self.coloured = False
        self.columns = 80
        self.interrupted = False
        self.reads = 0
        self.unreadable: Set[int] = set()
        self._regions: Dict[int, bytearray] = {}
        self._stop_listeners: List[Callable[[StopEvent], None]] = []
        self._exit_listeners: List[Callable[[ExitEvent], None]] = []
        self._module_listeners: List[Callable[[str], None]] = []
        self._resume_listeners: List[Callable[[], None]] = []

    # -- what tests do to the target --------------------------------------------------------------
    def map(self, address: int, data: bytes) -> None:
        """Map bytes at an address; adjacent regions read as one."""
        self._regions[address] = bytearray(data)

    def poke(self, address: int, data: bytes) -> None:
        """Change mapped memory, as the target would. Raises MemoryFault where nothing is mapped."""
        for start, region in self._regions.items():
            if start <= address and address + len(data) <= start + len(region):
                region[address - start : address - start + len(data)] = data
                return
        raise MemoryFault(address, len(data))

    def changed(self) -> None:
        """Say that the target may have changed."""
        self.generation += 1

    def hit(self, address: int, native_id: int = 1000, sp: int = 0) -> bool:
        """Let a thread reach an address; tell whether a breakpoint's callback wants a stop there."""
        self.changed()
        here = [b for b in self.breakpoints if b.enabled and b.address == address]
        answers = [b.callback(Hit(address, sp, native_id, self.info.pid)) for b in here]
        return any(answers)

    def stop(self, event: StopEvent) -> None:
        """Tell the listeners that the target stopped."""
        for listener in self._stop_listeners:
            listener(event)

    def exit(self, event: ExitEvent) -> None:
        """End the target and tell the listeners."""
        self.changed()
        self.info = TargetInfo(TargetKind.STATIC, self.info.executable)
        self.native_threads = []
        for listener in self._exit_listeners:
            listener(event)

    def load(self, module: Module) -> None:
        """Load a file into the target and tell the listeners."""
        self.changed()
        self.files.append(module)
        for listener in self._module_listeners:
            listener(module.path)

    # -- the target -------------------------------------------------------------------------------
    def target(self) -> TargetInfo:
        """Return `info`."""
        return self.info

    def modules(self) -> Sequence[Module]:
        """Return `files`."""
        return list(self.files)

    @contextmanager
    def examine(self, path: str) -> Iterator[Debugger]:
        """Yield this debugger with nothing but the file ``path``."""
        before = self.info, self.files
        self.info = TargetInfo(TargetKind.STATIC, path)
        self.files = [Module(path, 0, None, (path,))]
        self.changed()
        try:
            yield self
        finally:
            self.info, self.files = before
            self.changed()

    # -- memory -----------------------------------------------------------------------------------
    def core_memory(self) -> Optional[CoreMemory]:
        """Return None: there is no file."""
        return None

    def read(self, address: int, length: int) -> bytes:
        """Return mapped bytes. Raises MemoryFault if one of them is not mapped or `unreadable`."""
        self.reads += 1
        if any(address <= bad < address + length for bad in self.unreadable):
            raise MemoryFault(address, length)
        found = b""
        while len(found) < length:
            at = address + len(found)
            for start, region in self._regions.items():
                if start <= at < start + len(region):
                    found += bytes(region[at - start : at - start + length - len(found)])
                    break
            else:
                raise MemoryFault(address, length)
        return found

    def read_into(self, address: int, buffer: memoryview) -> int:
        """Fill the buffer, page by page as the kernel does."""
        done = 0
        while done < len(buffer):
            step = min(len(buffer) - done, 4096 - (address + done) % 4096)
            try:
                buffer[done : done + step] = self.read(address + done, step)
            except MemoryFault:
                break
            done += step
        return done

    # -- symbols and types ------------------------------------------------------------------------
    def symbol_address(self, name: str) -> Optional[int]:
        """Return the address from `symbols`."""
        return self.symbols.get(name)

    def symbol_at(self, address: int) -> Optional[Tuple[str, int]]:
        """Return the nearest of `symbols` at or below an address, within 4 KiB."""
        below = [(a, n) for n, a in self.symbols.items() if a <= address < a + 4096]
        return (max(below)[1], max(below)[0]) if below else None

    def module_at(self, address: int) -> Optional[str]:
        """Return the module with the highest bias at or below an address."""
        below = [(m.bias, m.path) for m in self.files if m.bias <= address]
        return max(below)[1] if below else None

    def field(self, struct: str, path: str) -> Optional[Field]:
        """Return the field from `fields`."""
        return self.fields.get((struct, path))

    def members(self, struct: str) -> List[Tuple[str, Field]]:
        """Return those of `fields` that are of the structure."""
        return [(path, field) for (name, path), field in self.fields.items() if name == struct]

    def member_at(self, struct: str, offset: int) -> Optional[str]:
        """Return the one of `fields` that covers an offset."""
        return next((p for p, f in self.members(struct) if f.offset <= offset < f.offset + f.size), None)

    def pointed_structs(self, function: int) -> List[str]:
        """Return nothing: a script has no variables."""
        return []

    def struct_size(self, struct: str) -> Optional[int]:
        """Return the size from `sizes`."""
        return self.sizes.get(struct)

    def enum_values(self, enum: str) -> Mapping[str, int]:
        """Return those of `enums`."""
        return self.enums.get(enum, {})

    # -- code -------------------------------------------------------------------------------------
    def disassemble(self, start: int, end: int) -> List[Instruction]:
        """Return those of `instructions` that lie in a range. Raises DebuggerError without any."""
        found = [i for i in self.instructions if start <= i.address < end]
        if not found:
            raise DebuggerError(f"there is no code at {start:#x}")
        return found

    def source_line(self, address: int) -> Optional[SourceLine]:
        """Return the line from `lines` whose range covers an address."""
        return next((line for line in self.lines.values() if line.start <= address < line.end), None)

    def inlined_at(self, address: int) -> Tuple[InlinedBlock, ...]:
        """Return the blocks from `inlined`."""
        return self.inlined.get(address, ())

    # -- threads and frames -----------------------------------------------------------------------
    def threads(self) -> List[NativeThread]:
        """Return `native_threads`."""
        return list(self.native_threads)

    def frames(self, debugger_id: int, limit: int = 64) -> List[NativeFrame]:
        """Return the frames from `stacks`."""
        return self.stacks.get(debugger_id, [])[:limit]

    def frame_argument(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return the value from `arguments`."""
        return self.arguments.get((debugger_id, level, name))

    def register(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return the value from `arguments`, where registers are kept under their own names."""
        return self.arguments.get((debugger_id, level, name))

    def signal_info(self) -> Optional[SignalInfo]:
        """Return `signal`."""
        return self.signal

    # -- control ----------------------------------------------------------------------------------
    def breakpoint(self, address: int, callback: HitCallback) -> FakeBreakpoint:
        """Add a breakpoint; `hit` calls its callback."""
        made = FakeBreakpoint(address, callback)
        self.breakpoints.append(made)
        return made

    def return_address(self, hit: Hit) -> Optional[int]:
        """Return the address from `return_addresses`, by the entry's address."""
        return self.return_addresses.get(hit.address)

    def first_argument(self, hit: Hit) -> Optional[int]:
        """Return the value from `first_arguments`, by the entry's address."""
        return self.first_arguments.get(hit.address)

    def hardware_watchpoints(self) -> int:
        """Return 0: a script watches nothing."""
        return 0

    def watch(self, expression: str) -> Tuple[int, int]:
        """Raise DebuggerError."""
        raise DebuggerError("this debugger has no watchpoints")

    def take(self, executable: str) -> None:
        """Nothing to do: it is `info.executable`."""

    def postpone_symbols(self, executable: str) -> None:
        """Nothing to do: there are no symbols to read."""

    def attach(self, pid: int) -> None:
        """Raise DebuggerError."""
        raise DebuggerError(f"there is no process {pid}")

    def resume(self, signal: Optional[str] = None) -> None:
        """Take the next action of the script; without one the target exits with code 0."""
        for listener in self._resume_listeners:
            listener()
        self.changed()
        if self.script.actions:
            self.script.actions.pop(0)(self)
        else:
            self.exit(ExitEvent(self.info.pid, 0))

    def start(self) -> None:
        """Begin to run; the same as `resume`."""
        self.info = TargetInfo(TargetKind.LIVE, self.info.executable, self.info.pid or 1000)
        self.resume()

    def leave(self) -> None:
        """Nothing to do."""

    def outlive_failures(self) -> None:
        """Nothing to do: it does not fail."""

    def expect_exit(self, pid: int, code: int) -> None:
        """Nothing to do: a script's exit is never missed."""

    def on_stop(self, listener: Callable[[StopEvent], None]) -> None:
        """Add a listener."""
        self._stop_listeners.append(listener)

    def on_exit(self, listener: Callable[[ExitEvent], None]) -> None:
        """Add a listener."""
        self._exit_listeners.append(listener)

    def on_modules_changed(self, listener: Callable[[str], None]) -> None:
        """Add a listener."""
        self._module_listeners.append(listener)

    def on_resume(self, listener: Callable[[], None]) -> None:
        """Add a listener."""
        self._resume_listeners.append(listener)

    def on_child(self, listener: Callable[[int, bool], None]) -> None:
        """Nothing to do: a script forks no processes."""

    # -- the user ---------------------------------------------------------------------------------
    def write(self, text: str) -> None:
        """Keep the text in `output`."""
        self.output.append(text)

    def styling(self) -> bool:
        """Return `coloured`."""
        return self.coloured

    def width(self) -> int:
        """Return `columns`."""
        return self.columns

    def check_interrupt(self) -> None:
        """Raise Interrupted once if `interrupted` was set."""
        if self.interrupted:
            self.interrupted = False
            raise Interrupted
