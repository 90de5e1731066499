"""The verdict on a crash: one root cause, from what the stack, the runtime and memory show."""

from __future__ import annotations

from typing import List, Optional

from ..cpython import world
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..model.phase import Phase
from ..model.report import Culprit, NativeFrame
from .calls import calls_before
from .case import Case, Task
from .counsel import counsel
from .culprit import NO_FILE, PLUMBING, PROGRAM, RUNTIME, STDLIB, Blame, caller_of_finalization, describe, origin_of
from .evidence import Evidence, gather
from .judgement import CERTAIN, LIKELY, POSSIBLE, Judgement
from .methods import own_end
from .module_state import failed_call, stale_state
from .routes import Route, exit_route
from .standing import WHOLE, Standing

_TERMINATE = ("std::terminate", "std::terminate()", "__cxxabiv1::__terminate", "__cxa_call_terminate")
_THREAD_ENDS = (
    "PyThread_exit_thread", "pthread_exit", "__pthread_exit", "__GI___pthread_exit", "_Unwind_ForcedUnwind",
    "unwind_cleanup",
)  # fmt: skip
#: Functions of CPython with which a program ends its own process, or sends itself a signal.
_OWN_ENDS = frozenset(
    {
        "os_abort", "os_abort_impl", "os_kill", "os_kill_impl", "os_killpg", "os_killpg_impl", "signal_raise_signal",
        "signal_raise_signal_impl", "signal_pthread_kill", "signal_pthread_kill_impl",
    }
)  # fmt: skip


def judge_crash(case: Case, standing: Standing) -> Judgement:
    """Return the verdict on a process that died of a signal of its own, or stopped at one."""
    task = case.selected()
    if task is None or not task.frames:
        summary = f"The process died of {_signal(case)}, and there is no stack to read."
        return Judgement("unknown", summary, POSSIBLE, task)
    evidence = gather(case, task, standing)
    judgement = _judge(case, standing, task, evidence)
    judgement.task = judgement.task or task
    judgement.evidence.extend(sentence for sentence in evidence.sentences if sentence not in judgement.evidence)
    if not standing.from_stack:
        judgement.doubt()
    return judgement


