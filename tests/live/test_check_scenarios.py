"""`fingdb check` on the programs of tests/scenarios: each is found, blamed on the right code, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from tests.live.check_scenarios import PROGRAMS, Program, drop
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: kind, severity, subsystem, function, after_step, culprit's function, and the first part of its library's name.
Expected = Tuple[str, str, str, str, Optional[str], Optional[str], Optional[str]]
Version = Tuple[int, int]

_THREADS = "threads other than the finalizing one"
_GONE = "thread states and the interpreter"
_STATES = "module states"
_GILSTATE_ERROR = "pybind11::handle::throw_gilstate_error"


def since(version: Version, *names: Tuple[Version, str]) -> str:
    """Return the name that holds good for a version: of the rows (first version, name) the last that is not newer."""
    return [name for first, name in names if first <= version][-1]


def cython_version() -> Version:
    """Return the version of the Cython that compiles the scenarios; (0, 0) without one, where they are skipped."""
    try:
        import Cython
    except ImportError:
        return 0, 0
    major, minor = Cython.__version__.split(".")[:2]
    return int(major), int(minor)


def expected(name: str, python: Interpreter) -> List[Expected]:
    """Return the warnings and errors of a scenario, none where its bug does not happen on an interpreter."""
    version = python.version[:2]
    root = since(version, ((3, 8), "Py_FinalizeEx"), ((3, 13), "_Py_Finalize"))
    flag = since(
        version, ((3, 8), "flush_std_files"), ((3, 9), "_PyRuntimeState_SetFinalizing"),
        ((3, 12), "_PyInterpreterState_SetFinalizing"),
    )  # fmt: skip
    by_index = since(
        version, ((3, 8), "_PyState_ClearModules"), ((3, 9), "_PyInterpreterState_ClearModules"),
        ((3, 12), "_PyImport_ClearModulesByIndex"),
    )  # fmt: skip
    cleanup = since(
        version, ((3, 8), "PyImport_Cleanup"), ((3, 9), "_PyImport_Cleanup"), ((3, 10), "finalize_modules")
    )  # fmt: skip
    tuples = since(version, ((3, 8), "PyTuple_Fini"), ((3, 9), "_PyTuple_Fini"), ((3, 13), "finalize_interp_types"))
    deleted = since(version, ((3, 8), "_PyInterpreterState_Delete"), ((3, 9), "PyInterpreterState_Delete"))
    collect = since(version, ((3, 8), "collect"), ((3, 10), "gc_collect_main"))
    module_freed = by_index
    if python.free_threaded:
        # The collector without GIL does its work in a function of its own, and modules are freed by it: references to
        # them are counted late.
        collect = module_freed = "gc_collect_internal"
    callback = since(version, ((3, 8), "closure_fcn"), ((3, 11), "_CallPythonObject"), ((3, 13), "closure_fcn"))
    touch, late = ("touch-after-fini", "warning"), ("touch-after-finalize", "error", "the runtime")
    table: Dict[str, Tuple[Version, List[Expected]]] = {
        "ast-after-fini": ((3, 10), [
            (*touch, "the types of _ast", "PyAST_mod2obj", "_PyAST_Fini", "flush", "compiler"),
        ]),
        "cython-dealloc": ((3, 10), [
            (*touch, "sys.modules and the modules", "PyImport_GetModule", "finalize_modules",
             "__pyx_pf_7session_7Session_2__dealloc__", "session"),
            # The code that older Cythons make imports the module when sys.modules does not tell of it.
            *([(*touch, "the import system", "PyImport_ImportModuleLevelObject", "finalize_modules_delete_special",
                "__pyx_pf_7session_7Session_2__dealloc__", "session")] if cython_version() < (3, 2) else []),
        ]),
        "daemon-gil": ((3, 8), [("late-thread", "warning", _THREADS, "PyEval_RestoreThread", flag, "poll", "main")]),
        "dangling-environ": ((3, 8), [
            ("dangling-environ", "warning", "the environment", "putenv", root, "kept", "settings"),
        ]),
        "dealloc-imports": ((3, 10), [
            (*touch, "the import system", "PyImport_Import", "finalize_modules_delete_special", "channel_dealloc",
             "channel"),
        ]),
        "freelist-after-fini": ((3, 8), [
            ("touch-after-fini", "error", "the free lists of tuples", "PyTuple_New", tuples, "write_last_record",
             "journal"),
            # Later versions have crashed by then.
            *([("touch-after-fini", "error", _GONE, "_Py_Dealloc", deleted, "write_last_record", "journal")]
              if version == (3, 8) else []),
        ]),
        "late-cpp-static": ((3, 8), [(*late, drop(python), root, "Owned::~Owned", "registry")]),
        "late-cxa-atexit": ((3, 8), [
            # A debug build fills the callback's memory before it unmaps it, and a newer libffi crashes by itself: no code
            # of anybody runs.
            (*late, "", "Py_FinalizeEx", None, None) if python.version >= (3, 14) or python.debug
            else (*late, "PyGILState_Ensure", root, callback, "_ctypes"),
        ]),
        "late-jump": ((3, 8), [(*late, "PyErr_Clear", root, "forget", "tidy")]),
        "late-libc-atexit": ((3, 8), [(*late, "PyGILState_Ensure", root, "flush_records", "tracelib")]),
        "late-native-thread": ((3, 8), [
            ("late-thread", "error", _THREADS, "PyGILState_Ensure", flag, "deliver", "feeder"),
        ]),
        "late-on-delete": ((3, 8), [
            ("touch-after-fini", "error", _GONE, "PyUnicode_FromString", "_PyGILState_Fini", "released", "hooks"),
            ("touch-after-fini", "error", _GONE, "_Py_Dealloc", "_PyGILState_Fini", "released", "hooks"),
        ] if version == (3, 8) else []),
        "late-py-atexit": ((3, 8), [
            ("touch-after-fini", "error", _GONE, "PyUnicode_FromFormat", deleted, "report_counters", "counters"),
        ]),
        # pybind11 asks PyGILState_Check first, which anybody may; in 3.15 the answer is no, and pybind11 ends the process.
        "late-pybind11-static": ((3, 8), [
            (*late, _GILSTATE_ERROR, "Py_FinalizeEx", _GILSTATE_ERROR, "catalog") if version >= (3, 15)
            else (*late, drop(python), root, "pybind11::object::~object", "catalog"),
        ]),
        "late-thread-local": ((3, 8), [(*late, "PyErr_WriteUnraisable", root, "Session::~Session", "session")]),
        "open-resource": ((3, 8), [
            ("open-resource", "warning", "native resources", "FileIO", root, None, None),
            ("open-resource", "warning", "native resources", "socket", root, None, None),
        ]),
        "stale-dict": ((3, 8), [
            ("touch-after-fini", "error", "sys.modules and the modules", "PyDict_GetItemString", cleanup,
             "visitor_dealloc", "guestbook"),
        ]),
        "stale-global-cache": ((3, 10), [
            ("stale-module-state", "error", "module state", "shape_dealloc", collect, "shape_dealloc", "geometry"),
        ]),
        "stale-module-pointer": ((3, 8), [
            ("stale-module-state", "error", _STATES, "PyModule_GetState", module_freed, "colour_dealloc", "palette"),
        ]),
        "stale-module-state": ((3, 10), [
            ("stale-module-state", "error", _STATES, "PyState_FindModule", by_index, "encoder_dealloc", "codecx"),
        ]),
        # 3.14's collector clears the list first, and with it the instance, whose type still has its module.
        "stale-type-module": ((3, 9), [
            ("stale-module-state", "warning", _STATES, "PyType_GetModuleState", collect, "token_dealloc", "lexer"),
        ] if version != (3, 14) else []),
        "thread-ensure-loop": ((3, 8), [
            ("late-thread", "warning", _THREADS, "PyGILState_Ensure", flag, "work", "worker"),
        ]),
        "warn-after-fini": ((3, 10), [
            # 3.14 ends warnings after the last collection, in which the pool dies, no longer before. Without sys.stderr
            # nobody sees them there either.
            (*touch, "warnings", "PyErr_WarnEx", "_PyWarnings_Fini", "destroy", "pool") if version < (3, 14) else
            (*touch, "the sys and builtins dicts", "PyErr_WarnEx", "finalize_clear_sys_builtins_dict", "destroy", "pool"),
            (*touch, "the sys and builtins dicts", "PySys_SetObject", "finalize_clear_sys_builtins_dict", "destroy",
             "pool"),
            (*touch, "the garbage collector", "PyGC_Collect", "_PyGC_Fini", "destroy_report", "pool"),
        ]),
    }  # fmt: skip
    first, rows = table[name]
    return rows if version >= first else []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_what_is_said_of_a_scenario(python: Interpreter, program: Program, tmp_path: Path) -> None:
    words, variables = program.command(python)
    report = tmp_path / "report.json"
    done = run_fingdb(
        "check", "--timeout", "60", "--json", "-o", report, "--", *words, env=variables, timeout=150
    )
    findings = json.loads(report.read_text())["findings"]
    wanted = expected(program.name, python)
    assert sorted((_facts(f) for f in findings if f["severity"] != "note"), key=repr) == sorted(wanted, key=repr)
    assert done.returncode == (1 if wanted else 0), done.stderr.decode()
    for finding in findings:
        assert finding["advice"] and finding["references"], finding["title"]
        if finding["severity"] == "note":  # nothing that the program could help
            assert "libpython" in finding["culprit"]["library"] or "/bin/python" in finding["culprit"]["library"]


def _facts(finding: Dict[str, Any]) -> Expected:
    culprit = finding["culprit"] or {}
    library = Path(culprit["library"]).name.split(".")[0] if culprit else None
    return (
        finding["kind"], finding["severity"], finding["subsystem"], finding["function"], finding["after_step"],
        culprit.get("function"), library,
    )  # fmt: skip
