"""The catalogue: consistent in itself, and true to what real builds of CPython were seen to do."""

from __future__ import annotations

import re
from typing import Dict, Tuple

import pytest

from fingdb.finalization import catalogue
from fingdb.finalization.catalogue.after_finalize import CALLABLE
from fingdb.finalization.catalogue.names import NOT_STEPS
from fingdb.model.phase import Phase

Version = Tuple[int, int]
PHASES_IN_ORDER = list(Phase)

# The order in which breakpoints hit on ``python3 -c pass``: version of the build, and its steps, with
# repetitions left out.
MEASURED: Dict[str, Tuple[Version, str]] = {
    "cpython-3.8.18-pyenv": (
        (3, 8),
        """
        Py_FinalizeEx wait_for_thread_shutdown _Py_FinishPendingCalls flush_std_files
        PyOS_FiniInterrupts _PyGC_CollectIfEnabled PyMethod_ClearFreeList PyFrame_ClearFreeList
        PyCFunction_ClearFreeList PyTuple_ClearFreeList PyUnicode_ClearFreeList
        PyFloat_ClearFreeList PyList_ClearFreeList PyDict_ClearFreeList PySet_ClearFreeList
        PyAsyncGen_ClearFreeLists PyContext_ClearFreeList _PyGC_CollectNoFail PyMethod_ClearFreeList
        PyFrame_ClearFreeList PyCFunction_ClearFreeList PyTuple_ClearFreeList
        PyUnicode_ClearFreeList PyFloat_ClearFreeList PyList_ClearFreeList PyDict_ClearFreeList
        PySet_ClearFreeList PyAsyncGen_ClearFreeLists PyContext_ClearFreeList _PyModule_Clear
        _PyModule_ClearDict _PyGC_CollectNoFail PyMethod_ClearFreeList PyFrame_ClearFreeList
        PyCFunction_ClearFreeList PyTuple_ClearFreeList PyUnicode_ClearFreeList
        PyFloat_ClearFreeList PyList_ClearFreeList PyDict_ClearFreeList PySet_ClearFreeList
        PyAsyncGen_ClearFreeLists PyContext_ClearFreeList _PyEval_Fini flush_std_files
        _PyTraceMalloc_Fini _PyImport_Fini _PyType_Fini _PyFaulthandler_Fini
        PyInterpreterState_Clear _PyInterpreterState_Clear PyThreadState_Clear _PyExc_Fini
        PyMethod_Fini PyMethod_ClearFreeList PyFrame_Fini PyFrame_ClearFreeList PyCFunction_Fini
        PyCFunction_ClearFreeList PyTuple_Fini PyTuple_ClearFreeList PyList_Fini
        PyList_ClearFreeList PySet_Fini PyBytes_Fini PyLong_Fini PyFloat_Fini PyFloat_ClearFreeList
        PyDict_Fini PyDict_ClearFreeList PySlice_Fini _PyGC_Fini _PyWarnings_Fini
        _Py_HashRandomization_Fini _PyArg_Fini PyAsyncGen_Fini PyAsyncGen_ClearFreeLists
        PyContext_ClearFreeList _PyHamt_Fini _PyUnicode_Fini PyUnicode_ClearFreeList
        _PyGILState_Fini PyInterpreterState_Delete _PyRuntimeState_Fini _PyImport_Fini2
        _PyRuntimeState_Fini
        """,
    ),
    "cpython-3.11.2-debian": (
        (3, 11),
        """
        wait_for_thread_shutdown _Py_FinishPendingCalls _PyAtExit_Call _PySignal_Fini
        _PyRuntimeState_SetFinalizing _PyThreadState_DeleteExcept flush_std_files gc_collect_main
        _PyTuple_ClearFreeList _PyFloat_ClearFreeList _PyList_ClearFreeList _PyDict_ClearFreeList
        _PyAsyncGen_ClearFreeLists _PyContext_ClearFreeList finalize_modules
        finalize_modules_delete_special finalize_remove_modules finalize_clear_modules_dict
        finalize_restore_builtins _PyGC_CollectNoFail gc_collect_main _PyTuple_ClearFreeList
        _PyFloat_ClearFreeList _PyList_ClearFreeList _PyDict_ClearFreeList
        _PyAsyncGen_ClearFreeLists _PyContext_ClearFreeList finalize_modules_clear_weaklist
        _PyModule_Clear _PyModule_ClearDict finalize_clear_sys_builtins_dict _PyModule_ClearDict
        _PyInterpreterState_ClearModules _PyModule_ClearDict _PyGC_CollectNoFail gc_collect_main
        _PyTuple_ClearFreeList _PyFloat_ClearFreeList _PyList_ClearFreeList _PyDict_ClearFreeList
        _PyAsyncGen_ClearFreeLists _PyContext_ClearFreeList flush_std_files _PyTraceMalloc_Fini
        _PyImport_Fini _PyFaulthandler_Fini finalize_interp_clear _PyInterpreterState_Clear
        interpreter_clear PyThreadState_Clear _PyAST_Fini _PyWarnings_Fini _PyAtExit_Fini
        _PyGC_CollectNoFail gc_collect_main _PyTuple_ClearFreeList _PyFloat_ClearFreeList
        _PyList_ClearFreeList _PyDict_ClearFreeList _PyAsyncGen_ClearFreeLists
        _PyContext_ClearFreeList _PyGC_Fini _PyIO_Fini _Py_HashRandomization_Fini _PyArg_Fini
        _Py_Deepfreeze_Fini finalize_interp_types _PyUnicode_FiniTypes _PySys_Fini
        _PyStructSequence_FiniType _PyExc_Fini _PyExc_FiniTypes _PyAsyncGen_Fini
        _PyAsyncGen_ClearFreeLists _PyContext_ClearFreeList _PyHamt_Fini _PyFloat_FiniType
        _PyStructSequence_FiniType _PyLong_FiniTypes _PyStructSequence_FiniType _PyThread_FiniType
        _PyStructSequence_FiniType _PyErr_FiniTypes _PyStructSequence_FiniType _PyTypes_Fini
        _PyTypes_FiniTypes _PyDict_Fini _PyDict_ClearFreeList _PyList_ClearFreeList _PyTuple_Fini
        _PySlice_Fini _PyUnicode_Fini _PyFloat_ClearFreeList finalize_interp_delete _PyGILState_Fini
        PyInterpreterState_Delete _PyEval_FiniState call_ll_exitfuncs _PyRuntimeState_Fini
        _PyImport_Fini2 _PyRuntimeState_Fini
        """,
    ),
    "cpython-3.13.0-pyenv": (
        (3, 13),
        """
        wait_for_thread_shutdown _Py_FinishPendingCalls _PyAtExit_Call
        _PyInterpreterState_SetFinalizing _PyRuntimeState_SetFinalizing _PyThreadState_DeleteList
        flush_std_files _PySignal_Fini gc_collect_main _PyObject_ClearFreeLists
        _PyFloat_ClearFreeList _PyTuple_ClearFreeList _PyList_ClearFreeList _PyDict_ClearFreeList
        _PyContext_ClearFreeList _PyAsyncGen_ClearFreeLists _PyObjectStackChunk_ClearFreeList
        _PySlice_ClearFreeList _PyImport_FiniExternal finalize_modules
        finalize_modules_delete_special finalize_remove_modules finalize_clear_modules_dict
        finalize_restore_builtins _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists
        _PyFloat_ClearFreeList _PyTuple_ClearFreeList _PyList_ClearFreeList _PyDict_ClearFreeList
        _PyContext_ClearFreeList _PyAsyncGen_ClearFreeLists _PyObjectStackChunk_ClearFreeList
        _PySlice_ClearFreeList finalize_modules_clear_weaklist _PyModule_Clear _PyModule_ClearDict
        finalize_clear_sys_builtins_dict _PyModule_ClearDict _PyGC_CollectNoFail gc_collect_main
        _PyObject_ClearFreeLists _PyFloat_ClearFreeList _PyTuple_ClearFreeList _PyList_ClearFreeList
        _PyDict_ClearFreeList _PyContext_ClearFreeList _PyAsyncGen_ClearFreeLists
        _PyObjectStackChunk_ClearFreeList _PySlice_ClearFreeList finalize_subinterpreters
        _PyEval_Fini flush_std_files _PyTraceMalloc_Fini _PyImport_FiniCore _PyImport_Fini
        fini_builtin_modules_table _PyFaulthandler_Fini finalize_interp_clear _PyXI_Fini
        _PyDtoa_Fini _PyInterpreterState_Clear interpreter_clear PyThreadState_Clear _PyCodec_Fini
        _PyAST_Fini _PyWarnings_Fini _PyAtExit_Fini _PyGC_CollectNoFail gc_collect_main
        _PyObject_ClearFreeLists _PyFloat_ClearFreeList _PyTuple_ClearFreeList _PyList_ClearFreeList
        _PyDict_ClearFreeList _PyContext_ClearFreeList _PyAsyncGen_ClearFreeLists
        _PyObjectStackChunk_ClearFreeList _PySlice_ClearFreeList _PyGC_Fini
        _Py_HashRandomization_Fini _PyArg_Fini _PyPerfTrampoline_Fini finalize_interp_types
        _PyTypes_FiniExtTypes _PyUnicode_FiniTypes _PyStaticType_FiniBuiltin fini_static_type
        _PySys_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type
        _PyXI_FiniTypes fini_exceptions _PyStaticType_FiniBuiltin fini_static_type _PyExc_Fini
        _PyExc_FiniTypes _PyStaticType_FiniBuiltin fini_static_type _PyFloat_FiniType
        _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type _PyLong_FiniTypes
        _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type _PyThread_FiniType
        _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type _PyErr_FiniTypes
        _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type _PyTypes_FiniTypes
        _PyStaticType_FiniBuiltin fini_static_type _PyTypes_Fini _PyCode_Fini _PyUnicode_Fini
        _PyObject_ClearFreeLists _PyFloat_ClearFreeList _PyTuple_ClearFreeList _PyList_ClearFreeList
        _PyDict_ClearFreeList _PyContext_ClearFreeList _PyAsyncGen_ClearFreeLists
        _PyObjectStackChunk_ClearFreeList _PySlice_ClearFreeList _PyMem_FiniDelayed
        _PyThreadState_ClearMimallocHeaps finalize_interp_delete _PyGILState_Fini
        PyInterpreterState_Delete _PyInterpreterState_FinalizeAllocatedBlocks _PyObject_FiniState
        _Py_FinalizeAllocatedBlocks call_ll_exitfuncs _PyRuntimeState_Fini _PyImport_Fini2
        _PyRuntimeState_Fini
        """,
    ),
    "cpython-3.14.10-debian": (
        (3, 14),
        """
        wait_for_thread_shutdown _Py_FinishPendingCalls _PyAtExit_Call finalize_subinterpreters
        _PyInterpreterState_SetFinalizing _PyRuntimeState_SetFinalizing _PySignal_Fini
        _PyThreadState_DeleteList flush_std_files gc_collect_main _PyObject_ClearFreeLists
        _PyImport_FiniExternal finalize_modules finalize_modules_delete_special
        finalize_remove_modules finalize_clear_modules_dict finalize_restore_builtins
        _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists finalize_modules_clear_weaklist
        _PyModule_Clear _PyModule_ClearDict finalize_clear_sys_builtins_dict _PyModule_ClearDict
        _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists flush_std_files
        _PyTraceMalloc_Fini _PyImport_FiniCore _PyImport_Fini fini_builtin_modules_table
        _PyFaulthandler_Fini finalize_interp_clear _PyXI_Fini _PyInterpreterState_Clear
        interpreter_clear PyThreadState_Clear _PyCodec_Fini _PyAST_Fini _PyAtExit_Fini
        _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists _PyGC_Fini _PyWarnings_Fini
        _Py_HashRandomization_Fini _PyArg_Fini _PyPerfTrampoline_Fini _PyTypes_FiniExtTypes
        finalize_interp_types fini_static_type _PyUnicode_FiniTypes _PyStaticType_FiniBuiltin
        fini_static_type _PySys_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin
        fini_static_type _PyXI_FiniTypes _PyStaticType_FiniBuiltin fini_static_type _PyExc_Fini
        _PyExc_FiniTypes _PyStaticType_FiniBuiltin fini_static_type _PyFloat_FiniType
        _PyTypes_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type
        _PyLong_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type
        _PyThread_FiniType _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type
        _PyErr_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin fini_static_type
        _PyTypes_Fini _PyUnicode_Fini _PyObject_ClearFreeLists _PyDtoa_Fini _PyMem_FiniDelayed
        finalize_interp_delete _PyGILState_Fini PyInterpreterState_Delete
        _PyInterpreterState_FinalizeAllocatedBlocks _Py_FinalizeAllocatedBlocks call_ll_exitfuncs
        _PyRuntimeState_Fini _PyImport_Fini2 _PyRuntimeState_Fini
        """,
    ),
    "cpython-3.15.2-debian": (
        (3, 15),
        """
        _PyInterpreterState_SetFinalizing _PyRuntimeState_SetFinalizing _PyThreadState_DeleteList
        _PySignal_Fini flush_std_files gc_collect_main _PyObject_ClearFreeLists
        _PyImport_FiniExternal finalize_modules finalize_modules_delete_special
        finalize_remove_modules finalize_clear_modules_dict finalize_restore_builtins
        _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists finalize_modules_clear_weaklist
        _PyModule_Clear _PyModule_ClearDict finalize_clear_sys_builtins_dict _PyModule_ClearDict
        _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists flush_std_files
        _PyTraceMalloc_Fini _PyImport_FiniCore _PyImport_Fini fini_builtin_modules_table
        _PyFaulthandler_Fini finalize_interp_clear _PyXI_Fini _PyTypes_FiniCachedDescriptors
        _PyInterpreterState_Clear interpreter_clear PyThreadState_Clear _PyCodec_Fini _PyAST_Fini
        _PyAtExit_Fini _PyGC_CollectNoFail gc_collect_main _PyObject_ClearFreeLists _PyGC_Fini
        _PyWarnings_Fini _Py_HashRandomization_Fini _PyArg_Fini _PyPerfTrampoline_Fini
        _PyTypes_FiniExtTypes finalize_interp_types fini_static_type _PyUnicode_FiniTypes
        _PyStaticType_FiniBuiltin fini_static_type _PySys_FiniTypes _PyStructSequence_FiniBuiltin
        _PyStaticType_FiniBuiltin fini_static_type _PyXI_FiniTypes _PyStaticType_FiniBuiltin
        fini_static_type _PyExc_Fini _PyExc_FiniTypes _PyStaticType_FiniBuiltin fini_static_type
        _PyFloat_FiniType _PyTypes_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin
        fini_static_type _PyLong_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin
        fini_static_type _PyThread_FiniType _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin
        fini_static_type _PyErr_FiniTypes _PyStructSequence_FiniBuiltin _PyStaticType_FiniBuiltin
        fini_static_type _PyTypes_Fini _PyUnicode_Fini _PyObject_ClearFreeLists _PyDtoa_Fini
        _PyMem_FiniDelayed _PyGILState_Fini finalize_interp_delete PyInterpreterState_Delete
        _PyInterpreterState_FinalizeAllocatedBlocks _Py_FinalizeAllocatedBlocks call_ll_exitfuncs
        _PyRuntimeState_Fini _PyImport_Fini2 _PyRuntimeState_Fini
        """,
    ),
}

