"""C API that is documented as callable when Python is not initialized, and so after Py_FinalizeEx; and what by its
source needs nothing of an interpreter, where well-made extensions rely on that.

Everything else that the runtime's library exports is a touch then. Functions that begin a new life
of the runtime (``Py_InitializeFromConfig`` and the like) call any other function while they run.
"""

from __future__ import annotations

from typing import FrozenSet, NamedTuple, Tuple

_DOCS = "https://docs.python.org/3/c-api/"
_BEFORE = f"{_DOCS}init.html#before-python-initialization"
_BEFORE_3_9 = "https://docs.python.org/3.9/c-api/init.html#before-python-initialization"
_SOURCE = "https://github.com/python/cpython/blob/v3.13.0/Python/"
_STATE, _LIFECYCLE, _THREAD = f"{_SOURCE}pystate.c", f"{_SOURCE}pylifecycle.c", f"{_SOURCE}thread_pthread.h"


class LateCallable(NamedTuple):
    """A function that may be called without an initialized runtime, and where that is written."""

    name: str
    reference: str


def _listed(reference: str, *names: str) -> Tuple[LateCallable, ...]:
    return tuple(LateCallable(name, reference) for name in names)


#: What begins a life of the runtime: once one of them runs, everything may be called again.
BEGIN_A_LIFE: Tuple[str, ...] = ("Py_Initialize", "Py_InitializeEx", "Py_InitializeFromConfig", "Py_Main", "Py_BytesMain")

CALLABLE: Tuple[LateCallable, ...] = (
    # The list of functions that "can be safely called before Python is initialized".
    *_listed(
        _BEFORE,
        "PyImport_AppendInittab",
        "PyImport_ExtendInittab",
        "PyInitFrozenExtensions",
        "PyMem_SetAllocator",
        "PyMem_SetupDebugHooks",
        "PyObject_SetArenaAllocator",
        "Py_SetProgramName",
        "Py_SetPythonHome",
        "PySys_ResetWarnOptions",
        "Py_IsInitialized",
        "PyMem_GetAllocator",
        "PyObject_GetArenaAllocator",
        "Py_GetBuildInfo",
        "Py_GetCompiler",
        "Py_GetCopyright",
        "Py_GetPlatform",
        "Py_GetVersion",
        "Py_DecodeLocale",
        "PyMem_RawMalloc",
        "PyMem_RawRealloc",
        "PyMem_RawCalloc",
        "PyMem_RawFree",
        "PyMutex_Lock",
        "PyMutex_Unlock",
    ),
    # The same list in versions whose API had these functions.
    *_listed(
        _BEFORE_3_9,
        "Py_SetPath",
        "Py_SetStandardStreamEncoding",
        "PySys_AddWarnOption",
        "PySys_AddXOption",
    ),
    # "This function is safe to call before Py_Initialize()."
    *_listed(f"{_DOCS}sys.html#c.PySys_AddAuditHook", "PySys_AddAuditHook"),
    *_listed(f"{_DOCS}file.html#c.PyFile_SetOpenCodeHook", "PyFile_SetOpenCodeHook"),
    # "This is a no-op when called for a second time."
    *_listed(f"{_DOCS}init.html#c.Py_FinalizeEx", "Py_FinalizeEx", "Py_Finalize"),
    *_listed(f"{_DOCS}init.html#c.Py_IsFinalizing", "Py_IsFinalizing"),
    # "This function can be called from any thread at any time."
    *_listed(f"{_DOCS}init.html#c.PyGILState_Check", "PyGILState_Check"),
    # What begins a new life of the runtime, and what prepares it.
    *_listed(
        f"{_DOCS}init.html#initializing-and-finalizing-the-interpreter",
        "Py_Initialize",
        "Py_InitializeEx",
        "Py_Main",
        "Py_BytesMain",
    ),
    *_listed(
        f"{_DOCS}init_config.html",
        "PyConfig_Clear",
        "PyConfig_InitIsolatedConfig",
        "PyConfig_InitPythonConfig",
        "PyConfig_Read",
        "PyConfig_SetArgv",
        "PyConfig_SetBytesArgv",
        "PyConfig_SetBytesString",
        "PyConfig_SetString",
        "PyConfig_SetWideStringList",
        "PyPreConfig_InitIsolatedConfig",
        "PyPreConfig_InitPythonConfig",
        "PyStatus_Error",
        "PyStatus_Exception",
        "PyStatus_Exit",
        "PyStatus_IsError",
        "PyStatus_IsExit",
        "PyStatus_NoMemory",
        "PyStatus_Ok",
        "PyWideStringList_Append",
        "PyWideStringList_Insert",
        "Py_ExitStatusException",
        "Py_InitializeFromConfig",
        "Py_PreInitialize",
        "Py_PreInitializeFromArgs",
        "Py_PreInitializeFromBytesArgs",
    ),
    # Questions whether Python is there: they do nothing but read a static word of the runtime, NULL or 0 by then. What is
    # done with the answer is another call.
    *_listed(
        _STATE,
        "PyInterpreterState_Head",
        "PyInterpreterState_Main",
        "PyThreadState_GetUnchecked",
        "_PyThreadState_UncheckedGet",
        "PyGILState_GetThisThreadState",
    ),
    *_listed(_LIFECYCLE, "_Py_IsFinalizing", "_Py_IsCoreInitialized"),
    # Plain C around the C library and native threads, without a use for an interpreter.
    *_listed(
        f"{_DOCS}conversion.html",
        "PyOS_snprintf",
        "PyOS_vsnprintf",
        "PyOS_mystricmp",
        "PyOS_mystrnicmp",
        "PyOS_strtol",
        "PyOS_strtoul",
    ),
    *_listed(
        _THREAD,
        "PyThread_get_thread_ident",
        "PyThread_get_thread_native_id",
        "PyThread_allocate_lock",
        "PyThread_free_lock",
        "PyThread_acquire_lock",
        "PyThread_release_lock",
    ),
    # "The GIL does not need to be held when calling these functions": keys of native threads, without
    # an interpreter behind them.
    *_listed(
        f"{_DOCS}init.html#thread-local-storage-support",
        "PyThread_tss_alloc",
        "PyThread_tss_free",
        "PyThread_tss_is_created",
        "PyThread_tss_create",
        "PyThread_tss_delete",
        "PyThread_tss_set",
        "PyThread_tss_get",
        "PyThread_create_key",
        "PyThread_delete_key",
        "PyThread_set_key_value",
        "PyThread_get_key_value",
        "PyThread_delete_key_value",
    ),
)

NAMES: FrozenSet[str] = frozenset(row.name for row in CALLABLE)
