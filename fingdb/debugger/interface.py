"""What fingdb asks of a debugger.

One interface, two back ends in mind: gdb's Python API (`gdb_backend`), and lldb's SB API, which
comes next. Everything passed over it is data of ours (numbers, bytes, small records): no object
of a debugger leaves its back end. Errors of the debugger are translated into the exceptions
below, with a sentence for the user as their text.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Callable, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple

from ..model.report import NativeFrame
from .core_memory import CoreMemory

#: Function of a frame that the kernel made to call a signal handler: what is outside of it was interrupted.
SIGNAL_HANDLER = "<signal handler called>"


class DebuggerError(Exception):
    """The debugger could not do what was asked; the text is one sentence for the user."""


class MemoryFault(DebuggerError):
    """Memory at ``address`` cannot be read."""

    def __init__(self, address: int, length: int) -> None:
        super().__init__(f"cannot read {length} bytes of memory at {address:#x}")
        self.address = address
        self.length = length


class Interrupted(DebuggerError):
    """The user pressed Control-C while a command was at work."""

    def __init__(self) -> None:
        super().__init__("interrupted")


#: What Control-C raises in a long loop: `Debugger.check_interrupt` the first, gdb's Python the other, anywhere.
INTERRUPTS = (Interrupted, KeyboardInterrupt)


class TargetKind(str, Enum):
    """What the debugger has in its hands."""

    NONE = "none"
    #: An executable that does not run.
    STATIC = "static"
    LIVE = "live"
    CORE = "core"


class TargetInfo(NamedTuple):
    """The debugger's current target. ``signal`` is what stopped or killed it, by name."""

    kind: TargetKind
    executable: Optional[str] = None
    pid: int = 0
    core: Optional[str] = None
    signal: Optional[str] = None


class Module(NamedTuple):
    """An executable or shared library in the target.

    ``bias`` is what to add to an address of the ELF file to get one of the process;
    ``symbol_files`` are the files with its symbol tables, the module itself first, then its
    separate debug file where there is one.
    """

    path: str
    bias: int
    build_id: Optional[str]
    symbol_files: Tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """Where a member lies in its structure, as the debug information tells.

    ``offset`` and ``size`` in bytes. ``kind`` is one of ``int``, ``uint``, ``float``,
    ``pointer``, ``struct``, ``array``. For a bit field ``bit_size`` is not 0 and ``bit_offset``
    counts from the least significant bit of the ``size`` bytes at ``offset``. For an array
    ``count`` elements of ``stride`` bytes. ``type`` is the name of the type without qualifiers
    (of the element for an array, of the target for a pointer).
    """

    offset: int
    size: int
    kind: str
    type: str = ""
    bit_offset: int = 0
    bit_size: int = 0
    count: int = 0
    stride: int = 0


class Instruction(NamedTuple):  # made by the thousand
    """A machine instruction; ``target`` is the address of a direct call or jump."""

    address: int
    length: int
    text: str
    #: ``call``, ``jump`` (always taken), ``branch`` (conditional), ``return``, ``padding``
    #: (fills up space; does nothing), ``spill`` (puts a register away in the stack frame, or takes it from
    #: there) or ``other``.
    flow: str = "other"
    target: Optional[int] = None
    #: Name of the function behind a procedure linkage stub that is called.
    stub: Optional[str] = None


class SourceLine(NamedTuple):
    """The line table's row of an address; ``start`` and ``end`` (excluded) bound its instructions."""

    file: Optional[str]
    line: int
    start: int
    end: int


class InlinedBlock(NamedTuple):
    """A call that the compiler inlined: whose, and which block (start and end identify it)."""

    function: str
    start: int
    end: int


class NativeThread(NamedTuple):
    """A thread as the debugger numbers it. ``native_id`` is the kernel's (LWP)."""

    debugger_id: int
    pid: int
    native_id: int
    name: Optional[str]
    selected: bool


class SignalInfo(NamedTuple):
    """The signal that stopped or killed the target, as the kernel tells it (``siginfo_t``).

    ``code`` is ``si_code`` (0 or less: sent by a process, ``sender`` is its pid); ``address`` is where a
    fault happened, None for signals that are not faults.
    """

    name: str
    code: int
    address: Optional[int] = None
    sender: Optional[int] = None


class Hit(NamedTuple):
    """A breakpoint was reached. ``sp`` is the stack pointer at that instruction."""

    address: int
    sp: int
    native_id: int
    pid: int