# What the finalization functions of these builds call besides, and what is no step of theirs.
HELPERS = """
    PyErr_Clear _PyErr_Clear PyDict_Clear PyDict_Next PyObject_ClearWeakRefs PyObject_GC_Del PyMem_RawFree
    PyMem_Free PyThread_free_lock PyThread_release_lock PyThread_tss_delete _PyMutex_Lock _PyMutex_Unlock
    PyMutex_LockFlags _Py_Dealloc Py_DECREF Py_XDECREF _Py_ClearImmortal _PyWeakref_ClearRef
    _PyStaticType_ClearWeakRefs _PySys_ClearAttrString _PyWideStringList_Clear _PyType_ClearCache
    PyType_ClearCache _Py_IsFinalizing _Py_IsMainInterpreterFinalizing _PyInterpreterState_GetFinalizing
    _PyRuntimeState_GetFinalizing _Py_CURRENTLY_FINALIZING PyObject_CallFinalizer
    PyObject_CallFinalizerFromDealloc finalize_garbage handle_legacy_finalizers move_legacy_finalizers
    has_legacy_finalizer delete_garbage gc_clear_collecting gc_list_init clear_unreachable_mask
    _PyGC_FINALIZED _PyGC_SET_FINALIZED _PyGCHead_SET_FINALIZED _PyEval_StartTheWorldAll _PySys_Audit
    PySys_WriteStderr PyThreadState_Swap _PyThreadState_Detach PyThread_exit_thread exit fflush fwrite
    current_fast_clear tstate_delete_common type_dealloc_common clear_tp_dict _Py_hashtable_destroy
    _PyMem_SetDefaultAllocator PyOS_setsig _PyFile_Flush invoke_gc_callback thread_shutdown _fini
    _PyObject_FinalizePerThreadRefcounts _PyGen_Finalize
""".split()


