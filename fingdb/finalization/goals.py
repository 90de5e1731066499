"""When a walk through finalization stops: what `pyfin next`, `until`, `finish` and `break` ask for."""

from __future__ import annotations

from typing import NamedTuple, Optional, Set

from ..model.phase import Phase
from .trace import StepRun, Trace, matching_names


class Goal:
    """Never stops by itself; the ground for the others."""

    def begins(self, trace: Trace, run: StepRun, new_phase: bool) -> bool:
        """Tell whether to stop before ``run``; ``new_phase`` when it is the first of its phase."""
        return False

    def ends(self, trace: Trace, run: StepRun) -> bool:
        """Tell whether to stop now that ``run`` has ended."""
        return False

    def starts(self, trace: Trace) -> bool:
        """Tell whether to stop at the entry of the function that finalizes."""
        return False

    def returns(self, trace: Trace) -> bool:
        """Tell whether to stop when the function that finalizes has returned."""
        return False


class Start(Goal):
    """The beginning of the main interpreter's finalization."""

    def starts(self, trace: Trace) -> bool:
        return trace.kind == "main"


class Next(Goal):
    """The ``count``-th step from here; repeated small steps count as one unless ``each``."""

    def __init__(self, count: int = 1, each: bool = False) -> None:
        self.count = count
        self.each = each

    def begins(self, trace: Trace, run: StepRun, new_phase: bool) -> bool:
        if run.thread != trace.thread or (run.count > 1 and not self.each):
            return False
        return self._one_less()

    def starts(self, trace: Trace) -> bool:
        return self._one_less()

    def returns(self, trace: Trace) -> bool:
        # With more steps asked for than there are, the end is where to stop, not the next life or the process's exit.
        return self._one_less() or trace.kind == "main"

    def _one_less(self) -> bool:
        self.count -= 1
        return self.count <= 0


class Until(Goal):
    """The next beginning of a step (by any of its names) or of a phase; or the end of finalization."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.names = matching_names(target)

    def begins(self, trace: Trace, run: StepRun, new_phase: bool) -> bool:
        return run.name in self.names or (new_phase and run.phase.value == self.target)

    def starts(self, trace: Trace) -> bool:
        return trace.root.name in self.names or self.target == Phase.THREAD_SHUTDOWN.value

    def returns(self, trace: Trace) -> bool:
        # A step that does not come in this run must not carry the user past the end.
        return trace.kind == "main"


class Finish(Goal):
    """The end of one step."""

    def __init__(self, run: StepRun) -> None:
        self.run = run

    def ends(self, trace: Trace, run: StepRun) -> bool:
        return run is self.run

    def begins(self, trace: Trace, run: StepRun, new_phase: bool) -> bool:
        # An inlined step has no return: the next step that begins outside of it is its end.
        return self.run.state != "running"

    def returns(self, trace: Trace) -> bool:
        return True


class Breaks(Goal):
    """The stops the user set; they stay."""

    def __init__(self) -> None:
        self.names: Set[str] = set()

    def begins(self, trace: Trace, run: StepRun, new_phase: bool) -> bool:
        if not self.names:
            return False
        if "all" in self.names or run.name in self.names:
            return run.count == 1
        if new_phase and run.phase.value in self.names:
            return True
        return any(run.name in matching_names(name) for name in self.names)

    def starts(self, trace: Trace) -> bool:
        wanted = {trace.root.name, Phase.THREAD_SHUTDOWN.value, "all"}
        return bool(wanted & self.names)

    def returns(self, trace: Trace) -> bool:
        return bool({Phase.AFTER_FINALIZE.value, "all"} & self.names)


class Stop(NamedTuple):
    """Why the walk stopped where it did: ``start``, ``step``, ``end`` (of ``run``) or ``returned``."""

    kind: str
    trace: Trace
    run: Optional[StepRun] = None
    new_phase: bool = False