def _judge(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    if not standing.known:
        return _unknown(case, standing, task, evidence, case.blame(task))
    if standing.phase is Phase.RUNNING:
        return _not_finalization(case, standing, task, evidence)
    found = _damage(case, standing, task, evidence)
    if found is not None:
        return found
    if standing.phase is Phase.AFTER_FINALIZE:
        return _after(case, standing, task, evidence)
    if standing.finalizer and task.native.native_id != standing.finalizer:
        if standing.whole:
            return _not_finalization(case, standing, task, evidence)
        return _late_thread(case, standing, task, evidence)
    if standing.phase is Phase.EXIT_FUNCTIONS and not evidence.in_other_step:
        found = _exit_function(case, standing, task, evidence)
        if found is not None:
            return found
    if standing.whole:
        return _in_callback(case, standing, task, evidence)
    return _in_teardown(case, standing, task, evidence)


# -- damage that shutdown merely notices ------------------------------------------------------------
def _damage(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Optional[Judgement]:
    """Return the verdict where something was damaged earlier, None where nothing shows that."""
    if evidence.overflow is not None:
        return _overflow(case, standing, task, evidence)
    if _may_be_a_lost_reference(case, evidence):
        return None
    if evidence.damage is not None and evidence.damage.sure and not evidence.static_freed:
        blame = foreign(case.blame(task))
        advice, references = counsel("memory-corruption")
        by = "CPython's allocator" if evidence.damage.hooks else "libc"
        where = f" when {describe(blame)} released or asked for memory" if blame else ""
        return Judgement(
            "memory-corruption",
            f'The heap is damaged: {by} says "{evidence.damage.message}"{where}, {_after_words(standing)}.',
            LIKELY if blame is None else CERTAIN, task, blame, [], advice, references,
        )
    if evidence.fatal_kind == "refcount-corruption" or evidence.refcount is not None:
        return _refcount(case, standing, task, evidence)
    if evidence.fatal_kind == "buffered-io-deadlock" and evidence.fatal is not None:
        return _buffered(case, standing, task, evidence)
    if evidence.damage is not None and not _foreign_inside(case, task):
        advice, references = counsel("memory-corruption")
        return Judgement(
            "memory-corruption", f"The heap is damaged: {evidence.damage.message}, {_after_words(standing)}.",
            LIKELY, task, foreign(case.blame(task)), [], advice, references,
        )
    return None


def _may_be_a_lost_reference(case: Case, evidence: Evidence) -> bool:
    """Tell whether the damage may as well be that of an object which was freed while it was used: which one it was
    cannot be told where objects cannot be read."""
    damage = evidence.damage
    if damage is None or damage.hooks and damage.sure or not case.nameless or case.reads_objects:
        return False
    return not damage.sure or damage.of_a_pointer


def _overflow(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    overflow = evidence.overflow
    assert overflow is not None
    blame = foreign(case.blame(task, overflow.round or None))
    names = [f.function for f in overflow.round if f.function and not f.inlined]
    around = ", ".join(dict.fromkeys(names)) or "functions without names"
    size = f" of {overflow.size >> 10} KiB" if overflow.size else ""
    advice, references = counsel("stack-overflow")
    who = f"{describe(blame)} calls itself" if blame is not None else "The same functions call each other"
    return Judgement(
        "stack-overflow", f"{who} until the stack{size} is used up ({around}), {_after_words(standing)}.",
        CERTAIN if overflow.sure and overflow.round else LIKELY, task, blame, [], advice, references,
    )


def _refcount(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    blame = foreign(case.blame(task))
    advice, references = counsel("refcount-corruption")
    refcount = evidence.refcount
    if evidence.fatal_kind == "refcount-corruption" and evidence.fatal is not None:
        what, confidence = f'CPython says "{evidence.fatal.text}"', CERTAIN
    else:
        assert refcount is not None
        what, confidence = refcount.sentence, refcount.confidence
    summary = f"An object lost a reference too many: {what}, {_after_words(standing)}."
    judgement = Judgement("refcount-corruption", summary, confidence, task, blame, [], advice, references)
    if refcount is not None:
        judgement.object = refcount.object
    if blame is None:
        judgement.evidence.append(
            "No code of the program is on the stack: whoever dropped the reference did it earlier"
        )
    return judgement


def _buffered(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    from .waits import buffer_holder

    assert evidence.fatal is not None
    advice, references = counsel("buffered-io-deadlock")
    judgement = Judgement(
        "buffered-io-deadlock",
        f'A thread that will not run again holds the lock of a stream that shutdown has to flush: '
        f'"{evidence.fatal.text}", {_after_words(standing)}.',
        CERTAIN, task, None, [], advice, references,
    )
    holder = buffer_holder(case, task)
    if holder is not None:
        judgement.culprit = foreign(case.blame(holder)) or judgement.culprit
        judgement.evidence.append(f"{holder.name} holds the lock{_doing(holder)}")
    if judgement.culprit is None:
        judgement.culprit = case.blame(task).culprit
    return judgement


# -- after Py_FinalizeEx ----------------------------------------------------------------------------
def _after(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    blame = case.blame(task)
    route = exit_route(case, task)
    what = _what_failed(case, task, blame, evidence)
    if route is None and task.native.native_id != case.target.pid and not _has_ended_python(case, task):
        return _late_thread(case, standing, task, evidence)
    if route is None:
        advice, references = counsel("touch-after-fini", "embed")
        who = describe(blame.culprit) if blame.culprit is not None else "The program"
        return Judgement(
            "touch-after-fini", f"{who} uses Python after Py_FinalizeEx has returned: {what}.",
            CERTAIN if blame.origin == PROGRAM and _runtime_inside(task, blame) else LIKELY,
            task, blame.culprit, [], advice, references, "the runtime", _api_called(task, blame),
        )
    if task.frames and blame.culprit is not None and blame.culprit.library == NO_FILE:
        return _unloaded(case, task, blame, route)
    if blame.origin == RUNTIME:
        blame = Blame(None, RUNTIME) if not _runtime_inside(task, blame) else blame
    variant = "ctypes" if _is_ctypes(task, blame, route) else ""
    advice, references = counsel("late-exit-handler", variant)
    who = describe(blame.culprit) if blame.culprit is not None else "Something"
    python_used = evidence.fatal is not None or any(origin_of(f) == RUNTIME for f in _inside(task, route.index))
    summary = f"{who} runs as {route.words} after Py_FinalizeEx has returned and {_uses(python_used)}: {what}."
    judgement = Judgement(
        "late-exit-handler", summary, CERTAIN if python_used else LIKELY, task, blame.culprit, [], advice,
        references, "the runtime", _api_called(task, blame),
    )
    if variant:
        judgement.evidence.append(
            "A ctypes (libffi) callback: which Python function it stands for cannot be read any more, for the "
            "interpreter is gone; whoever registered it kept its address"
        )
    if not python_used:
        judgement.evidence.append("No function of CPython is on the stack: the handler crashed in its own code")
    return judgement


def _has_ended_python(case: Case, task: Task) -> bool:
    """Tell whether a function of the program further out on this stack had called Py_FinalizeEx itself."""
    names = [name for name, kind in catalogue.roots().items() if kind == "main"]
    for frame in task.frames:
        if not frame.inlined and origin_of(frame) == PROGRAM:
            if any(base_name(call.function) in (*names, "Py_Finalize") for call in calls_before(case.debugger, frame)):
                return True
    return False


def _is_ctypes(task: Task, blame: Blame, route: Route) -> bool:
    """Tell whether a callback made by ctypes was called; libffi runs it, or crashes over one that was freed."""
    if blame.origin == STDLIB and blame.culprit is not None and "_ctypes" in blame.culprit.library:
        return True
    inside = [f for f in _inside(task, route.index) if not f.inlined]
    return bool(inside) and all("libffi" in (f.library or "") for f in inside)


def _uses(python_used: bool) -> str:
    return "uses Python, which is gone" if python_used else "crashes"


def _unloaded(case: Case, task: Task, blame: Blame, route: Route) -> Judgement:
    advice, references = counsel("late-exit-handler", "unloaded")
    assert blame.culprit is not None
    pc = task.frames[0].pc
    if case.mappings.at(pc) is None:
        why = (
            "where no file is mapped any more: before the process ended the library that registered it was unloaded "
            "(dlclose), or a callback that was made at run time (ctypes, cffi) was freed."
        )
    else:
        why = "in memory of no file: a callback that was made at run time (ctypes, cffi), and was freed since."
    return Judgement(
        "late-exit-handler", f"{route.words[:1].upper()}{route.words[1:]} lies at {pc:#x}, {why}", LIKELY, task,
        blame.culprit, [], advice, references,
    )


def _exit_function(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Optional[Judgement]:
    """Return the verdict on a function that was registered with ``Py_AtExit``."""
    blame = case.blame(task)
    if blame.origin == RUNTIME:
        return None
    advice, references = counsel("late-exit-handler", "Py_AtExit")
    assert blame.culprit is not None
    inside = _runtime_inside(task, blame)
    shown = [] if not standing.exit_function else [
        "No interpreter is left, and the function that ends the runtime has called this one: only what was registered with "
        "Py_AtExit runs then"
    ]
    return Judgement(
        "late-exit-handler",
        f"{describe(blame.culprit)}, registered with Py_AtExit, runs when the interpreter is already gone and "
        f"{_uses(inside)}: {_what_failed(case, task, blame, evidence)}.",
        CERTAIN if inside and not shown else LIKELY, task, blame.culprit, shown, advice, references, "the runtime",
        _api_called(task, blame),
    )


# -- other threads ----------------------------------------------------------------------------------
def _late_thread(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    blame = case.blame(task)
    ended = task.calls(*_THREAD_ENDS) is not None
    advice, references = counsel("late-thread", "exit" if ended else "")
    who = describe(blame.culprit) if blame.culprit is not None else "Code without a name"
    when = "after Py_FinalizeEx has returned" if standing.phase is Phase.AFTER_FINALIZE else (
        f"while {_finalizer_words(case, standing)} finalizes the interpreter ({_after_words(standing)})"
    )
    if ended:
        what = "asks for the GIL: CPython ends the thread with pthread_exit(), which the C++ code on its stack does not stand"
        confidence = CERTAIN
    else:
        inside = _runtime_inside(task, blame) or evidence.fatal is not None
        what = "uses Python" if inside else "goes on with what finalization takes apart"
        what += f": {_what_failed(case, task, blame, evidence)}"
        confidence = CERTAIN if inside else LIKELY if standing.between else POSSIBLE
    return Judgement(
        "late-thread", f"{who} in {task.name} {what}, {when}.", confidence, task, blame.culprit, [], advice,
        references, "threads other than the finalizing one", _api_called(task, blame),
    )


def _finalizer_words(case: Case, standing: Standing) -> str:
    other = case.by_native_id(standing.finalizer)
    return other.name if other is not None else "another thread"


# -- the finalizing thread --------------------------------------------------------------------------
def _in_teardown(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    blame = case.blame(task)
    ended = own_end(case, task.frames) if case.nameless and evidence.raised else None
    if ended is not None:
        return _own_end(case, standing, task, evidence, ended)
    if blame.origin == PROGRAM and blame.culprit is not None:
        if evidence.fatal is not None and evidence.fatal_by_culprit:
            return _fatal(case, standing, task, evidence, blame.culprit)
        if evidence.raised and task.calls(*_OWN_ENDS) is not None:
            return _own_end(case, standing, task, evidence)
        stale = stale_state(case, task, blame, evidence.null)
        if stale is not None:
            advice, references = counsel("stale-module-state")
            return Judgement(
                "stale-module-state",
                f"{describe(blame.culprit)} runs when the state of its module is gone: {stale.sentence}, "
                f"{_after_words(standing)}.",
                stale.confidence, task, blame.culprit, list(stale.evidence), advice, references, "module state",
            )
        failed = failed_call(case, task, blame)
        if evidence.raised and case.nameless and not failed:
            return _ended_somehow(case, standing, task, evidence, blame)
        if _runtime_inside(task, blame) or failed:
            return _touch(case, standing, task, evidence, blame, failed)
        if evidence.raised:
            return _own_end(case, standing, task, evidence)
    elif evidence.fatal is not None:
        return _fatal(case, standing, task, evidence, blame.culprit)
    elif blame.origin == STDLIB and _runtime_inside(task, blame) and evidence.touched:
        return _touch(case, standing, task, evidence, blame, "")
    return _unknown(case, standing, task, evidence, blame)


def _touch(
    case: Case, standing: Standing, task: Task, evidence: Evidence, blame: Blame, failed: str
) -> Judgement:
    """Return the verdict on a call that fails; ``failed`` is one that had returned NULL just before."""
    advice, references = counsel("touch-after-fini")
    api = failed or _api_called(task, blame)
    assert blame.culprit is not None
    touched = evidence.touched
    gone = f", which needs {touched.title}" if touched is not None else ""
    sure = touched is not None or evidence.fatal is not None
    if touched is not None and touched.reference:
        references = [touched.reference, *references]
    return Judgement(
        "touch-after-fini",
        f"{describe(blame.culprit)} calls {api or 'a function of CPython without a name'}{gone} {_after_words(standing)}: "
        f"{_what_failed(case, task, blame, evidence)}.",
        CERTAIN if sure else LIKELY, task, blame.culprit, [], advice, references,
        touched.title if touched is not None else None, api,
    )


def _fatal(
    case: Case, standing: Standing, task: Task, evidence: Evidence, culprit: Optional[Culprit]
) -> Judgement:
    assert evidence.fatal is not None
    culprit = _called_wrongly(case, task, evidence) or culprit
    advice, references = counsel("fatal-error")
    if evidence.fatal.assertion and culprit is not None:
        what = f'An assertion of {describe(culprit)} does not hold: "{evidence.fatal.text}"'
    else:
        by = f", raised by {describe(culprit)}" if culprit is not None else ""
        said = f": {evidence.fatal.words}" if evidence.fatal.message else f", {evidence.fatal.words}"
        what = f"Python ended itself with a fatal error{by}{said}"
    return Judgement(
        "fatal-error", f"{what}, {_after_words(standing)}.",
        CERTAIN if evidence.fatal.message else POSSIBLE, task, culprit,
        [] if evidence.fatal.message else ["Without its message it may be of any kind: a lost reference, a lock"],
        advice, references, None,
        evidence.fatal.function,
    )


def _called_wrongly(case: Case, task: Task, evidence: Evidence) -> Optional[Culprit]:
    """Return who called the function that finalizes where that function itself raised the error, else None."""
    fatal = evidence.fatal
    caller = next((f for f in task.frames[fatal.caller :] if not f.inlined), None) if fatal is not None else None
    if caller is None or not caller.function or base_name(caller.function) not in catalogue.roots():
        return None
    return caller_of_finalization(case.debugger, task.frames)


def _in_callback(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    """Return the verdict on a crash while threads are joined and callbacks called: Python is still complete."""
    blame = case.blame(task)
    if evidence.fatal is not None and not (evidence.fatal.assertion and blame.origin == PROGRAM):
        culprit = blame.culprit
        if blame.origin == RUNTIME and standing.after_step is None:
            # Nothing was done yet: it is the call itself that cannot be.
            culprit = caller_of_finalization(case.debugger, task.frames) or culprit
        return _fatal(case, standing, task, evidence, culprit)
    if blame.origin == RUNTIME:
        return _in_own_code(case, standing, task, evidence, blame)
    return _not_finalization(case, standing, task, evidence)


def _in_own_code(case: Case, standing: Standing, task: Task, evidence: Evidence, blame: Blame) -> Judgement:
    """Return the verdict where finalization crashes before it has taken anything away, with nobody's code called.

    The interpreter was ended without the GIL, or with a thread state that is none (any more): the caller's fault.
    """
    caller = caller_of_finalization(case.debugger, task.frames)
    first = next((f for f in task.frames if not f.inlined), None)
    at_once = first is not None and base_name(first.function or "") in catalogue.roots()
    no_gil = evidence.null and _nobody_has_gil(case)
    if caller is None or not (no_gil or at_once):
        return _not_finalization(case, standing, task, evidence)
    how = "without the GIL, it has no current thread state" if no_gil else "that is not whole any more"
    return Judgement(
        "unknown",
        f"{describe(caller)} ends an interpreter {how}: {_what_failed(case, task, blame, evidence)}, "
        f"{_after_words(standing)}.",
        LIKELY if no_gil else POSSIBLE, task, caller, [],
        "Take the thread state back (PyEval_RestoreThread, PyGILState_Ensure) before an interpreter is ended, and end "
        "each once.",
    )


def _nobody_has_gil(case: Case) -> bool:
    return case.python is not None and not any(
        world.may_run(case.python, interpreter.address) for interpreter in case.interpreters
    )


def _ended_somehow(case: Case, standing: Standing, task: Task, evidence: Evidence, blame: Blame) -> Judgement:
    """Return the verdict on a process that ended itself in functions without names: os.abort(), a fatal error?"""
    judgement = _unknown(case, standing, task, evidence, blame)
    judgement.evidence.append(
        "The process ended itself in a function without a name: whether the program asked for that or CPython raised a "
        "fatal error cannot be told without debug information"
    )
    return judgement


def _own_end(case: Case, standing: Standing, task: Task, evidence: Evidence, by: str = "") -> Judgement:
    """Return the verdict on a process whose code ended it by itself, ``by`` a function of Python where only that is known."""
    culprit = foreign(case.blame(task))
    who = describe(culprit) if culprit is not None else "Python code, which cannot be read on this build,"
    how = f"{by}(), {_signal(case)}" if by else _signal(case)
    return Judgement(
        "not-finalization", f"{who} ends the process by itself ({how}), {_after_words(standing)}.", LIKELY, task, culprit,
    )


# -- no shutdown bug, or not known ------------------------------------------------------------------
def _not_finalization(case: Case, standing: Standing, task: Task, evidence: Evidence) -> Judgement:
    blame = case.blame(task)
    if evidence.damage is not None and evidence.damage.sure and blame.origin == RUNTIME:
        # The runtime only asked for memory when the damage was noticed.
        blame = Blame(None, RUNTIME)
    who = f" in {describe(blame.culprit)}" if blame.culprit is not None else ""
    if not standing.ever_initialized:
        when = "Python was never initialized"
    elif standing.phase is Phase.RUNNING:
        when = "finalization had not begun"
    else:
        when = f"the interpreter was still complete ({standing.phase})"
    what = _kind_of_crash(case, evidence)
    noticed = evidence.damage is not None and evidence.damage.sure
    if evidence.raised and blame.culprit is not None and not noticed:
        summary = f"No shutdown bug: {describe(blame.culprit)} ended the process with {_signal(case)}, and {when}."
    else:
        summary = f"No shutdown bug: the process died of {what}{who}, and {when}."
    sure = standing.from_stack and (standing.phase is Phase.RUNNING or blame.origin != RUNTIME)
    return Judgement("not-finalization", summary, CERTAIN if sure else LIKELY, task, blame.culprit)


def _unknown(case: Case, standing: Standing, task: Task, evidence: Evidence, blame: Blame) -> Judgement:
    advice, references = counsel("unknown", "stripped" if case.nameless else "")
    who = f" in {describe(blame.culprit)}" if blame.culprit is not None else ""
    return Judgement(
        "unknown",
        f"The process died of {_kind_of_crash(case, evidence)}{who}, {_after_words(standing)}; "
        "what led to it does not show.",
        POSSIBLE, task, blame.culprit, [], advice, references,
    )


# -- words ------------------------------------------------------------------------------------------
def _kind_of_crash(case: Case, evidence: Evidence) -> str:
    if evidence.overflow is not None:
        return "a stack overflow"
    if evidence.fatal is not None:
        return f"a fatal error ({evidence.fatal.words})"
    if evidence.damage is not None and evidence.damage.sure:
        what = "a damaged heap" if "invalid pointer" not in evidence.damage.message else "a pointer that libc never gave out"
        return f'{what} ("{evidence.damage.message}")'
    if evidence.access:
        return f"{_signal(case)} ({evidence.access})"
    return _signal(case)


def _what_failed(case: Case, task: Task, blame: Blame, evidence: Evidence) -> str:
    """Return what went wrong, in words, without saying whose fault it is."""
    if evidence.fatal is not None:
        return f"fatal error {evidence.fatal.words}"
    if task.calls(*_TERMINATE) is not None:
        return "a C++ exception that nobody catches ends the process (std::terminate)"
    inner = task.frames[0].function or _address(task.frames[0])
    said = _signal(case) if evidence.raised else f"{_signal(case)} in {inner}"
    return f"{said} ({evidence.access})" if evidence.access else said


def _address(frame: NativeFrame) -> str:
    library = (frame.library or "").rsplit("/", 1)[-1]
    return f"{frame.pc:#x} of {library}, which has no name" if library else f"{frame.pc:#x}"


def _signal(case: Case) -> str:
    return (case.signal.name if case.signal is not None else case.target.signal) or "a signal"


def _after_words(standing: Standing) -> str:
    if not standing.known:
        return "and whether finalization had begun is not known"
    if standing.phase is Phase.AFTER_FINALIZE:
        return f"after {WHOLE} has returned"
    if standing.after_step is None:
        return f"in phase {standing.phase}"
    running = f" (in {standing.running})" if standing.running else ""
    return f"after {standing.after_step}{running}"


def _doing(task: Task) -> str:
    frame = task.frames[0] if task.frames else None
    return f", in {frame.function}" if frame is not None and frame.function else ""


# -- frames -----------------------------------------------------------------------------------------
def foreign(blame: Blame) -> Optional[Culprit]:
    """Return the culprit unless it is the runtime itself."""
    return blame.culprit if blame.origin in (PROGRAM, STDLIB) else None


def _foreign_inside(case: Case, task: Task) -> bool:
    return case.blame(task).origin == PROGRAM


def _inside(task: Task, index: int) -> List[NativeFrame]:
    return task.frames[:index]


def _runtime_inside(task: Task, blame: Blame) -> bool:
    """Tell whether the culprit called into the runtime."""
    return _api_frame(task, blame) is not None


def _api_frame(task: Task, blame: Blame) -> Optional[NativeFrame]:
    """Return the frame of the runtime's function that the culprit called, None if it called none.

    A Python function calls through the runtime whatever it calls: only a crash in the runtime itself counts there.
    """
    inside = [f for f in task.frames if f.level < blame.level] if blame.level >= 0 else []
    if blame.python:
        real = [f for f in inside if not f.inlined and origin_of(f) != PLUMBING]
        return real[0] if real and origin_of(real[0]) == RUNTIME and not _in_plumbing(task) else None
    for frame in reversed(inside):
        if not frame.inlined and origin_of(frame) == RUNTIME:
            return frame
    return None


def _in_plumbing(task: Task) -> bool:
    """Tell whether the innermost frame is of a C library: what it was given is its caller's affair."""
    return bool(task.frames) and origin_of(task.frames[0]) == PLUMBING and task.calls("abort", "__GI_abort") is None


def _api_called(task: Task, blame: Blame) -> str:
    frame = _api_frame(task, blame)
    return base_name(frame.function) if frame is not None and frame.function else ""
