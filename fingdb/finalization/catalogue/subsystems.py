"""The parts of the runtime that finalization ends: what ends them, what needs them, what they own.

``touched_by`` names the places where use of a subsystem comes together, exported or static, rather
than every function of its API, so that one use is one touch. Names of all versions stand side by
side: what a build does not have is simply not there to be watched.
"""

from __future__ import annotations

from typing import Tuple

from .rows import Subsystem, bpo, gh

_LEAKS = "Objects go to, or come from, a list that nobody empties any more: they leak."


def _free_list(
    of: str, title: str, ended_by: Tuple[str, ...], touched_by: Tuple[str, ...], owns: Tuple[str, ...]
) -> Subsystem:
    """Return the row of one type's free list; from 3.13 one step ends them all."""
    return Subsystem(
        key=f"free-list-{of}",
        title=title,
        ended_by=(*ended_by, "finalize_interp_types"),
        touched_by=touched_by,
        owns=owns,
        consequence=_LEAKS,
        reference=bpo(40887),
    )


SUBSYSTEMS: Tuple[Subsystem, ...] = (
    # -- threads, exit callbacks, signals -------------------------------------------------------
    Subsystem(
        key="atexit",
        title="atexit callbacks",
        ended_by=("_PyAtExit_Call", "_PyAtExit_Fini"),
        touched_by=("atexit_register", "PyUnstable_AtExit", "_Py_AtExit"),
        owns=("interp.atexit.callbacks", "interp.pyexitfunc", "interp.pyexitmodule"),
        consequence="A callback that is registered now is never called.",
        reference=bpo(42639),
    ),
    Subsystem(
        key="daemon-threads",
        title="threads other than the finalizing one",
        ended_by=("_PyRuntimeState_SetFinalizing", "_PyInterpreterState_SetFinalizing"),
        touched_by=(
            "PyGILState_Ensure",
            "PyEval_RestoreThread",
            "PyEval_AcquireThread",
            "PyEval_AcquireLock",
            "_PyThreadState_Attach",
            "take_gil",
        ),
        owns=("interp.tstate_head", "interp.threads.head"),
        consequence=(
            "The thread is ended with pthread_exit inside the call (up to early releases of 3.13) or hangs in it for "
            "ever (later); the code after the call never runs, and what it held stays held."
        ),
        reference=gh(87135),
        other_threads_only=True,
    ),
    Subsystem(
        key="signals",
        title="Python signal handlers",
        ended_by=("_PySignal_Fini",),
        touched_by=("signal_signal", "signal_handler", "PyErr_SetInterrupt", "PyErr_SetInterruptEx"),
        owns=(
            "runtime.signals.handlers",
            "signalmodule.c:Handlers",
            "signalmodule.c:DefaultHandler",
            "signalmodule.c:signal_global_state",
        ),
        consequence="A handler installed now outlives the interpreter that would have to run it.",
    ),
    # -- modules and imports ----------------------------------------------------------------------
    Subsystem(
        key="import-external",
        title="imports from files",
        ended_by=("_PyImport_FiniExternal",),
        touched_by=("PyImport_GetImporter",),
        consequence="Only built-in and frozen modules can still be imported.",
    ),
    Subsystem(
        key="modules",
        title="sys.modules and the modules",
        ended_by=("finalize_modules",),
        touched_by=("PyImport_GetModuleDict", "PyImport_GetModule"),
        owns=("interp.modules", "interp.imports.modules"),
        consequence="Modules are cleared: their globals are None, and looking a module up finds nothing.",
    ),
    Subsystem(
        key="imports",
        title="the import system",
        ended_by=(
            "finalize_modules_delete_special",
            "finalize_modules",
            "_PyImport_FiniCore",
            "_PyImport_ClearCore",
            "_PyInterpreterState_Clear",
        ),
        touched_by=(
            "PyImport_ImportModuleLevelObject",
            "PyImport_Import",
            "PyImport_ReloadModule",
            "PyImport_AddModuleObject",
            "PyImport_AddModuleRef",
            "PyImport_ExecCodeModuleObject",
        ),
        owns=(
            "interp.importlib",
            "interp.imports.importlib",
            "interp.import_func",
            "interp.imports.import_func",
        ),
        consequence="The import fails: 'sys.meta_path is None, Python is likely shutting down'.",
    ),
    Subsystem(
        key="extensions",
        title="the table of extension modules",
        ended_by=("_PyImport_Fini",),
        touched_by=(
            "_PyImport_FixupExtensionObject",
            "_PyImport_FindExtensionObject",
            "_PyImport_LoadDynamicModuleWithSpec",
        ),
        owns=("runtime.imports.extensions.hashtable", "import.c:extensions"),
        consequence="The table is made again and leaks.",
    ),
    Subsystem(
        key="module-state",
        title="module states",
        ended_by=("_PyImport_ClearModulesByIndex",),
        touched_by=("PyState_FindModule", "PyState_AddModule", "PyState_RemoveModule"),
        owns=("interp.modules_by_index", "interp.imports.modules_by_index"),
        consequence="PyState_FindModule returns NULL, or the state is cleared or freed memory.",
        reference=bpo(38076),
    ),
    Subsystem(
        key="sys-builtins",
        title="the sys and builtins dicts",
        ended_by=("finalize_clear_sys_builtins_dict", "finalize_modules"),
        touched_by=(
            "PySys_GetObject",
            "PySys_SetObject",
            "PySys_WriteStdout",
            "PySys_WriteStderr",
            "PySys_FormatStdout",
            "PySys_FormatStderr",
            "builtin_print",
            "PyEval_GetBuiltins",
            # A warning is written to sys.stderr: without it nobody sees it.
            "PyErr_WarnEx",
            "PyErr_WarnFormat",
            "PyErr_WarnExplicitObject",
            "warnings_warn",
        ),
        owns=(
            "interp.sysdict",
            "interp.builtins",
            "interp.builtins_copy",
            "interp.sysdict_copy",
        ),
        consequence="Names in sys and builtins are None or missing.",
    ),
    # -- tools ------------------------------------------------------------------------------------
    Subsystem(
        key="tracemalloc",
        title="tracemalloc",
        ended_by=("_PyTraceMalloc_Fini",),
        touched_by=("tracemalloc_start", "_PyTraceMalloc_Start"),
        owns=(
            "runtime.tracemalloc.traces",
            "runtime.tracemalloc.tracebacks",
            "_tracemalloc.c:tracemalloc_traces",
            "_tracemalloc.c:tracemalloc_tracebacks",
        ),
        consequence="Tracing started now is never stopped, and its tables leak.",
    ),
    Subsystem(
        key="faulthandler",
        title="faulthandler",
        ended_by=("_PyFaulthandler_Fini",),
        touched_by=(
            "faulthandler_py_enable",
            "faulthandler_dump_traceback_later",
            "faulthandler_register_py",
        ),
        owns=("runtime.faulthandler", "faulthandler.c:fatal_error"),
        consequence="Handlers installed now stay in the process and read thread states that are freed.",
    ),
    Subsystem(
        key="audit-hooks",
        title="audit hooks",
        ended_by=("_PySys_ClearAuditHooks",),
        owns=("runtime.audit_hook_head", "runtime.audit_hooks.head"),
        consequence="Events from here on are not audited.",
    ),
    # -- the interpreter --------------------------------------------------------------------------
    Subsystem(
        key="cross-interpreter",
        title="passing objects between interpreters",
        ended_by=("_PyXI_Fini",),
        touched_by=(
            "_PyObject_GetCrossInterpreterData",
            "_PyCrossInterpreterData_Lookup",
            "_PyCrossInterpreterData_RegisterClass",
        ),
        owns=("interp.xi.registry", "interp.xidregistry", "runtime.xi.registry", "runtime.xidregistry"),
        consequence="The registry is empty or freed memory: objects cannot be passed.",
    ),
    Subsystem(
        key="interpreter-state",
        title="the interpreter's own dict, configuration and hooks",
        ended_by=("_PyInterpreterState_Clear", "interpreter_clear"),
        touched_by=("PyInterpreterState_GetDict",),
        owns=("interp.dict", "interp.audit_hooks", "interp.before_forkers", "interp.monitoring_callables"),
        consequence="The dict is made again and leaks.",
    ),
    Subsystem(
        key="codecs",
        title="codecs and error handlers",
        # Up to 3.12 the interpreter releases them itself.
        ended_by=("_PyCodec_Fini", "_PyInterpreterState_Clear", "interpreter_clear"),
        touched_by=(
            "_PyCodec_Lookup",
            "PyCodec_Register",
            "PyCodec_RegisterError",
            "PyCodec_LookupError",
            "_PyCodecRegistry_Init",
        ),
        owns=(
            "interp.codec_search_path",
            "interp.codec_search_cache",
            "interp.codec_error_registry",
            "interp.codecs.search_path",
            "interp.codecs.search_cache",
            "interp.codecs.error_registry",
        ),
        consequence="The registry is made again and leaks, or the import of encodings fails, or it crashes.",
    ),
    Subsystem(
        key="ast",
        title="the types of _ast",
        ended_by=("_PyAST_Fini",),
        # Link-time optimization inlines the first of these into the compiler's caller: the last two are left.
        touched_by=("PyAST_mod2obj", "PyAST_obj2mod", "PyAST_Check", "PyInit__ast", "get_ast_state", "init_types"),
        owns=("interp.ast.AST_type", "Python-ast.c:global_ast_state"),
        consequence="The types are made again and leak.",
        reference=bpo(41796),
    ),
    Subsystem(
        key="warnings",
        title="warnings",
        ended_by=("_PyWarnings_Fini",),
        touched_by=(
            "PyErr_WarnEx",
            "PyErr_WarnFormat",
            "PyErr_WarnExplicitObject",
            "PyErr_ResourceWarning",
            "warn_explicit",
        ),
        owns=(
            "interp.warnings.filters",
            "interp.warnings.once_registry",
            "interp.warnings.default_action",
        ),
        consequence="The filters are gone: the warning is lost, shown wrongly, or crashes.",
        reference=bpo(42208),
    ),
    Subsystem(
        key="gc",
        title="the garbage collector",
        ended_by=("_PyGC_Fini",),
        touched_by=("PyGC_Collect", "gc_collect_main", "gc_collect_internal", "collect"),
        owns=("interp.gc.garbage", "interp.gc.callbacks", "runtime.gc.garbage", "runtime.gc.callbacks"),
        consequence="A collection finds no gc.garbage and no callbacks; cycles made from here on leak.",
        reference=bpo(42208),
    ),
    Subsystem(
        key="getargs",
        title="parsers of arguments",
        ended_by=("_PyArg_Fini",),
        touched_by=(
            "_PyArg_UnpackKeywords",
            "_PyArg_ParseStackAndKeywords",
            "_PyArg_ParseTupleAndKeywordsFast",
        ),
        owns=("runtime.getargs.static_parsers", "getargs.c:static_arg_parsers"),
        consequence="The parser's keyword tuple is made again and leaks.",
    ),
    Subsystem(
        key="filesystem-encoding",
        title="the file system encoding (Py_FileSystemDefaultEncoding)",
        ended_by=("_Py_ClearFileSystemEncoding",),
        owns=("preconfig.c:Py_FileSystemDefaultEncoding",),
        consequence="The variable is NULL.",
    ),
    Subsystem(
        key="float-repr",
        title="conversion between float and text",
        ended_by=("_PyDtoa_Fini",),
        touched_by=("_Py_dg_dtoa", "_Py_dg_strtod"),
        owns=("interp.dtoa.p5s",),
        consequence="The conversion follows a NULL pointer: repr() of many floats crashes.",
    ),
    # -- exceptions -------------------------------------------------------------------------------
    Subsystem(
        key="exception-caches",
        title="reserved MemoryErrors and the exceptions for errno",
        ended_by=("_PyExc_Fini",),
        touched_by=("PyErr_NoMemory", "_PyErr_NoMemory", "PyErr_SetFromErrnoWithFilenameObjects"),
        owns=(
            "interp.exc_state.memerrors_freelist",
            "interp.exc_state.errnomap",
            "exceptions.c:memerrors_freelist",
            "exceptions.c:errnomap",
        ),
        consequence="An OSError is looked up in a map that is gone; a MemoryError leaks.",
    ),
    Subsystem(
        key="exceptions",
        title="the built-in exception types",
        ended_by=("_PyExc_FiniTypes",),
        touched_by=("_PyErr_SetObject", "PyErr_SetObject", "_PyErr_NoMemory", "PyErr_NoMemory"),
        consequence="The exception's type has no dict, bases and mro any more: raising it crashes.",
    ),
    Subsystem(
        key="unraisable",
        title="reports of unraisable errors",
        ended_by=("_PyErr_FiniTypes",),
        touched_by=("PyErr_WriteUnraisable", "_PyErr_WriteUnraisableMsg", "PyErr_FormatUnraisable"),
        consequence="The report needs a type that is finalized: the error is lost or the report crashes.",
    ),
    # -- types ------------------------------------------------------------------------------------
    Subsystem(
        key="types",
        title="built-in types",
        # 3.8 to 3.10 never finalize static types.
        ended_by=("_PyTypes_FiniTypes",),
        touched_by=(
            "PyType_Ready",
            "PyType_FromMetaclass",
            "PyType_FromModuleAndSpec",
            "PyType_FromSpecWithBases",
            "PyType_GenericAlloc",
            "_PyType_Lookup",
        ),
        owns=("interp.types.builtins",),
        consequence="Types have no dict, bases and mro any more: making or using an object crashes.",
    ),
    Subsystem(
        key="type-cache",
        title="the cache of type attributes",
        # Filled again by every attribute lookup, in 3.8 and 3.9 legitimately: nothing to watch.
        ended_by=("_PyTypes_Fini",),
        owns=("interp.type_cache", "interp.types.type_cache", "typeobject.c:method_cache"),
        consequence="Attributes are looked up anew; names that enter the cache leak.",
    ),
    # -- strings and small objects ------------------------------------------------------------------
    Subsystem(
        key="interned-strings",
        title="interned strings",
        ended_by=("_PyUnicode_ClearInterned",),
        touched_by=("PyUnicode_InternInPlace", "_PyUnicode_InternMortal", "_PyUnicode_InternImmortal"),
        owns=(
            "interp.cached_objects.interned_strings",
            "runtime.cached_objects.interned_strings",
            "unicodeobject.c:interned",
        ),
        consequence="The table of interned strings is made again and leaks, or is missing and crashes.",
    ),
    Subsystem(
        key="unicode",
        title="strings: identifiers, single characters, file names",
        ended_by=("_PyUnicode_Fini",),
        touched_by=(
            "_PyUnicode_FromId",
            "PyUnicode_DecodeFSDefault",
            "PyUnicode_DecodeFSDefaultAndSize",
            "PyUnicode_EncodeFSDefault",
        ),
        owns=(
            "interp.unicode.ids.array",
            "interp.unicode.empty_string",
            "interp.unicode.fs_codec.encoding",
            "interp.fs_codec.encoding",
            "unicodeobject.c:unicode_latin1",
            "unicodeobject.c:unicode_empty",
            "unicodeobject.c:static_strings",
        ),
        consequence="File names are decoded with the locale's encoding; strings that are made again leak.",
        reference=bpo(47182),
    ),
    Subsystem(
        key="small-ints",
        title="preallocated ints",
        ended_by=("_PyLong_Fini",),
        touched_by=(
            "PyLong_FromLong",
            "PyLong_FromLongLong",
            "PyLong_FromSsize_t",
            "PyLong_FromUnsignedLong",
            "PyLong_FromSize_t",
        ),
        owns=("interp.small_ints",),
        consequence="A number from -5 to 256 is taken from an empty table: a NULL pointer, and a crash.",
        reference=bpo(38858),
    ),
    Subsystem(
        key="bytes",
        title="the empty bytes object and those of one character",
        ended_by=("_PyBytes_Fini",),
        touched_by=("PyBytes_FromStringAndSize", "PyBytes_FromString"),
        owns=(
            "interp.bytes.empty_string",
            "interp.bytes.characters",
            "bytesobject.c:nullstring",
            "bytesobject.c:characters",
        ),
        consequence="The object is made again and leaks (3.8, 3.9), or is NULL and crashes (3.10).",
        reference=bpo(43687),
    ),
    Subsystem(
        key="sets",
        title="the empty frozenset",
        ended_by=("_PySet_Fini",),
        touched_by=("PyFrozenSet_New", "frozenset_new"),
        owns=("setobject.c:emptyfrozenset",),
        consequence="The object is made again and leaks.",
    ),
    Subsystem(
        key="slice-cache",
        title="the cached slice",
        ended_by=("_PySlice_Fini", "finalize_interp_types"),
        touched_by=("PySlice_New", "slice_dealloc"),
        owns=("interp.slice_cache", "interp.object_state.freelists.slices", "sliceobject.c:slice_cache"),
        consequence="A slice that is put aside leaks.",
        reference=bpo(40887),
    ),
    Subsystem(
        key="contexts",
        title="contexts (contextvars)",
        ended_by=("_PyContext_Fini", "_PyHamt_Fini", "finalize_interp_types"),
        touched_by=(
            "context_new_empty",
            "PyContext_New",
            "PyContext_CopyCurrent",
            "context_tp_dealloc",
            "_PyHamt_New",
        ),
        owns=(
            "interp.context.freelist",
            "interp.object_state.freelists.contexts",
            "context.c:_token_missing",
            "hamt.c:_empty_hamt",
        ),
        consequence=_LEAKS,
        reference=bpo(40887),
    ),
    # -- free lists -------------------------------------------------------------------------------
    Subsystem(
        key="free-lists",
        title="all free lists",
        ended_by=("finalize_interp_types",),
        owns=("interp.object_state.freelists",),
        consequence=_LEAKS,
        reference=bpo(40887),
    ),
    _free_list(
        "tuple",
        "the free lists of tuples",
        ("_PyTuple_Fini",),
        ("PyTuple_New", "PyTuple_Pack", "_PyTuple_FromArray", "tuple_alloc", "tupledealloc"),
        ("interp.tuple.free_list", "interp.object_state.freelists.tuples", "tupleobject.c:free_list"),
    ),
    _free_list(
        "list",
        "the free list of lists",
        ("_PyList_Fini",),
        ("PyList_New", "list_dealloc"),
        ("interp.list.free_list", "interp.object_state.freelists.lists", "listobject.c:free_list"),
    ),
    _free_list(
        "dict",
        "the free lists of dicts and their keys",
        ("_PyDict_Fini",),
        ("PyDict_New", "new_dict", "new_keys_object", "dict_dealloc"),
        (
            "interp.dict_state.free_list",
            "interp.dict_state.keys_free_list",
            "interp.object_state.freelists.dicts",
            "dictobject.c:free_list",
        ),
    ),
    _free_list(
        "float",
        "the free list of floats",
        ("_PyFloat_Fini",),
        ("PyFloat_FromDouble", "float_dealloc"),
        ("interp.float_state.free_list", "interp.object_state.freelists.floats", "floatobject.c:free_list"),
    ),
    _free_list(
        "async-gen",
        "the free lists of asynchronous generators",
        ("_PyAsyncGen_Fini",),
        ("_PyAsyncGenValueWrapperNew", "async_gen_asend_dealloc", "async_gen_wrapped_val_dealloc"),
        (
            "interp.async_gen.value_freelist",
            "interp.async_gen.asend_freelist",
            "interp.object_state.freelists.async_gens",
        ),
    ),
    Subsystem(
        key="free-list-frame",
        title="the free list of frames",
        ended_by=("_PyFrame_Fini",),
        touched_by=("_PyFrame_New_NoTrack", "frame_dealloc"),
        owns=("interp.frame.free_list", "frameobject.c:free_list"),
        consequence=_LEAKS,
        reference=bpo(40887),
    ),
    Subsystem(
        key="free-list-method",
        title="the free list of bound methods",
        ended_by=("PyMethod_Fini",),
        touched_by=("PyMethod_New", "method_dealloc"),
        owns=("classobject.c:free_list",),
        consequence=_LEAKS,
    ),
    Subsystem(
        key="free-list-c-function",
        title="the free list of built-in functions",
        ended_by=("PyCFunction_Fini",),
        touched_by=("PyCFunction_NewEx", "meth_dealloc"),
        owns=("methodobject.c:free_list",),
        consequence=_LEAKS,
    ),
    # -- the runtime ------------------------------------------------------------------------------
    Subsystem(
        key="gil-state",
        title="PyGILState",
        ended_by=("_PyGILState_Fini",),
        touched_by=("PyGILState_Ensure", "PyGILState_Release"),
        owns=("runtime.gilstate.autoInterpreterState", "runtime.gilstate.autoTSSkey", "runtime.autoTSSkey"),
        consequence="There is no interpreter to make a thread state for: PyGILState_Ensure crashes.",
    ),
    Subsystem(
        key="thread-states",
        title="thread states and the interpreter",
        ended_by=("PyInterpreterState_Delete",),
        touched_by=(
            "PyThreadState_New",
            "PyThreadState_Get",
            "PyThreadState_GetDict",
            "PyThreadState_Swap",
            "PyThreadState_Clear",
            "PyInterpreterState_Get",
            "PyEval_SaveThread",
            "PyEval_RestoreThread",
            "PyEval_AcquireThread",
            "PyEval_ReleaseThread",
            "PyEval_GetFrame",
        ),
        owns=("interp.tstate_head", "interp.threads.head", "runtime.interpreters.head"),
        consequence="There is no current thread state, or it is freed memory: a fatal error or a crash.",
        reference=gh(104690),
    ),
    Subsystem(
        key="thread-hooks",
        title="hooks on thread states (on_delete)",
        ended_by=("_PyInterpreterState_Clear", "interpreter_clear"),
        # From 3.9 on the hooks run while the state is cleared; up to 3.8 when it is deleted.
        touched_by=("release_sentinel",),
        consequence="The hook uses the C API when the interpreter is cleared already.",
        reference=bpo(39511),
    ),
    Subsystem(
        key="pending-calls",
        title="pending calls",
        # Callbacks of atexit and the destructors of the modules' objects still make the calls that are queued.
        ended_by=("finalize_modules", "_PyEval_FiniState", "PyInterpreterState_Delete"),
        touched_by=("Py_AddPendingCall", "_PyEval_AddPendingCall"),
        consequence="Nobody makes the call any more; once the interpreter is deleted the queue's lock is gone as well.",
    ),
    Subsystem(
        key="exit-functions",
        title="functions registered with Py_AtExit",
        ended_by=("call_ll_exitfuncs",),
        touched_by=("Py_AtExit",),
        owns=("runtime.exitfuncs", "runtime.atexit.callbacks"),
        consequence="A function that is registered now is not called in this life of the runtime.",
        reference="https://docs.python.org/3/c-api/sys.html#c.Py_AtExit",
    ),
    Subsystem(
        key="runtime",
        title="the runtime",
        # Everything exported needs it: what is watched then is the whole library (see `after_finalize`).
        ended_by=("_PyRuntimeState_Fini",),
        owns=("runtime.interpreters.main",),
        consequence="Nothing of the Python API works but what is documented for use before initialization.",
        reference="https://docs.python.org/3/c-api/init.html#before-python-initialization",
    ),
)
