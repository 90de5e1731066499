"""The verdict on a process that does not end: who waits for whom, and for what the last one waits."""

from __future__ import annotations

from typing import List, Optional

from ..model.phase import Phase
from ..model.report import Culprit
from .case import Case, Task
from .counsel import counsel
from .culprit import PROGRAM, RUNTIME, describe
from .judgement import CERTAIN, LIKELY, POSSIBLE, Judgement
from .routes import exit_route
from .standing import Standing, finalizing_task
from .waits import BUFFERED, GIL, IMPORT, JOIN, LOCK, MUTEX, RLOCK, RUNS, WORLD, Wait, Waits, chain

_LOCKS = (LOCK, RLOCK, MUTEX)


def judge_hang(case: Case, standing: Standing) -> Judgement:
    """Return the verdict on a process that stands or runs on, without a crash."""
    waits = Waits(case)
    waits.fill_in()
    first = finalizing_task(case, standing) or case.selected()
    if first is None or not first.frames:
        return Judgement("unknown", "There is no stack to read.", POSSIBLE, first)
    walked, cycle = chain(waits, first)
    judgement = _judge(case, standing, waits, first, walked, cycle)
    judgement.task = judgement.task or first
    for wait in walked:
        sentence = f"{_capital(wait.task.name)} waits for {wait.words}" if wait.kind != RUNS else (
            f"{_capital(wait.task.name)} runs{_at(wait.task)}"
        )
        if sentence not in judgement.evidence:
            judgement.evidence.append(sentence)
    if not standing.from_stack:
        judgement.doubt()
    return judgement


def _judge(
    case: Case, standing: Standing, waits: Waits, first: Task, walked: List[Wait], cycle: List[Wait]
) -> Judgement:
    if standing.phase is Phase.RUNNING and standing.known:
        return _while_running(case, standing, first, walked, cycle)
    if walked[0].hung:
        return _put_to_sleep(case, standing, first)
    found = _deadlock(case, standing, waits, first, walked, cycle)
    if found is not None:
        return found
    if _has_unknown_holder(case, walked[-1]):
        return _unknown_holder(case, standing, walked)
    if walked[0].kind in (LOCK, RLOCK, MUTEX, IMPORT) and walked[0].holder is not None:
        return _held(case, standing, walked)
    joins = [wait for wait in walked if wait.kind == JOIN]
    if joins and walked[-1].hung:
        return _join_of_one_asleep(case, standing, first, walked[-1])
    if joins:
        return _join(case, standing, first, walked, joins)
    return _callback(case, standing, first, walked)


def _put_to_sleep(case: Case, standing: Standing, first: Task) -> Judgement:
    """Return the verdict on the thread that ends the process where CPython lets it sleep for ever."""
    blame = case.blame(first)
    route = exit_route(case, first)
    kind = "late-exit-handler" if route is not None else "touch-after-fini"
    advice, references = counsel(kind)
    runs = f"runs as {route.words}" if route is not None else "runs"
    who = describe(blame.culprit) if blame.culprit is not None else "Something"
    return Judgement(
        kind,
        f"{who} {runs} {_when(standing)} and asks for the GIL: CPython puts the thread to sleep for ever "
        f"(PyThread_hang_thread), and the process does not end.",
        CERTAIN if blame.culprit is not None else LIKELY, first, blame.culprit, [], advice, references,
    )


# -- deadlocks ----------------------------------------------------------------------------------------
def _deadlock(
    case: Case, standing: Standing, waits: Waits, first: Task, walked: List[Wait], cycle: List[Wait]
) -> Optional[Judgement]:
    """Return the verdict where threads wait in a circle, or for what nobody will ever release; else None."""
    kinds = {wait.kind for wait in cycle}
    if cycle and GIL in kinds:
        return _gil(case, standing, first, cycle)
    if cycle and WORLD in kinds:
        return _world(case, standing, cycle)
    streams = [wait for wait in walked if wait.kind == BUFFERED]
    if streams:
        return _buffered(case, standing, first, streams[-1])
    if cycle and kinds & set(_LOCKS):
        return _locks(case, standing, first, cycle)
    last = walked[-1]
    if last.kind in _LOCKS and last.dead:
        return _dead_owner(case, standing, first, last)
    if last.kind == LOCK and last.holder is None and last.address:
        if case.nameless and any(t.rows for t in case.tasks() if t is not last.task):
            return None  # any of them may have it
        return _never_released(case, standing, last) if last.task is first and not last.meant else None
    holder = waits.gil_holder()
    if last.foreign and holder is last.task and case.blame(last.task).origin == PROGRAM:
        asking = [w for t in case.tasks() if t is not last.task for w in (waits.of(t),) if w.kind == GIL]
        if asking:
            return _gil(case, standing, first, [last, *asking], LIKELY)
    return None