def versions_of(row: catalogue.Step) -> Tuple[Version, Version]:
    return row.since or (3, 8), row.until or (3, 99)


@pytest.mark.parametrize("build", MEASURED)
def test_every_measured_step_is_catalogued(build: str) -> None:
    unknown = [name for name in MEASURED[build][1].split() if catalogue.step_named(name) is None]
    assert unknown == []


@pytest.mark.parametrize("build", MEASURED)
def test_rows_cover_the_version_they_were_seen_in(build: str) -> None:
    version, names = MEASURED[build]
    for name in names.split():
        row = catalogue.step_named(name)
        assert row is not None
        first, last = versions_of(row)
        assert first <= version <= last, (name, row.since, row.until)


@pytest.mark.parametrize("build", MEASURED)
def test_phases_only_go_forward(build: str) -> None:
    reached = Phase.RUNNING
    for name in MEASURED[build][1].split():
        row = catalogue.step_named(name)
        assert row is not None
        if row.begins is not None:
            assert PHASES_IN_ORDER.index(row.begins) >= PHASES_IN_ORDER.index(reached), (name, reached)
            reached = row.begins
    assert reached is Phase.AFTER_FINALIZE


def test_every_phase_has_a_step_that_begins_it() -> None:
    begun = {row.begins for row in catalogue.steps()}
    assert begun == {None, *PHASES_IN_ORDER} - {Phase.RUNNING}


