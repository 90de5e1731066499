"""Steps before anything is destroyed: where finalization starts, threads, atexit, daemon threads, signals."""

from __future__ import annotations

from typing import Tuple

from ...model.phase import Phase
from .rows import Step, bpo, gh

STEPS: Tuple[Step, ...] = (
    # -- where a finalization starts ----------------------------------------------------------
    Step(
        key="Py_FinalizeEx",
        names=("Py_FinalizeEx",),
        root="main",
        gone="the runtime is finalized; only API meant for use before initialization may be called",
        reference="https://docs.python.org/3/c-api/init.html#c.Py_FinalizeEx",
    ),
    Step(
        # 3.13 made Py_FinalizeEx and Py_Finalize wrappers of this static function.
        key="_Py_Finalize",
        continues="Py_FinalizeEx",
        names=("_Py_Finalize",),
        root="main",
        since=(3, 13),
        gone="the runtime is finalized; only API meant for use before initialization may be called",
        reference="https://docs.python.org/3/c-api/init.html#c.Py_FinalizeEx",
    ),
    Step(
        key="Py_EndInterpreter",
        names=("Py_EndInterpreter",),
        root="subinterpreter",
        gone="the subinterpreter, its modules and its thread state no longer exist",
        reference="https://docs.python.org/3/c-api/init.html#c.Py_EndInterpreter",
    ),
    Step(
        key="resolve_final_tstate",
        names=("resolve_final_tstate",),
        begins=Phase.THREAD_SHUTDOWN,
        since=(3, 13),
        gone="finalization goes on with a thread state of the main interpreter, whatever was current before",
        reference=gh(120838),
    ),
    # -- thread-shutdown ----------------------------------------------------------------------
    Step(
        # Development after 3.13 gathered the calls that come before the finalizing flag in one function.
        key="make_pre_finalization_calls",
        names=("make_pre_finalization_calls",),
        begins=Phase.THREAD_SHUTDOWN,
        since=(3, 14),
        gone="non-daemon threads are joined, pending calls made and atexit callbacks called",
    ),
    Step(
        key="wait_for_thread_shutdown",
        names=("wait_for_thread_shutdown",),
        leaf=True,
        begins=Phase.THREAD_SHUTDOWN,
        gone="non-daemon threads of the threading module are joined; nobody waits for one started later",
    ),
    # -- atexit -------------------------------------------------------------------------------
    Step(
        key="_Py_FinishPendingCalls",
        names=("_Py_FinishPendingCalls",),
        leaf=True,
        begins=Phase.ATEXIT,
        gone="calls queued with Py_AddPendingCall were made; one queued later may never be",
    ),
    Step(
        key="_PyAtExit_Call",
        names=("_PyAtExit_Call", "call_py_exitfuncs"),
        begins=Phase.ATEXIT,
        ends="atexit",
        gone="atexit callbacks were called; one registered from now on never runs",
        reference=bpo(42639),
    ),
    Step(
        key="atexit_callfuncs",
        names=("atexit_callfuncs",),
        gone="each registered atexit callback was called, last registered first",
        # Up to 3.9 the atexit module registers it as interp->pyexitfunc.
        called_through=("call_py_exitfuncs",),
    ),
    # -- daemon-threads -----------------------------------------------------------------------
    Step(
        key="_PyEval_StopTheWorldAll",
        names=("_PyEval_StopTheWorldAll",),
        leaf=True,
        begins=Phase.DAEMON_THREADS,
        since=(3, 13),
        gone="in a free-threaded build every other thread is detached",
    ),
    Step(
        key="_PyInterpreterState_SetFinalizing",
        names=("_PyInterpreterState_SetFinalizing",),
        begins=Phase.DAEMON_THREADS,
        ends="daemon-threads",
        since=(3, 12),
        gone="other threads of this interpreter can no longer take its GIL",
    ),
    Step(
        key="_PyRuntimeState_SetFinalizing",
        names=("_PyRuntimeState_SetFinalizing",),
        begins=Phase.DAEMON_THREADS,
        ends="daemon-threads",
        gone="no other thread can take the GIL any more: it exits or hangs for ever when it asks",
        reference=bpo(36475),
    ),
    Step(
        key="_PyThreadState_RemoveExcept",
        names=("_PyThreadState_RemoveExcept",),
        begins=Phase.DAEMON_THREADS,
        since=(3, 13),
        gone="thread states of daemon threads are off the interpreter's list: debuggers miss them",
    ),
    Step(
        key="_PyThreadState_DeleteList",
        # 3.8 has the function, but does not call it from Py_FinalizeEx.
        names=("_PyThreadState_DeleteList", "_PyThreadState_DeleteExcept"),
        begins=Phase.DAEMON_THREADS,
        gone="thread states of daemon threads are freed; what their frames hold is never released",
        reference=bpo(19466),
    ),
    Step(
        key="flush_std_files",
        names=("flush_std_files",),
        gone="sys.stdout and sys.stderr are flushed",
    ),
    Step(
        key="_PySignal_Fini",
        names=("_PySignal_Fini", "PyOS_FiniInterrupts"),
        # 3.8 sets the finalizing flag with a plain store, so this is its first recognisable step there.
        begins=Phase.DAEMON_THREADS,
        ends="signals",
        gone="Python signal handlers are removed; signals have their default action again",
    ),
    Step(
        key="finisignal",
        names=("finisignal",),
        until=(3, 9),
        gone="Python signal handlers are removed; signals have their default action again",
    ),
)