def _gil(case: Case, standing: Standing, first: Task, cycle: List[Wait], confidence: str = CERTAIN) -> Judgement:
    advice, references = counsel("gil-deadlock")
    keeper = next((w for w in cycle if w.kind != GIL), cycle[0])
    culprit = _code(case, keeper.task)
    asker = next(w for w in cycle if w.kind == GIL)
    return Judgement(
        "gil-deadlock",
        f"{_who(culprit, keeper.task)} holds the GIL and waits for {keeper.what}, while {asker.task.name}"
        f"{_by(case, asker.task)} waits for the GIL, {_when(standing)}.",
        confidence, keeper.task, culprit, _circle(cycle), advice, references, "the GIL",
    )


def _world(case: Case, standing: Standing, cycle: List[Wait]) -> Judgement:
    """Return the verdict where one thread stops the world and another, attached, waits for what the first one has."""
    advice, references = counsel("gil-deadlock")
    keeper = next((w for w in cycle if w.kind != WORLD), cycle[0])
    culprit = _code(case, keeper.task)
    stopper = next(w for w in cycle if w.kind == WORLD)
    return Judgement(
        "gil-deadlock",
        f"{_who(culprit, keeper.task)} stays attached to the interpreter and waits for {keeper.what}, while "
        f"{stopper.task.name}{_by(case, stopper.task)} waits for all other threads to stop, {_when(standing)}.",
        CERTAIN, keeper.task, culprit, _circle(cycle), advice, references, "the stop of all threads",
    )


def _buffered(case: Case, standing: Standing, first: Task, wait: Wait) -> Judgement:
    advice, references = counsel("buffered-io-deadlock")
    holder = wait.holder
    culprit = _code(case, holder) if holder is not None else None
    culprit = culprit or _code(case, wait.task) or case.blame(wait.task).culprit
    has = f"which {holder.name}{_by(case, holder)} has" if holder is not None else "which a thread had that is gone"
    return Judgement(
        "buffered-io-deadlock",
        f"{_capital(wait.task.name)} waits for the lock of a buffered stream, {has}, {_when(standing)}.",
        CERTAIN if holder is not None or wait.dead else LIKELY, holder or wait.task, culprit, [], advice, references,
    )


def _locks(case: Case, standing: Standing, first: Task, cycle: List[Wait]) -> Judgement:
    advice, references = counsel("lock-deadlock")
    culprit = _code(case, cycle[0].task) or case.blame(cycle[0].task).culprit
    if len(cycle) == 1:
        text = f"{_who(culprit, cycle[0].task)} waits for a lock that its own thread already holds further out"
    else:
        text = f"{len(cycle)} threads wait for each other's locks in a circle: " + "; ".join(
            f"{w.task.name}{_by(case, w.task)} waits for {w.what}" for w in cycle
        )
    confidence = CERTAIN if all(w.kind != LOCK for w in cycle) else LIKELY
    if any(w.kind == LOCK and w.holder is not None for w in cycle):
        confidence = CERTAIN
    return Judgement(
        "lock-deadlock", f"{text}, {_when(standing)}.", confidence, cycle[0].task, culprit, _circle(cycle), advice,
        references,
    )


def _held(case: Case, standing: Standing, walked: List[Wait]) -> Judgement:
    """Return the verdict on a lock whose holder itself does not go on."""
    advice, references = counsel("lock-deadlock")
    first, last = walked[0], walked[-1]
    assert first.holder is not None
    culprit = _code(case, first.holder) or _code(case, first.task)
    doing = f"waits for {last.what}" if last.kind != RUNS else "runs on"
    doing += _by(case, last.task)
    who = _who(_code(case, first.task), first.task)
    return Judgement(
        "lock-deadlock", f"{who} waits for {first.what}, and {last.task.name} {doing}, {_when(standing)}.", LIKELY,
        first.holder, culprit, [], advice, references,
    )