def test_names_belong_to_one_row() -> None:
    names = [name for row in catalogue.steps() for name in row.names]
    assert sorted(names) == sorted(set(names))
    keys = [row.key for row in catalogue.steps()]
    assert sorted(keys) == sorted(set(keys))


def test_keys_are_the_newest_names() -> None:
    for row in catalogue.steps():
        assert row.key == row.names[0]
        assert catalogue.step(row.key) is row
        for name in row.names:
            assert catalogue.step_named(name) is row


def test_versions_are_in_order() -> None:
    for row in catalogue.steps():
        first, last = versions_of(row)
        assert (3, 8) <= first <= last, row.key


def test_suffixes_of_compilers_and_linkers_do_not_hide_a_step() -> None:
    for name in (
        "_Py_Finalize.constprop.0",
        "_PyPerfTrampoline_Fini.isra.0",
        "_PyGC_Fini@plt",
        "interpreter_clear.lto_priv.0.cold",
    ):
        row = catalogue.step_named(name)
        assert row is not None
        assert row.key == re.split("[.@]", name)[0]
        assert catalogue.is_step(name)


def test_what_readers_see_is_a_clause() -> None:
    for row in catalogue.steps():
        if row.gone is not None:
            assert row.gone == row.gone.strip()
            assert not row.gone.endswith((".", ",")), row.key
    for part in catalogue.subsystems():
        assert part.consequence is not None, part.key
        assert part.consequence.endswith("."), part.key


