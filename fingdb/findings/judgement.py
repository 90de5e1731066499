"""What a look at a crash or a hang comes to, before it becomes part of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

from ..model.report import NO_COMPLAINT, Culprit, Finding, ObjectRef, Verdict
from .case import Task
from .standing import Standing

CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
_LESS = {CERTAIN: LIKELY, LIKELY: POSSIBLE, POSSIBLE: POSSIBLE}

#: Kinds of findings by kind of verdict, where the two have different names.
_FINDINGS: Dict[str, str] = {"late-exit-handler": "touch-after-finalize"}
#: Frames of each stack that a finding keeps.
_KEPT = 40


@dataclass
class Judgement:
    """One root cause: the most telling sentence, what it rests on (the weightiest first), and what to do."""

    kind: str
    summary: str
    confidence: str
    task: Optional[Task] = None
    culprit: Optional[Culprit] = None
    evidence: List[str] = field(default_factory=list)
    advice: str = ""
    references: List[str] = field(default_factory=list)
    subsystem: Optional[str] = None
    function: str = ""
    object: Optional[ObjectRef] = None

    def doubt(self) -> None:
        """Take one step off the confidence."""
        self.confidence = _LESS[self.confidence]

    def give_up(self) -> None:
        """Leave no more of the confidence than that it is possible."""
        self.confidence = POSSIBLE

    def verdict(self, standing: Standing) -> Verdict:
        """Return it as the report's verdict."""
        task = self.task
        verdict = Verdict(
            self.kind, self.summary, self.confidence, list(self.evidence), self.culprit,
            task.native.native_id if task is not None else 0, standing.after_step, self.advice,
        )
        if task is not None and self.kind in NO_COMPLAINT:
            verdict.native_stack, verdict.python_stack = list(task.frames[:_KEPT]), list(task.python[:_KEPT])
        return verdict

    def findings(self, standing: Standing) -> List[Finding]:
        """Return the finding that the verdict rests on; none where it complains of nothing."""
        if self.kind in NO_COMPLAINT:
            return []
        task = self.task
        return [Finding(
            kind=_FINDINGS.get(self.kind, self.kind),
            severity="error",
            title=self.summary,
            function=self.function or (self.culprit.function if self.culprit is not None else ""),
            phase=standing.phase.value,
            thread=task.native.native_id if task is not None else 0,
            subsystem=self.subsystem,
            after_step=standing.after_step,
            culprit=self.culprit,
            object=self.object,
            native_stack=list(task.frames[:_KEPT]) if task is not None else [],
            python_stack=list(task.python[:_KEPT]) if task is not None else [],
            advice=self.advice,
            references=list(self.references),
        )]  # fmt: skip