def _dead_owner(case: Case, standing: Standing, first: Task, wait: Wait) -> Judgement:
    advice, references = counsel("lock-deadlock")
    culprit = _code(case, wait.task) or case.blame(wait.task).culprit
    evidence = []
    if not standing.whole:
        evidence.append(
            "A thread that asks for the GIL when finalization has begun is ended inside that call (up to early releases "
            "of 3.13) and releases nothing of what it holds"
        )
    return Judgement(
        "lock-deadlock",
        f"{_who(culprit, wait.task)} waits for {wait.what}: nobody will ever release it, {_when(standing)}.",
        CERTAIN, wait.task, culprit, evidence, advice, references,
    )


def _never_released(case: Case, standing: Standing, wait: Wait) -> Optional[Judgement]:
    """Return the verdict on a plain Lock that no thread shows to hold: its own thread took it, one that is gone, or
    one that cannot run any more. None where nobody's code waits for it."""
    culprit = _code(case, wait.task)
    if culprit is None:
        return None
    advice, references = counsel("lock-deadlock")
    others = any(t.rows for t in case.tasks() if t is not wait.task)
    why = "no other thread runs Python code" if not others else (
        "no other thread shows that it has it" if standing.whole else "no other thread may run Python code any more"
    )
    return Judgement(
        "lock-deadlock", f"{_who(culprit, wait.task)} waits for {wait.what}, and {why}, {_when(standing)}.",
        POSSIBLE if others and standing.whole else LIKELY, wait.task, culprit, [], advice, references,
    )


def _circle(cycle: List[Wait]) -> List[str]:
    return [f"{_capital(wait.task.name)} waits for {wait.words}" for wait in cycle]


# -- joins and callbacks ------------------------------------------------------------------------------
def _join(case: Case, standing: Standing, first: Task, walked: List[Wait], joins: List[Wait]) -> Judgement:
    advice, references = counsel("thread-join-hang")
    last = walked[-1]
    waited = last.task if last.task is not first else None
    if waited is None and joins[-1].holder is not None:
        waited = joins[-1].holder
    joiner = f" ({_joiner(case, first)})" if _joiner(case, first) else ""
    if waited is None:
        culprit = case.blame(first).culprit
        return Judgement(
            "thread-join-hang", f"Shutdown{joiner} waits for {joins[-1].words}, {_when(standing)}.", LIKELY, first,
            culprit, [], advice, references,
        )
    culprit = _code(case, waited) or case.blame(waited).culprit
    doing = f"waits for {last.what}" if last.kind != RUNS else "runs on"
    by = f" in {describe(culprit)}" if culprit is not None else ""
    others = joins[-1].others
    more = f" (and for {len(others)} more)" if others else ""
    return Judgement(
        "thread-join-hang",
        f"Shutdown{joiner} waits for the end of {waited.name}{more}, which {doing}{by}, "
        f"{_when(standing)}.",
        CERTAIN, waited, culprit, [], advice, references,
    )


def _join_of_one_asleep(case: Case, standing: Standing, first: Task, last: Wait) -> Judgement:
    """Return the verdict on the join of a thread that asked for the GIL too late, so that CPython lets it sleep for ever."""
    advice, references = counsel("late-thread")
    culprit = _code(case, last.task)
    return Judgement(
        "late-thread",
        f"{_who(culprit, last.task)} asked for the GIL when finalization had begun: CPython lets the thread sleep for ever "
        f"(PyThread_hang_thread), and {first.name}{_by(case, first)} waits for its end, {_when(standing)}.",
        CERTAIN if culprit is not None else LIKELY, last.task, culprit, [], advice, references,
        "threads other than the finalizing one",
    )


def _has_unknown_holder(case: Case, last: Wait) -> bool:
    """Tell whether a lock is waited for whose holder cannot be told on a build without names, or which lock it is."""
    return case.nameless and last.kind in _LOCKS and last.holder is None and not last.meant