def test_references_are_urls() -> None:
    references = [row.reference for row in catalogue.steps()]
    references += [part.reference for part in catalogue.subsystems()]
    references += [function.reference for function in CALLABLE]
    for reference in references:
        if reference is not None:
            assert re.fullmatch(
                r"https://(bugs\.python\.org/issue\d+|github\.com/python/cpython/(issues/\d+|blob/v[\d.]+/\S+)"
                r"|docs\.python\.org/3(\.\d+)?/\S+)",
                reference,
            ), reference


@pytest.mark.parametrize(
    "name",
    [
        "_PyFuture_Fini",
        "_PyFuture_FiniTypes",
        "_PyFuture_FiniState.part.0",
        "PyFuture_Fini2",
        "future_fini",
        "fini_future_types",
        "finalize_future",
        "_PyFuture_Finalize",
        "_Py_FinalizeFuture",
        "_PyFuture_ClearFreeList",
        "_PyFuture_ClearFreeLists",
        "_PyFuture_ClearModules",
        "_PyFutureState_SetFinalizing",
        "future_cleanup",
        "_PyFuture_Shutdown",
        "future_deinit",
    ],
)
def test_an_unknown_step_is_recognised_by_its_name(name: str) -> None:
    assert catalogue.step_named(name) is None
    assert catalogue.is_step(name)


