"""Which function names are finalization steps: a rule for names that the catalogue does not know.

A future CPython will have steps nobody wrote a row for. Their names follow habits (``_PyX_Fini``,
``finalize_x``, ``_PyX_ClearFreeList``), so the habits are the rule, and functions that look alike
but end nothing are listed one by one.
"""

from __future__ import annotations

import re
from typing import FrozenSet, Pattern, Tuple

#: A function whose name one of these finds is a step, unless it is excluded.
STEP_PATTERNS: Tuple[Pattern[str], ...] = (
    # _PyGC_Fini, _PyImport_Fini2, _PyImport_FiniCore, _PyStaticType_FiniBuiltin, PyOS_FiniInterrupts
    re.compile(r"_Fini(?:$|[A-Z0-9])"),
    # fini_static_type, _fini_not_shareable_error_type, xid_lookup_fini, _Py_qsbr_fini
    re.compile(r"(?:^|_)fini(?:$|_)"),
    # finalize_modules, _Py_FinalizeAllocatedBlocks, _PyInterpreterState_SetFinalizing
    re.compile(r"^_?finalize_"),
    re.compile(r"^_Py\w*_Finalize(?:$|[A-Z])"),
    re.compile(r"_SetFinalizing$"),
    # _PyTuple_ClearFreeList, _PyAsyncGen_ClearFreeLists, clear_freelists
    re.compile(r"(?i)clear_?(?:all_?)?free_?lists?$"),
    # _PyImport_ClearModules, _PySys_ClearAuditHooks, _PyUnicode_ClearInterned, _Py_clear_generic_types
    re.compile(r"^_Py\w*_Clear[A-Z]\w+$"),
    re.compile(r"^_Py\w*_clear_\w+$"),
    re.compile(r"^_?PyInterpreterState_(?:Clear|Delete)$"),
    re.compile(r"(?i)(?:^|_)(?:cleanup|shutdown)$"),
    re.compile(r"_(?:Cleanup|Shutdown)$"),
    re.compile(r"_deinit$"),
    re.compile(r"^call_\w*exitfuncs$"),
)

#: Functions that the patterns find and that end nothing: helpers, predicates, and what a running
#: program calls all the time.
NOT_STEPS: FrozenSet[str] = frozenset(
    {
        # one object's, one attribute's or one error's worth of clearing
        "_PyDict_ClearKeysVersion",
        "_PyImport_ClearExtension",
        "_PyObject_ClearInstanceAttributes",
        "_PySet_ClearInternal",
        "_PyTraceMalloc_ClearTraces",
        "_PyXI_ClearExcInfo",
        "_PyErr_ClearExcState",
        "_PyExc_ClearExcInfo",
        "_PyFrame_ClearExceptCode",
        "_PyFrame_ClearLocals",
        "_PyFunction_ClearCodeByVersion",
        "_PyFunction_ClearVersion",
        "_PyObject_ClearManagedDict",
        "_PyStaticType_ClearWeakRefs",
        "_PySys_ClearAttrString",
        "_PyType_ClearCache",
        "_PyWideStringList_ClearEx",
        "_PyWeakref_ClearRef",
        "_PyWeakref_ClearWeakRefsNoCallbacks",
        "_PyWeakref_ClearWeakRefsExceptCallbacks",
        "_Py_ClearExecutorDeletionList",
        "_Py_ClearImmortal",
        "_Py_ClearTLBCIndex",
        "_Py_ClearUnusedTLBC",
        # finalizers of objects, called by the collector
        "PyObject_CallFinalizer",
        "PyObject_CallFinalizerFromDealloc",
        "_PyGen_Finalize",
        "finalize_garbage",
        # reference counts of one thread, whenever a thread ends
        "_PyObject_FinalizePerThreadRefcounts",
        # predicates and accessors of the finalizing flag
        "Py_IsFinalizing",
        "_Py_IsFinalizing",
        "_Py_IsInterpreterFinalizing",
        "_Py_IsMainInterpreterFinalizing",
        "_PyInterpreterState_GetFinalizing",
        "_PyInterpreterState_GetFinalizingID",
        "_PyInterpreterState_SetFinalizingID",
        "_PyRuntimeState_GetFinalizing",
        "_PyRuntimeState_GetFinalizingID",
        "_PyRuntimeState_SetFinalizingID",
        "_Py_CURRENTLY_FINALIZING",
        # the end of a compilation or of a Python-level call, not of the runtime
        "PyInstructionSequence_Fini",
        "_PyCfgBuilder_Fini",
        "_PyNode_FinalizeEndPos",
        "_PyPegen_clear_memo_statistics",
        "thread_shutdown",
        # the ELF file's own
        "_fini",
        # atomics and locks
        "_Py_atomic_flag_clear",
        "_Py_atomic_clear_explicit",
    }
)


def base_name(function: str) -> str:
    """Return a function's name without what linkers and compilers add (``@plt``, ``.part.0``)."""
    return function.split("@", 1)[0].split(".", 1)[0]


def looks_like_step(function: str) -> bool:
    """Tell whether a function unknown to the catalogue has the name of a finalization step."""
    name = base_name(function)
    return name not in NOT_STEPS and any(pattern.search(name) for pattern in STEP_PATTERNS)
