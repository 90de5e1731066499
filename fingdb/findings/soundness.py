"""How far what was read can be trusted: a damaged core may only lose confidence."""

from __future__ import annotations

from typing import List

from .case import Case, Task
from .contradictions import contradictions
from .judgement import Judgement
from .standing import Standing, finalizing_task


def temper(case: Case, standing: Standing, judgement: Judgement) -> List[str]:
    """Lower the confidence of a judgement for every sign of damage, and return what they are, one sentence each."""
    signs = _signs(case, standing, judgement)
    if signs:
        judgement.give_up()
    return signs


def _signs(case: Case, standing: Standing, judgement: Judgement) -> List[str]:
    signs: List[str] = []
    tasks = _concerned(case, standing, judgement)
    for task in tasks:
        if not case.is_complete(task):
            signs.append(f"the stack of {task.name} breaks off before its end: what called the last frame is not known")
    signs.extend(contradictions(case, standing, judgement, tasks))
    for interpreter in case.interpreters:
        signs.extend(interpreter.problems)
        for thread in interpreter.threads:
            signs.extend(thread.problems)
    if standing.contradicted:
        signs.append("the stack and the runtime's own state do not go together")
    return list(dict.fromkeys(signs))


def _concerned(case: Case, standing: Standing, judgement: Judgement) -> List[Task]:
    """Return the threads that the judgement rests on."""
    # Where no stack shows a finalization the process's first thread is the one that would.
    found = [judgement.task, case.selected(), finalizing_task(case, standing)]
    tasks: List[Task] = []
    for task in found:
        if task is not None and task not in tasks:
            tasks.append(task)
    return tasks