@pytest.mark.parametrize("name", HELPERS)
def test_helpers_are_no_steps(name: str) -> None:
    assert not catalogue.is_step(name)
    assert not catalogue.is_step(f"{name}@plt")


def test_exclusions_are_needed_and_contradict_no_row() -> None:
    for name in NOT_STEPS:
        assert catalogue.step_named(name) is None, name


def test_roots() -> None:
    assert catalogue.roots() == {
        "Py_FinalizeEx": "main",
        "_Py_Finalize": "main",
        "Py_EndInterpreter": "subinterpreter",
        "pymain_free": "after",
    }
    row = catalogue.step_named("pymain_free")
    assert row is not None
    assert row.hosts == ("Py_RunMain",)


def test_subsystems_and_steps_agree() -> None:
    keys = [part.key for part in catalogue.subsystems()]
    assert sorted(keys) == sorted(set(keys))
    for part in catalogue.subsystems():
        assert catalogue.subsystem(part.key) is part
        assert part.ended_by, part.key
        for key in part.ended_by:
            assert catalogue.step(key) is not None, (part.key, key)
            assert part in catalogue.subsystems_ended_by(key)
        assert len(set(part.touched_by)) == len(part.touched_by), part.key
        assert len(set(part.owns)) == len(part.owns), part.key
    for row in catalogue.steps():
        if row.ends is not None:
            ended = catalogue.subsystem(row.ends)
            assert ended is not None, row.key
            assert row.key in ended.ended_by


def test_a_step_that_every_collection_runs_ends_nothing() -> None:
    # Collections run long before finalization, and several times in it.
    for row in catalogue.steps():
        if "ClearFreeList" in row.key or "ollect" in row.key or row.repeats:
            assert row.ends is None, row.key
            assert catalogue.subsystems_ended_by(row.key) == ()


def test_owned_objects_are_named_by_place() -> None:
    place = re.compile(r"(interp|runtime)(\.\w+)+|[\w-]+\.c:\w+")
    for part in catalogue.subsystems():
        for where in part.owns:
            assert place.fullmatch(where), (part.key, where)


@pytest.mark.parametrize(
    "key",
    "atexit signals imports modules module-state sys-builtins gc warnings ast codecs exceptions unicode "
    "interned-strings small-ints types contexts tracemalloc faulthandler gil-state daemon-threads "
    "thread-states runtime free-list-tuple free-list-list free-list-dict free-list-float "
    "free-list-async-gen free-list-frame free-list-method free-list-c-function".split(),
)
def test_subsystems_that_the_ledger_needs(key: str) -> None:
    assert catalogue.subsystem(key) is not None


def test_unknown_names_have_no_rows() -> None:
    assert catalogue.step("no such step") is None
    assert catalogue.step_named("PyDict_SetItem") is None
    assert catalogue.subsystem("no such part") is None
    assert catalogue.subsystems_ended_by("PyDict_SetItem") == ()
    assert not catalogue.is_step("")


def test_callable_after_finalize() -> None:
    names = catalogue.callable_after_finalize()
    assert len(names) == len(CALLABLE)
    assert {"Py_IsInitialized", "PyMem_RawFree", "Py_InitializeFromConfig"} <= names
    assert not names & {"PyGILState_Ensure", "PyMem_Free", "PyObject_Free", "Py_EncodeLocale", "Py_GetPath"}