def _unknown_holder(case: Case, standing: Standing, walked: List[Wait]) -> Judgement:
    """Return the verdict on a thread that waits for a lock of which nothing is known: which, and who has it."""
    advice, references = counsel("unknown", "stripped")
    last = walked[-1]
    culprit = _code(case, last.task)
    waits = f"waits for {last.words if culprit is None else last.what}"
    if len(walked) > 1:
        where = f" in {describe(culprit)}" if culprit is not None else ""
        text = f"Shutdown waits for the end of {last.task.name}, which {waits}{where}"
    else:
        text = f"{_who(culprit, last.task)} {waits}"
    unread = "" if case.reads_python else "; which Python code runs there cannot be read on this build"
    return Judgement(
        "unknown", f"{text}, {_when(standing)}{unread}.", POSSIBLE, last.task, culprit,
        ["Which lock that is and who holds it cannot be told without debug information: it may be a deadlock"],
        advice, references,
    )


def _joiner(case: Case, first: Task) -> str:
    """Return which function of the standard library joins, the outermost one."""
    for frame in reversed(first.python):
        return frame.function
    return ""


def _callback(case: Case, standing: Standing, first: Task, walked: List[Wait]) -> Judgement:
    last = walked[-1]
    blame = case.blame(last.task)
    if blame.origin == RUNTIME or blame.culprit is None:
        advice, references = counsel("unknown", "stripped" if case.nameless else "")
        what = f"waits for {last.words}" if last.kind != RUNS else f"runs{_at(last.task)}"
        whose = "no code of the program is on its stack" if case.reads_python else (
            "which Python code runs there cannot be read on this build"
        )
        return Judgement(
            "unknown", f"{_capital(last.task.name)} {what}, {_when(standing)}; {whose}.",
            POSSIBLE, last.task, blame.culprit, [], advice, references,
        )
    advice, references = counsel("callback-hang")
    route = exit_route(case, last.task)
    called = f", {route.words}," if route is not None else ""
    runs = last.kind == RUNS
    what = "has not come to its end: it runs on" if runs else f"waits for {last.what}"
    # What runs may end by itself a moment later: one look cannot tell.
    sure = not runs and standing.phase in (Phase.ATEXIT, Phase.THREAD_SHUTDOWN)
    return Judgement(
        "callback-hang", f"{describe(blame.culprit)}{called} {what}, {_when(standing)}.",
        CERTAIN if sure else LIKELY, last.task, blame.culprit, [], advice, references,
    )


# -- no shutdown -------------------------------------------------------------------------------------
def _while_running(
    case: Case, standing: Standing, first: Task, walked: List[Wait], cycle: List[Wait]
) -> Judgement:
    last = walked[-1]
    if walked[0].kind == BUFFERED and not first.python:
        return _buffered(case, standing, first, walked[0])  # the script has ended: what is left is to flush
    blame = case.blame(last.task)
    who = f" in {describe(blame.culprit)}" if blame.culprit is not None else ""
    when = "finalization has not begun" if standing.ever_initialized else "Python was never initialized"
    if cycle:
        text = "the threads wait for each other: " + "; ".join(_circle(cycle))
    elif last.kind == RUNS:
        text = f"{last.task.name} runs{who}"
    else:
        text = f"{last.task.name} waits for {last.words}"
    return Judgement(
        "not-finalization", f"No shutdown bug: {when}; {text}.", CERTAIN if standing.from_stack else LIKELY,
        last.task, blame.culprit,
    )


# -- words -------------------------------------------------------------------------------------------
def _when(standing: Standing) -> str:
    if standing.phase is Phase.RUNNING:
        return "before finalization has begun"
    if standing.phase is Phase.AFTER_FINALIZE:
        return "after Py_FinalizeEx has returned"
    step = f", in {standing.running}" if standing.running else ""
    return f"in phase {standing.phase}{step}"


def _code(case: Case, task: Task) -> Optional[Culprit]:
    blame = case.blame(task)
    return blame.culprit if blame.origin != RUNTIME else None


def _who(culprit: Optional[Culprit], task: Task) -> str:
    return f"{describe(culprit)} in {task.name}" if culprit is not None else _capital(task.name)


def _by(case: Case, task: Task) -> str:
    culprit = _code(case, task)
    return f" (in {describe(culprit)})" if culprit is not None else ""


def _at(task: Task) -> str:
    if task.python:
        frame = task.python[0]
        return f" at {frame.file}:{frame.line} ({frame.function})"
    frame_ = task.frames[0] if task.frames else None
    return f" in {frame_.function}" if frame_ is not None and frame_.function else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