class StopEvent(NamedTuple):
    """The target stopped and the debugger waits. ``reason`` is ``breakpoint`` (somebody else's or
    ours), ``signal`` (``signal`` has its name) or ``step``."""

    reason: str
    signal: Optional[str] = None


class ExitEvent(NamedTuple):
    """The target ended, with an exit code or by a signal; or, ``detached``, lives on without the debugger.

    ``child`` is the forked process that the debugger follows in its place, 0 for none.
    """

    pid: int
    exit_code: Optional[int] = None
    signal: Optional[str] = None
    detached: bool = False
    child: int = 0


class Hints(NamedTuple):
    """What the user of this debugger types to get what is missing: ends of sentences."""

    #: A program to look at.
    program: str
    #: A process or a core file.
    memory: str
    #: A hardware watchpoint, when all are in use.
    watchpoint: str


class Breakpoint(Protocol):
    """A breakpoint that calls back. Hidden from the user's own list of breakpoints."""

    address: int
    enabled: bool

    def delete(self) -> None:
        """Remove it; safe inside a callback (the back end defers what it must)."""


HitCallback = Callable[[Hit], bool]


class Debugger(Protocol):
    """The debugger with its current target."""

    name: str
    version: Tuple[int, ...]
    hints: Hints

    # -- the target ---------------------------------------------------------------------------
    def target(self) -> TargetInfo:
        """Return what is being debugged now."""

    def modules(self) -> Sequence[Module]:
        """Return the executable (first) and the loaded libraries that come from files."""

    def examine(self, path: str) -> "AbstractContextManager[Debugger]":
        """Open a file that does not run as a static target of its own, and close it at the end.

        The user's own target is selected again afterwards. Raises DebuggerError.
        """

    @property
    def generation(self) -> int:
        """A number that changes whenever the target may have changed."""

    # -- memory -------------------------------------------------------------------------------
    def read(self, address: int, length: int) -> bytes:
        """Return ``length`` bytes of the target's memory. Raises MemoryFault."""

    def read_into(self, address: int, buffer: memoryview) -> int:
        """Fill ``buffer`` (of bytes) with the target's memory from ``address`` on; return how many bytes there are.

        Never raises: there are fewer where memory cannot be read, perhaps none.
        """

    def core_memory(self) -> Optional[CoreMemory]:
        """Return the memory in the target's core file, None when it has none that can be mapped."""

    @property
    def pointer_size(self) -> int:
        """Size of a pointer in bytes."""

    @property
    def big_endian(self) -> bool:
        """Byte order of the target."""

    # -- symbols and types --------------------------------------------------------------------
    def symbol_address(self, name: str) -> Optional[int]:
        """Return the address of a global symbol, None if unknown. May read debug information."""

    def symbol_at(self, address: int) -> Optional[Tuple[str, int]]:
        """Return name and start of the symbol that covers ``address``, None if there is none."""

    def module_at(self, address: int) -> Optional[str]:
        """Return the path of the file that is mapped at ``address``, None if there is none."""

    def field(self, struct: str, path: str) -> Optional[Field]:
        """Return where member ``path`` (dots for members of members, ``[n]`` for elements) lies.

        ``struct`` is a type's name as C code writes it (``PyThreadState``, ``struct _ts``).
        None when the debug information has no such type or member. Anonymous structures and
        unions are looked through.
        """

    def members(self, struct: str) -> Sequence[Tuple[str, Field]]:
        """Return the members of a structure with their paths, those of structures inside it in their place.

        Of a union every member is listed. None are listed when the debug information has no such type.
        """

    def member_at(self, struct: str, offset: int) -> Optional[str]:
        """Return the path of the member that covers an offset (``imports.modules``, ``frames[3].code``), None if unknown."""

    def pointed_structs(self, function: int) -> Sequence[str]:
        """Return the names of the structures to which arguments and variables of a function point, none if unknown."""

    def struct_size(self, struct: str) -> Optional[int]:
        """Return the size of a type in bytes, None if unknown."""

    def enum_values(self, enum: str) -> Mapping[str, int]:
        """Return the constants of ``enum enum`` with their values, none if there is no such type."""

    # -- code ---------------------------------------------------------------------------------
    def disassemble(self, start: int, end: int) -> List[Instruction]:
        """Return the instructions from ``start`` to before ``end``. Raises DebuggerError."""

    def source_line(self, address: int) -> Optional[SourceLine]:
        """Return the line table's row of an address, None without debug information."""

    def inlined_at(self, address: int) -> Tuple[InlinedBlock, ...]:
        """Return the calls that were inlined at an address, the outermost first."""

    # -- threads and frames -------------------------------------------------------------------
    def threads(self) -> List[NativeThread]:
        """Return the threads of the target."""

    def frames(self, debugger_id: int, limit: int = 64) -> List[NativeFrame]:
        """Return at most ``limit`` frames of a thread, innermost first; fewer if unwinding fails.

        Functions are named as in C++ without their parameters, what was inlined has frames of its own, and the frame
        that the kernel made for a signal handler is called `SIGNAL_HANDLER`.
        """

    def frame_argument(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return an integer or pointer argument or local of a frame (or ``local.member``), None if it cannot be had."""

    def register(self, debugger_id: int, level: int, name: str) -> Optional[int]:
        """Return a register of a frame as an unsigned number, None if it cannot be had.

        Names are those of Linux's ``struct user_regs_struct`` (``rip``, ``orig_rax``, ``fs_base``), and ``sp`` and ``pc``
        on every processor.
        """

    def signal_info(self) -> Optional[SignalInfo]:
        """Return what is known of the signal that stopped or killed the target, None if there was none."""

    # -- control ------------------------------------------------------------------------------
    def take(self, executable: str) -> None:
        """Take an executable to run. Raises DebuggerError."""

    def postpone_symbols(self, executable: str) -> None:
        """Take an executable to run, and read symbols only when something asks for what they tell.

        Cheap where nothing does. Raises DebuggerError.
        """

    def breakpoint(self, address: int, callback: HitCallback) -> Breakpoint:
        """Call ``callback`` each time a thread reaches ``address``; it answers True to stop there.

        All callbacks of an address are called, whatever the first ones answer. A thread that stands there when the
        breakpoint is made does not reach it. Raises DebuggerError.
        """

    def return_address(self, hit: Hit) -> Optional[int]:
        """Return where the function just entered will return to, None if it cannot be told."""

    def first_argument(self, hit: Hit) -> Optional[int]:
        """Return the first integer or pointer argument of the function just entered, None if unknown."""

    def hardware_watchpoints(self) -> int:
        """Return how many hardware watchpoints there are, the user's own included."""

    def watch(self, expression: str) -> Tuple[int, int]:
        """Stop for the user at any access to the word at the address that ``expression`` gives.

        Return the watchpoint's number and the address. Raises DebuggerError, also where only a
        software watchpoint would do: those take minutes.
        """

    def resume(self, signal: Optional[str] = None) -> None:
        """Start or continue the target, as the user's ``run`` or ``continue``; wait for its stop.

        ``signal`` is one that the debugger keeps for itself (SIGTRAP), and the target is to get.
        """

    def start(self) -> None:
        """Run the program from its beginning; return when it stops."""

    def attach(self, pid: int) -> None:
        """Attach to a process that job control has stopped, and end that stop. Raises DebuggerError."""

    def leave(self) -> None:
        """End the debugger itself at once, unless it still has a process: everything is done, and nobody asks it again."""

    def outlive_failures(self) -> None:
        """Let the debugger go on after a failure inside itself: for one that nobody but us uses."""

    def expect_exit(self, pid: int, code: int) -> None:
        """Note with which code a process is about to exit: `on_exit` tells it should the debugger miss the end."""

    def on_stop(self, listener: Callable[[StopEvent], None]) -> None:
        """Tell ``listener`` whenever the target stopped for the user."""

    def on_exit(self, listener: Callable[[ExitEvent], None]) -> None:
        """Tell ``listener`` whenever the target ended."""

    def on_modules_changed(self, listener: Callable[[str], None]) -> None:
        """Tell ``listener`` the path of each file that is loaded into the target, "" when cleared."""

    def on_resume(self, listener: Callable[[], None]) -> None:
        """Tell ``listener`` whenever the target goes on."""

    def on_child(self, listener: Callable[[int, bool], None]) -> None:
        """Tell ``listener`` each process that the target forks: its pid, and whether its memory is its own.

        It is not (False) when the child shares its parent's until it executes a program (vfork). The child is left to
        the kernel's job control: it stops as soon as the debugger lets it go. Whoever is told must see to it that it
        goes on (SIGCONT, or a debugger of its own). Raises DebuggerError where forks cannot be noticed.
        """

    # -- the user -----------------------------------------------------------------------------
    def write(self, text: str) -> None:
        """Write text for the user, through the debugger's pager."""

    def styling(self) -> bool:
        """Tell whether colours may be used on the user's terminal now."""

    def width(self) -> int:
        """Return the width of the user's terminal in columns, 0 for unlimited."""

    def check_interrupt(self) -> None:
        """Raise Interrupted if the user pressed Control-C."""
