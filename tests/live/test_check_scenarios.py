"""`fingdb check` on the programs of tests/scenarios: each is found, and blamed on the right code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from tests.live.check_scenarios import PROGRAMS, Program
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: kind, severity, subsystem, function, after_step, culprit's function, and the first part of its library's name.
Expected = Tuple[str, str, str, str, Optional[str], Optional[str], Optional[str]]
Version = Tuple[int, int]

_FINALIZE = {(3, 13): "_Py_Finalize"}
_FLAG = {(3, 8): "flush_std_files", (3, 12): "_PyInterpreterState_SetFinalizing"}
_THREADS = "threads other than the finalizing one"
_GONE = "thread states and the interpreter"


def _at(steps: Dict[Version, str], version: Version, otherwise: str) -> str:
    known = [since for since in sorted(steps) if since <= version]
    if known and known[-1] == (3, 8) and version > (3, 8):
        known = known[:-1]
    return steps[known[-1]] if known else otherwise


def expected(name: str, version: Version) -> Optional[List[Expected]]:
    """Return the findings that matter of a scenario, None where the bug does not happen on a version."""
    root = _at(_FINALIZE, version, "Py_FinalizeEx")
    flag = _at(_FLAG, version, "_PyRuntimeState_SetFinalizing")
    late = ("touch-after-finalize", "error", "the runtime")
    callback = "_CallPythonObject" if version in ((3, 11), (3, 12)) else "closure_fcn"
    deleted = {(3, 8): "_PyInterpreterState_Delete"}.get(version, "PyInterpreterState_Delete")
    table: Dict[str, Optional[List[Expected]]] = {
        "ast-after-fini": None if version < (3, 10) else [
            ("touch-after-fini", "warning", "the types of _ast", "PyAST_mod2obj", "_PyAST_Fini", "flush", "compiler"),
        ],
        "cython-dealloc": None if version < (3, 10) else [
            ("touch-after-fini", "warning", "sys.modules and the modules", "PyImport_GetModule", "finalize_modules",
             "__Pyx__Import_GetModule", "session"),
        ],
        "daemon-gil": [("late-thread", "warning", _THREADS, "PyEval_RestoreThread", flag, "poll", "main")],
        "dangling-environ": [("dangling-environ", "warning", "the environment", "putenv", root, "kept", "settings")],
        "dealloc-imports": None if version < (3, 11) else [
            ("touch-after-fini", "warning", "the import system", "PyImport_Import", "finalize_modules_delete_special",
             "channel_dealloc", "channel"),
        ],
        "late-cpp-static": [(*late, "_Py_Dealloc", root, "Owned::~Owned", "registry")],
        "late-cxa-atexit": [(*late, "PyGILState_Ensure", root, callback, "_ctypes")],
        "late-libc-atexit": [(*late, "PyGILState_Ensure", root, "flush_records", "tracelib")],
        "late-on-delete": None if version > (3, 8) else [
            ("touch-after-fini", "error", _GONE, "PyUnicode_FromString", "_PyGILState_Fini", "released", "hooks"),
        ],
        "late-py-atexit": [
            ("touch-after-fini", "error", _GONE, "PyUnicode_FromFormat", deleted, "report_counters", "counters"),
        ],
        "late-thread-local": [(*late, "PyErr_WriteUnraisable", root, "Session::~Session", "session")],
        "open-resource": [
            ("open-resource", "warning", "native resources", "FileIO", root, None, None),
            ("open-resource", "warning", "native resources", "socket", root, None, None),
        ],
        "thread-ensure-loop": [("late-thread", "warning", _THREADS, "PyGILState_Ensure", flag, "work", "worker")],
    }  # fmt: skip
    return table[name]


#: Scenarios whose bug is here and whose exact findings are not settled on every version.
UNSETTLED = {
    "freelist-after-fini", "late-native-thread", "late-pybind11-static", "stale-global-cache", "stale-module-state",
    "warn-after-fini",
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_the_scenario_is_found(python: Interpreter, program: Program, tmp_path: Path) -> None:
    if program.name in UNSETTLED:
        pytest.skip(f"what is to be found in {program.name} is not settled yet")
    numbers = python.version_text.split(".")
    wanted = expected(program.name, (int(numbers[0]), int(numbers[1])))
    if wanted is None:
        pytest.skip(f"{program.name} does not happen on {python.version_text}")
    words, variables = program.command(python)
    report = tmp_path / "report.json"
    done = run_fingdb(
        "check", "--timeout", "60", "--json", "-o", report, "--", *words, env=variables, timeout=150
    )
    assert done.returncode == 1, done.stderr.decode()
    found = [_facts(finding) for finding in json.loads(report.read_text())["findings"]]
    for row in wanted:
        assert row in found


def _facts(finding: Dict[str, Any]) -> Expected:
    culprit = finding["culprit"] or {}
    library = Path(culprit["library"]).name.split(".")[0] if culprit else None
    return (
        finding["kind"], finding["severity"], finding["subsystem"], finding["function"], finding["after_step"],
        culprit.get("function"), library,
    )  # fmt: skip
