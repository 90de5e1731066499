"""The report: what `fingdb run`, `check`, `core` and `attach` answer (schema ``fingdb-report/1``).

Field names are the keys of the JSON document; `report.json_report` turns the records into it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

SCHEMA = "fingdb-report/1"


@dataclass
class Target:
    """What was looked at. ``kind`` is ``live``, ``core`` or ``attach``."""

    kind: str
    executable: str = ""
    pid: int = 0
    core: Optional[str] = None
    signal: Optional[str] = None
    exit_code: Optional[int] = None


@dataclass
class PythonBuild:
    """The build of CPython in the target. ``layout`` says where field offsets came from."""

    version: str
    debug_build: bool
    free_threaded: bool
    layout: str
    #: For a build without debug information: where steps, structures and names came from, in words.
    sources: List[str] = field(default_factory=list)


@dataclass
class StepState:
    """One step with its state: ``done``, ``running``, ``pending`` or ``unknown``."""

    name: str
    phase: str
    state: str
    parent: Optional[str]
    interpreter: int
    inlined: bool = False
    #: How many times it ran under the same parent, one after the other.
    count: int = 1
    depth: int = 0
    #: Life of the runtime in this process (1 for the first) and process that ran it.
    cycle: int = 1
    pid: int = 0
    thread: int = 0
    ends: Optional[str] = None
    file: Optional[str] = None
    line: Optional[int] = None
    #: What the step changed, one short text each ("sys.modules 31 -> 2").
    changes: List[str] = field(default_factory=list)
    #: True when it may have run more often than ``count`` times: nobody counted on.
    more: bool = False


@dataclass
class PythonFrame:
    """One frame of a Python stack, innermost first in a list of them."""

    function: str
    file: str
    line: int


@dataclass
class NativeFrame:
    """One frame of a C stack, innermost first in a list of them."""

    level: int
    pc: int
    sp: int
    function: Optional[str]
    library: Optional[str]
    file: Optional[str] = None
    line: Optional[int] = None
    inlined: bool = False


@dataclass
class Thread:
    """A thread state of an interpreter with the native thread that owns it."""

    address: int
    thread_id: int
    native_id: int
    name: Optional[str]
    daemon: Optional[bool]
    holds_gil: bool
    finalizing: bool = False
    debugger_id: Optional[int] = None
    current: bool = False
    #: Status of the thread state ("attached", "detached", "cleared", …) where the build tells it.
    state: Optional[str] = None
    waits_for: Optional[str] = None
    python_stack: List[PythonFrame] = field(default_factory=list)
    innermost: Optional[NativeFrame] = None
    problems: List[str] = field(default_factory=list)


@dataclass
class Generation:
    """One generation of the collector. ``objects`` is -1 when its list could not be walked."""

    index: int
    count: int
    threshold: int
    objects: int


@dataclass
class TypeCount:
    """How many GC objects have the type of that name."""

    type: str
    count: int


@dataclass
class GarbageCollector:
    """State of an interpreter's garbage collector. ``enabled`` is None where the build does not tell."""

    enabled: Optional[bool]
    collecting: bool
    frozen: int = 0
    generations: List[Generation] = field(default_factory=list)
    types: List[TypeCount] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)


@dataclass
class StoppedWorld:
    """A stop of all other threads, in free-threaded builds (for a collection, or when finalization begins).

    ``stopped`` is False while ``waits_for`` threads still run; ``requester`` is the address of the thread state
    that asked for it, 0 if it had none; ``everywhere`` says that the threads of all interpreters are meant.
    """

    stopped: bool
    requester: int
    waits_for: int = 0
    everywhere: bool = False


@dataclass
class Module:
    """An entry of ``sys.modules`` (``name`` is its key)."""

    name: str
    address: int
    type: str
    refcount: int
    #: ``live``, ``cleared`` (its dict was emptied), ``none`` (the entry was set to None) or ``unknown``.
    state: str
    file: Optional[str] = None
    #: Where references are counted late (builds without a GIL): how many somebody holds, but for frames.
    held: Optional[int] = None


@dataclass
class Interpreter:
    """An interpreter of the runtime with its threads and its collector."""

    id: int
    address: int
    main: bool
    finalizing: bool
    threads: List[Thread] = field(default_factory=list)
    gc: Optional[GarbageCollector] = None
    modules: Optional[int] = None
    problems: List[str] = field(default_factory=list)
    #: Free-threaded builds only: whether the GIL is enabled all the same, and who stops the other threads.
    gil_enabled: Optional[bool] = None
    stopped_world: Optional[StoppedWorld] = None


@dataclass
class RuntimeState:
    """`_PyRuntime` in a few words. A None says that the build does not have or tell the thing."""

    address: int
    initialized: Optional[bool]
    core_initialized: Optional[bool]
    finalizing: Optional[int]
    interpreters: int
    gil_holder: Optional[int] = None
    problems: List[str] = field(default_factory=list)


@dataclass
class Culprit:
    """The code that a finding is blamed on."""

    function: str
    file: Optional[str]
    line: Optional[int]
    library: str


@dataclass
class ObjectRef:
    """An object in the target's memory."""

    address: int
    type: str


@dataclass
class Finding:
    """One thing that ran, or lives, where it should not.

    ``kind`` is the class of bug (``touch-after-finalize``, ``late-thread``, ``survivor``, …), ``severity`` is ``error``,
    ``warning`` or ``note`` (CPython's own doing).
    """

    kind: str
    severity: str
    title: str
    function: str
    phase: str
    thread: int
    subsystem: Optional[str] = None
    after_step: Optional[str] = None
    culprit: Optional[Culprit] = None
    object: Optional[ObjectRef] = None
    count: int = 1
    native_stack: List[NativeFrame] = field(default_factory=list)
    python_stack: List[PythonFrame] = field(default_factory=list)
    advice: str = ""
    references: List[str] = field(default_factory=list)
    #: How many steps began between the end of the subsystem and the touch, None if that is not known.
    steps_since: Optional[int] = None
    #: ``count`` is a lower bound: later ones were not counted.
    more: bool = False


#: Kinds of verdicts that complain of nothing, and so are no findings: there is no shutdown bug, or none that shows.
NO_COMPLAINT = ("not-finalization", "unknown")


@dataclass
class Verdict:
    """The one answer about a process that died or hangs.

    ``evidence`` is what it rests on, one sentence each, the weightiest first.
    """

    kind: str
    summary: str
    confidence: str
    evidence: List[str] = field(default_factory=list)
    culprit: Optional[Culprit] = None
    #: Thread that crashed or that is waited for, by its kernel id (0: not told).
    thread: int = 0
    #: Last finalization step that was done.
    after_step: Optional[str] = None
    advice: str = ""
    #: The stacks of that thread where no finding has them: a verdict that complains of nothing is none.
    native_stack: List[NativeFrame] = field(default_factory=list)
    python_stack: List[PythonFrame] = field(default_factory=list)


@dataclass
class Report:
    """Everything fingdb has to say about one target."""

    target: Target
    phase: str
    python: Optional[PythonBuild] = None
    steps: List[StepState] = field(default_factory=list)
    interpreters: List[Interpreter] = field(default_factory=list)
    findings: List[Finding] = field(default_factory=list)
    verdict: Optional[Verdict] = None
    #: Sentences about what could not be done or known.
    notes: List[str] = field(default_factory=list)
    #: Further facts for readers of this version ("cycles", "exit", …).
    extra: Dict[str, object] = field(default_factory=dict)
