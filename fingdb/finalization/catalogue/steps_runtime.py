"""Steps that delete the interpreter and the runtime, exit functions, and what follows Py_FinalizeEx."""

from __future__ import annotations

from typing import Tuple

from ...model.phase import Phase
from .rows import Step, bpo, gh

STEPS: Tuple[Step, ...] = (
    # -- interpreter-delete -------------------------------------------------------------------
    Step(
        key="finalize_interp_delete",
        names=("finalize_interp_delete",),
        begins=Phase.INTERPRETER_DELETE,
        since=(3, 9),
        gone="the interpreter and its last thread state are freed",
        # The GIL itself stays: a daemon thread may still wait for it.
        reference=bpo(9901),
    ),
    Step(
        key="_PyGILState_Fini",
        names=("_PyGILState_Fini",),
        begins=Phase.INTERPRETER_DELETE,
        ends="gil-state",
        gone="PyGILState_Ensure finds no interpreter: a native thread that calls it crashes",
    ),
    Step(
        key="PyInterpreterState_Delete",
        names=("PyInterpreterState_Delete", "_PyInterpreterState_Delete"),
        begins=Phase.INTERPRETER_DELETE,
        ends="thread-states",
        gone="the interpreter and its last thread state are freed: there is no current thread state",
        reference=gh(104690),
    ),
    Step(
        key="zapthreads",
        names=("zapthreads",),
        gone="the thread states that were left are freed",
    ),
    Step(
        # Frees the lock of the pending calls; the GIL is not destroyed.
        key="_PyEval_FiniState",
        names=("_PyEval_FiniState",),
        leaf=True,
        ends="pending-calls",
        since=(3, 9),
        until=(3, 12),
        gone="Py_AddPendingCall has no lock any more",
    ),
    Step(
        # Called when the next interpreter is made, not at the end: see bpo-9901.
        key="_PyEval_FiniGIL",
        names=("_PyEval_FiniGIL", "_PyEval_FiniThreads"),
        gone="the GIL is destroyed",
        reference=bpo(9901),
    ),
    Step(
        key="_PyInterpreterState_FinalizeAllocatedBlocks",
        names=("_PyInterpreterState_FinalizeAllocatedBlocks",),
        leaf=True,
        since=(3, 12),
        gone="what the interpreter leaked was counted; without leaks a subinterpreter's arenas are freed",
    ),
    Step(
        key="_PyInterpreterState_FinalizeRefTotal",
        names=("_PyInterpreterState_FinalizeRefTotal",),
        since=(3, 12),
        gone="the references the interpreter leaked were counted (debug builds)",
    ),
    Step(
        key="_Py_qsbr_fini",
        names=("_Py_qsbr_fini",),
        leaf=True,
        since=(3, 13),
        gone="the bookkeeping of memory that is freed late (QSBR) is gone",
    ),
    Step(
        key="_PyObject_FiniState",
        names=("_PyObject_FiniState",),
        since=(3, 13),
        gone="the chain of all objects is gone (builds with --with-trace-refs)",
    ),
    Step(
        key="free_interpreter",
        names=("free_interpreter",),
        since=(3, 11),
        gone="the memory of the interpreter is freed, unless it is the statically allocated main one",
    ),
    # -- between the interpreter and the exit functions ----------------------------------------
    Step(
        key="_Py_PrintReferenceAddresses",
        names=("_Py_PrintReferenceAddresses",),
        gone="the addresses of all objects still alive were printed (builds with --with-trace-refs)",
    ),
    Step(
        key="_PyObject_DebugMallocStats",
        names=("_PyObject_DebugMallocStats",),
        leaf=True,
        gone="statistics of the allocator were printed (PYTHONMALLOCSTATS)",
    ),
    Step(
        key="_Py_FinalizeRefTotal",
        names=("_Py_FinalizeRefTotal",),
        since=(3, 12),
        gone="the references the runtime leaked were counted (debug builds)",
    ),
    Step(
        key="_Py_FinalizeAllocatedBlocks",
        names=("_Py_FinalizeAllocatedBlocks",),
        leaf=True,
        since=(3, 12),
        gone="the memory blocks the runtime leaked were counted",
        reference=bpo(1635741),
    ),
    # -- exit-functions -----------------------------------------------------------------------
    Step(
        key="call_ll_exitfuncs",
        names=("call_ll_exitfuncs",),
        begins=Phase.EXIT_FUNCTIONS,
        ends="exit-functions",
        gone="functions registered with Py_AtExit were called; they may not use the Python API",
        reference="https://docs.python.org/3/c-api/sys.html#c.Py_AtExit",
    ),
    Step(
        key="_PyRuntime_Finalize",
        names=("_PyRuntime_Finalize",),
        gone="the runtime is ready to be initialized anew",
    ),
    Step(
        key="_PyRuntimeState_Fini",
        names=("_PyRuntimeState_Fini",),
        ends="runtime",
        gone="the locks and thread-specific keys of the runtime are freed",
    ),
    Step(
        key="gilstate_tss_fini",
        names=("gilstate_tss_fini", "tstate_tss_fini"),
        since=(3, 12),
        gone="native threads can no longer find their thread state",
    ),
    # -- after-finalize -----------------------------------------------------------------------
    Step(
        key="pymain_free",
        names=("pymain_free",),
        begins=Phase.AFTER_FINALIZE,
        root="after",
        hosts=("Py_RunMain",),
        gone="what stays valid from one Py_Initialize to the next is freed",
    ),
    Step(
        key="_PyImport_Fini2",
        names=("_PyImport_Fini2",),
        begins=Phase.AFTER_FINALIZE,
        gone="PyImport_Inittab is the built-in table again; the copy of PyImport_ExtendInittab is freed",
    ),
    Step(
        key="_PyPathConfig_ClearGlobal",
        names=("_PyPathConfig_ClearGlobal",),
        begins=Phase.AFTER_FINALIZE,
        gone="paths set with Py_SetPath, Py_SetPythonHome and Py_SetProgramName are freed",
    ),
    Step(
        key="_Py_ClearStandardStreamEncoding",
        names=("_Py_ClearStandardStreamEncoding",),
        begins=Phase.AFTER_FINALIZE,
        until=(3, 12),
        gone="the encoding set with Py_SetStandardStreamEncoding is freed",
    ),
    Step(
        key="_Py_ClearArgcArgv",
        names=("_Py_ClearArgcArgv",),
        begins=Phase.AFTER_FINALIZE,
        gone="the copy of the command line is freed",
    ),
)
