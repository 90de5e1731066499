"""The ledger: which subsystems of the runtime are gone, since which step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional

from ..finalization import catalogue
from ..finalization.catalogue.rows import Subsystem
from ..finalization.trace import StepRun, Trace
from ..model.phase import Phase


@dataclass(frozen=True)
class Ended:
    """The end of a subsystem: the step that returned, and how many steps had begun by then."""

    subsystem: Subsystem
    #: "" where no step was seen by then.
    step: str
    phase: Phase
    begun: int
    #: The step was inlined: nobody saw its last instruction, and it may be running still.
    inlined: bool = False


class Ledger:
    """What is gone in one life of the runtime."""

    def __init__(self) -> None:
        self._ended: Dict[str, Ended] = {}
        #: The last step that returned.
        self.last_step: Optional[str] = None

    def returned(self, trace: Trace, run: StepRun) -> List[Ended]:
        """Note that a step has returned; return the subsystems that ended with it and were alive before."""
        self.last_step = run.name
        return self.ending(trace, run)

    def ending(self, trace: Trace, run: StepRun) -> List[Ended]:
        """Note the subsystems that a step ends; return those that were alive before."""
        fresh = []
        for subsystem in catalogue.subsystems_ended_by(run.name):
            if subsystem.key not in self._ended:
                ended = Ended(subsystem, run.name, run.phase, trace.begun, run.inlined)
                self._ended[subsystem.key] = ended
                fresh.append(ended)
        return fresh

    def note(self, subsystem: Subsystem, trace: Trace, run: StepRun) -> Ended:
        """Note that a subsystem ended before ``run`` without a step of its own; return the entry."""
        ended = Ended(subsystem, self.last_step or "", run.phase, trace.begun)
        self._ended[subsystem.key] = ended
        return ended

    def end_of(self, key: str) -> Optional[Ended]:
        """Return how a subsystem ended, None while it is alive."""
        return self._ended.get(key)

    def clear(self) -> None:
        """Forget everything: another life of the runtime begins."""
        self._ended.clear()
        self.last_step = None
