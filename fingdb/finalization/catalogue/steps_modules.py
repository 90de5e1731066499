"""Steps that collect garbage and take the modules, the import system and the builtins down."""

from __future__ import annotations

from typing import Tuple

from ...model.phase import Phase
from .rows import Step, bpo, gh

STEPS: Tuple[Step, ...] = (
    # -- collections --------------------------------------------------------------------------
    Step(
        key="PyGC_Collect",
        names=("PyGC_Collect",),
        begins=Phase.DAEMON_THREADS,
        gone="unreachable reference cycles are collected, their finalizers and callbacks have run",
    ),
    Step(
        key="_PyGC_CollectIfEnabled",
        names=("_PyGC_CollectIfEnabled",),
        until=(3, 9),
        gone="unreachable reference cycles are collected, unless the program disabled the collector",
    ),
    Step(
        key="_PyGC_CollectNoFail",
        names=("_PyGC_CollectNoFail",),
        gone="unreachable reference cycles are collected, whether the collector is enabled or not",
    ),
    Step(
        # 3.8 and 3.9 call the collector's main function just "collect".
        key="gc_collect_main",
        names=("gc_collect_main", "collect"),
        gone="unreachable reference cycles of the collected generations are freed",
    ),
    Step(
        key="gc_collect_with_callback",
        names=("gc_collect_with_callback", "collect_with_callback"),
        until=(3, 12),
        gone="unreachable cycles are freed and gc.callbacks were told",
    ),
    Step(
        key="gc_collect_internal",
        names=("gc_collect_internal",),
        since=(3, 13),
        gone="unreachable reference cycles are freed (free-threaded collector)",
    ),
    # -- modules ------------------------------------------------------------------------------
    Step(
        key="_PyImport_FiniExternal",
        names=("_PyImport_FiniExternal",),
        leaf=True,
        ends="import-external",
        since=(3, 12),
        gone="sys.path_hooks and sys.path_importer_cache are None: no more imports from files",
    ),
    Step(
        key="finalize_modules",
        names=("finalize_modules", "_PyImport_Cleanup", "PyImport_Cleanup"),
        begins=Phase.MODULE_TEARDOWN,
        ends="modules",
        gone="all modules are cleared: module globals are gone and sys.modules is no more",
        reference="https://docs.python.org/3/c-api/init.html#c.Py_FinalizeEx",
    ),
    Step(
        key="finalize_modules_delete_special",
        names=("finalize_modules_delete_special",),
        ends="imports",
        since=(3, 10),
        gone="sys.path, sys.meta_path and sys.argv are None, so imports fail; sys.stdout is the original one",
    ),
    Step(
        key="finalize_remove_modules",
        names=("finalize_remove_modules",),
        since=(3, 10),
        gone="every entry of sys.modules is None; a module that nothing else refers to is destroyed",
    ),
    Step(
        key="finalize_clear_modules_dict",
        names=("finalize_clear_modules_dict",),
        since=(3, 10),
        gone="sys.modules is empty",
    ),
    Step(
        key="finalize_restore_builtins",
        names=("finalize_restore_builtins",),
        since=(3, 10),
        gone="the builtins are the original ones: names that programs put there are gone",
    ),
    Step(
        key="_PyGC_DumpShutdownStats",
        names=("_PyGC_DumpShutdownStats",),
        gone="a ResourceWarning told how many objects are left in gc.garbage",
    ),
    Step(
        key="finalize_modules_clear_weaklist",
        names=("finalize_modules_clear_weaklist",),
        since=(3, 10),
        gone="modules that were still alive had their globals set to None, last imported first",
    ),
    Step(
        key="_PyModule_Clear",
        names=("_PyModule_Clear",),
        begins=Phase.MODULE_TEARDOWN,
        repeats=True,
        gone="the globals of the module are None",
    ),
    Step(
        key="_PyModule_ClearDict",
        names=("_PyModule_ClearDict",),
        begins=Phase.MODULE_TEARDOWN,
        repeats=True,
        gone="the names in the dict are None",
    ),
    Step(
        key="finalize_clear_sys_builtins_dict",
        names=("finalize_clear_sys_builtins_dict",),
        since=(3, 10),
        ends="sys-builtins",
        gone="the names in sys and builtins are None: Python code that still runs finds neither",
    ),
    Step(
        key="_PyImport_ClearModulesByIndex",
        names=("_PyImport_ClearModulesByIndex", "_PyInterpreterState_ClearModules", "_PyState_ClearModules"),
        ends="module-state",
        gone="PyState_FindModule finds no module any more; module states may be freed",
        reference=bpo(38076),
    ),
    Step(
        key="_PyImport_ClearLazyModules",
        names=("_PyImport_ClearLazyModules",),
        since=(3, 15),
        gone="the record of lazily imported modules is dropped",
    ),
    Step(
        key="_PyImport_ClearModules",
        names=("_PyImport_ClearModules",),
        since=(3, 12),
        gone="the interpreter has no modules dict any more",
    ),
    # -- after the modules --------------------------------------------------------------------
    Step(
        key="finalize_subinterpreters",
        names=("finalize_subinterpreters",),
        since=(3, 13),
        gone="subinterpreters that the program left behind are ended",
        reference=gh(113433),
    ),
    Step(
        key="_PyEval_Fini",
        names=("_PyEval_Fini",),
        leaf=True,
        gone="statistics of the evaluation loop were printed, in builds that keep them",
    ),
    Step(
        key="_PyTraceMalloc_Fini",
        names=("_PyTraceMalloc_Fini",),
        ends="tracemalloc",
        gone="tracemalloc is stopped and its traces are freed",
    ),
    Step(
        key="_PyTraceMalloc_Stop",
        names=("_PyTraceMalloc_Stop", "tracemalloc_stop"),
        leaf=True,
        gone="allocations are no longer traced",
    ),
    Step(
        key="tracemalloc_deinit",
        names=("tracemalloc_deinit",),
        gone="the tables of tracemalloc are freed",
    ),
    Step(
        key="_PyImport_FiniCore",
        names=("_PyImport_FiniCore",),
        ends="imports",
        since=(3, 12),
        gone="sys.meta_path and the import system are gone: nothing can be imported",
    ),
    Step(
        key="_PyImport_ClearCore",
        names=("_PyImport_ClearCore",),
        ends="imports",
        since=(3, 12),
        gone="the modules dict, importlib and __import__ of the interpreter are released",
    ),
    Step(
        key="_PyImport_Fini",
        names=("_PyImport_Fini",),
        ends="extensions",
        gone="the table of loaded extension modules is destroyed",
    ),
    Step(
        key="_extensions_cache_clear_all",
        names=("_extensions_cache_clear_all",),
        since=(3, 12),
        gone="the table of loaded extension modules is destroyed",
    ),
    Step(
        key="fini_builtin_modules_table",
        names=("fini_builtin_modules_table",),
        since=(3, 12),
        gone="the copy of the table of built-in modules is freed",
    ),
    Step(
        key="_PyFaulthandler_Fini",
        names=("_PyFaulthandler_Fini",),
        ends="faulthandler",
        gone="faulthandler is off: a crash from here on prints no Python traceback",
    ),
    Step(
        key="faulthandler_disable",
        names=("faulthandler_disable",),
        gone="the handlers of fatal signals are restored",
    ),
    Step(
        key="_PyHash_Fini",
        names=("_PyHash_Fini",),
        gone="hash statistics were printed, in builds that keep them",
    ),
    Step(
        key="_PyDebug_PrintTotalRefs",
        names=("_PyDebug_PrintTotalRefs",),
        gone="the total reference count was printed (debug builds, -X showrefcount)",
    ),
    Step(
        key="_Py_PrintReferences",
        names=("_Py_PrintReferences",),
        gone="all objects still alive were printed (builds with --with-trace-refs)",
    ),
)
