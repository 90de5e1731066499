"""Steps of clearing an interpreter: its state, its thread states, the last collection."""

from __future__ import annotations

from typing import Tuple

from ...model.phase import Phase
from .rows import Step, bpo, gh

STEPS: Tuple[Step, ...] = (
    Step(
        key="finalize_interp_clear",
        names=("finalize_interp_clear",),
        begins=Phase.INTERPRETER_CLEAR,
        since=(3, 9),
        gone="the interpreter holds no objects any more",
    ),
    Step(
        key="_PyXI_Fini",
        names=("_PyXI_Fini",),
        ends="cross-interpreter",
        since=(3, 13),
        gone="objects can no longer be passed to other interpreters",
    ),
    Step(
        key="_Py_xi_state_fini",
        names=("_Py_xi_state_fini",),
        since=(3, 14),
        gone="what the interpreter needs to pass objects to others is released",
    ),
    Step(
        key="_Py_xi_global_state_fini",
        names=("_Py_xi_global_state_fini",),
        since=(3, 14),
        gone="what all interpreters share to pass objects to each other is released",
    ),
    Step(
        key="fini_heap_exctypes",
        names=("fini_heap_exctypes",),
        since=(3, 14),
        gone="the NotShareableError exception type is released",
    ),
    Step(
        key="_fini_notshareableerror",
        names=("_fini_notshareableerror", "_fini_not_shareable_error_type"),
        since=(3, 13),
        gone="the NotShareableError exception type is released",
    ),
    Step(
        key="xid_lookup_fini",
        names=("xid_lookup_fini",),
        since=(3, 13),
        gone="the registry of types that can cross interpreters is released",
    ),
    Step(
        key="_xidregistry_fini",
        names=("_xidregistry_fini",),
        since=(3, 13),
        gone="the registry of types that can cross interpreters is released",
    ),
    Step(
        key="_xidregistry_clear",
        names=("_xidregistry_clear",),
        since=(3, 12),
        gone="the registry of types that can cross interpreters is empty",
    ),
    Step(
        key="_PyExc_ClearExceptionGroupType",
        names=("_PyExc_ClearExceptionGroupType",),
        since=(3, 11),
        gone="the type ExceptionGroup is released",
    ),
    Step(
        key="_Py_clear_generic_types",
        names=("_Py_clear_generic_types",),
        since=(3, 12),
        gone="the types behind typing.TypeVar, ParamSpec and Generic are released",
    ),
    Step(
        # 3.13 frees it before the interpreter is cleared, later versions after the types.
        key="_PyDtoa_Fini",
        names=("_PyDtoa_Fini",),
        ends="float-repr",
        since=(3, 13),
        gone="the cached powers of five that repr() of a float uses are freed",
    ),
    Step(
        key="_PyTypes_FiniCachedDescriptors",
        names=("_PyTypes_FiniCachedDescriptors",),
        since=(3, 15),
        gone="the shared descriptors of __dict__ and __weakref__ are released",
    ),
    Step(
        key="_PyInterpreterState_Clear",
        names=("_PyInterpreterState_Clear", "PyInterpreterState_Clear"),
        begins=Phase.INTERPRETER_CLEAR,
        ends="interpreter-state",
        gone="what the interpreter held is released: sys dict, builtins, codecs, hooks, configuration",
    ),
    Step(
        key="interpreter_clear",
        names=("interpreter_clear",),
        begins=Phase.INTERPRETER_CLEAR,
        ends="interpreter-state",
        since=(3, 10),
        gone="what the interpreter held is released: sys dict, builtins, codecs, hooks, configuration",
    ),
    Step(
        key="PyThreadState_Clear",
        names=("PyThreadState_Clear",),
        gone="the thread state holds no frames, no exception and no thread-local dict any more",
        reference=gh(102126),
    ),
    Step(
        key="_PyMem_AbandonDelayed",
        names=("_PyMem_AbandonDelayed",),
        since=(3, 13),
        gone="memory the thread still had to free is handed to the interpreter",
    ),
    Step(
        key="_PyThreadState_ClearMimallocHeaps",
        names=("_PyThreadState_ClearMimallocHeaps",),
        since=(3, 13),
        gone="in a free-threaded build the thread's heaps are abandoned",
    ),
    Step(
        key="PyConfig_Clear",
        names=("PyConfig_Clear",),
        gone="the interpreter's configuration is freed",
    ),
    Step(
        key="_PyCodec_Fini",
        names=("_PyCodec_Fini",),
        ends="codecs",
        since=(3, 13),
        gone="codecs and their error handlers can no longer be looked up",
    ),
    Step(
        # In 3.9 part of finalize_interp_types; bpo-41796 moved the state into the interpreter.
        key="_PyAST_Fini",
        names=("_PyAST_Fini",),
        ends="ast",
        since=(3, 9),
        gone="the types of the _ast module are released; compiling to an AST would make them again",
        reference=bpo(41796),
    ),
    Step(
        key="_PyWarnings_Fini",
        names=("_PyWarnings_Fini",),
        ends="warnings",
        gone="the warnings filters are gone: warnings can no longer be shown properly",
        reference=bpo(42208),
    ),
    Step(
        key="warnings_clear_state",
        names=("warnings_clear_state", "_Warnings_ClearState"),
        gone="the warnings filters, the once registry and the default action are released",
    ),
    Step(
        key="_PyAtExit_Fini",
        names=("_PyAtExit_Fini",),
        ends="atexit",
        since=(3, 10),
        gone="the list of atexit callbacks is freed",
        reference=bpo(42639),
    ),
    Step(
        key="atexit_cleanup",
        names=("atexit_cleanup",),
        gone="registered atexit callbacks are dropped",
    ),
    Step(
        key="_PyGC_Fini",
        names=("_PyGC_Fini",),
        ends="gc",
        gone="the collector is gone: gc.garbage and gc.callbacks are released, new cycles leak",
        reference=bpo(36854),
    ),
    Step(
        key="finalize_unlink_gc_head",
        names=("finalize_unlink_gc_head", "gc_fini_untrack"),
        repeats=True,
        gone="objects of the generation no longer point into the dying interpreter",
        reference=bpo(46070),
    ),
    Step(
        key="_PySys_ClearAuditHooks",
        names=("_PySys_ClearAuditHooks",),
        ends="audit-hooks",
        gone="audit hooks added with PySys_AddAuditHook are no longer called",
    ),
    Step(
        key="_PyIO_Fini",
        names=("_PyIO_Fini",),
        since=(3, 11),
        until=(3, 11),
        gone="the static types of the io module are finalized",
    ),
    Step(
        key="_Py_HashRandomization_Fini",
        names=("_Py_HashRandomization_Fini",),
        gone="the file descriptor of /dev/urandom is closed",
    ),
    Step(
        key="_PyArg_Fini",
        names=("_PyArg_Fini",),
        ends="getargs",
        gone="the parsed formats of functions with keyword arguments are released",
    ),
    Step(
        key="_Py_ClearFileSystemEncoding",
        names=("_Py_ClearFileSystemEncoding",),
        ends="filesystem-encoding",
        gone="the name of the file system encoding is freed",
    ),
    Step(
        key="_PyPerfTrampoline_Fini",
        names=("_PyPerfTrampoline_Fini",),
        since=(3, 12),
        gone="the perf trampolines are off",
    ),
    Step(
        key="_PyPerfTrampoline_FreeArenas",
        names=("_PyPerfTrampoline_FreeArenas",),
        since=(3, 12),
        gone="the code of the perf trampolines is unmapped",
    ),
    Step(
        key="PyUnstable_PerfMapState_Fini",
        names=("PyUnstable_PerfMapState_Fini",),
        since=(3, 12),
        gone="the file that tells perf which addresses are Python functions is closed",
    ),
    Step(
        key="PyGrammar_RemoveAccelerators",
        names=("PyGrammar_RemoveAccelerators",),
        until=(3, 9),
        gone="the tables of the old parser are freed",
    ),
    Step(
        key="_PyMem_FiniDelayed",
        names=("_PyMem_FiniDelayed",),
        since=(3, 13),
        gone="memory whose release was put off is freed",
    ),
)
