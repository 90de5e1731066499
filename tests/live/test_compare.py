"""`fingdb compare`: the reorderings of CPython's history, seen between the builds of this machine.

Only 3.10's finalize_interp_types was compared with the C source (Python/pylifecycle.c). The other moves rest on the
descriptions of the commits of CPython's issues named beside them, where one is named, and on the code of the builds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live


def build(pythons: List[Interpreter], version: Tuple[int, int]) -> Interpreter:
    """Return the release build of a version that has every step (Debian's LTO build lacks those that do nothing)."""
    for python in pythons:
        if python.version[:2] == version and python.has_debug_info and python.label.endswith("-pyenv"):
            return python
    pytest.skip(f"no CPython {version[0]}.{version[1]} of pyenv with debug information")


def compare(*words: object) -> Dict[str, Any]:
    done = run_fingdb("compare", "--json", *map(str, words))
    assert done.returncode in (0, 1), done.stderr.decode()
    document: Dict[str, Any] = json.loads(done.stdout)
    assert document["schema"] == "fingdb-compare/1"
    assert done.returncode == int(document["differs"])
    return document


def part(document: Dict[str, Any], kind: str = "main") -> Dict[str, Any]:
    (found,) = [each for each in document["finalizations"] if each["kind"] == kind]
    return dict(found)


Move = Tuple[str, Optional[str], Optional[str]]


def moves(found: Dict[str, Any]) -> List[Move]:
    return [(m["step"], m["a"]["container"], m["b"]["container"]) for m in found["moved"]]


def move(found: Dict[str, Any], step: str) -> Dict[str, Any]:
    (one,) = [m for m in found["moved"] if m["step"] == step]
    return dict(one)


def steps(changes: List[Dict[str, Any]]) -> List[str]:
    return [change["step"] for change in changes]


TYPES, CLEAR = "finalize_interp_types", "finalize_interp_clear"


def test_3_8_to_3_9(pythons: List[Interpreter]) -> None:
    """bpo-38858: _PyExc_Fini and _PyGC_Fini later; bpo-36854: a collection for subinterpreters."""
    document = compare(build(pythons, (3, 8)).path, build(pythons, (3, 9)).path)
    main = part(document)
    assert moves(main) == [
        ("_PyInterpreterState_ClearModules", "PyImport_Cleanup", "_PyImport_Cleanup"),
        ("_PyExc_Fini", "Py_FinalizeEx", CLEAR),
        ("_PyGC_Fini", "Py_FinalizeEx", CLEAR),
    ]
    exc, gc = move(main, "_PyExc_Fini"), move(main, "_PyGC_Fini")
    assert {"_PyTuple_Fini", "_PyDict_Fini", "_PyUnicode_Fini", "PyGrammar_RemoveAccelerators"} <= set(exc["now_after"])
    assert {"_PyUnicode_Fini", "_PyContext_Fini", "_Py_ClearFileSystemEncoding"} <= set(gc["now_after"])
    assert (exc["now_before"], gc["now_before"]) == ([], [])
    assert (gc["a"]["after"], gc["a"]["before"]) == ("PySlice_Fini", "_PyWarnings_Fini")
    assert (gc["b"]["after"], gc["b"]["before"]) == ("_PyExc_Fini", None)
    new = {change["step"]: change for change in main["new"]}
    assert {CLEAR, TYPES, "finalize_interp_delete", "_PyAST_Fini", "_PyThreadState_DeleteExcept"} <= set(new)
    assert new["_PyGC_CollectNoFail"]["b"]["container"] == CLEAR
    assert new["_PyGC_CollectNoFail"]["also_in"] == ["PyImport_Cleanup"]
    assert new["finalize_interp_delete"]["holds"] == ["_PyGILState_Fini", "PyInterpreterState_Delete"]
    gone = set(steps(main["gone"]))
    assert {"PyMethod_Fini", "PyCFunction_Fini", "PyMethod_ClearFreeList", "PyUnicode_ClearFreeList"} <= gone
    names = {(change["a"]["name"], change["b"]["name"]) for change in main["renamed"]}
    assert {("PyImport_Cleanup", "_PyImport_Cleanup"), ("PyLong_Fini", "_PyLong_Fini")} <= names
    # The end of a subinterpreter takes the same way from 3.9 on.
    assert {CLEAR, TYPES, "_PyExc_Fini", "_PyGC_Fini", "_PyLong_Fini"} <= set(steps(part(document, "subinterpreter")["new"]))


def test_3_9_to_3_10(pythons: List[Interpreter]) -> None:
    """bpo-41796, 42208, 40887 and 43687."""
    document = compare(build(pythons, (3, 9)).path, build(pythons, (3, 10)).path)
    main = part(document)
    assert moves(main) == [
        ("_PyAST_Fini", TYPES, "interpreter_clear"),
        ("_PyGC_CollectNoFail", CLEAR, "interpreter_clear"),
        ("_PyGC_Fini", CLEAR, "interpreter_clear"),
        ("_Py_HashRandomization_Fini", TYPES, CLEAR),
        ("_PyArg_Fini", TYPES, CLEAR),
        ("_Py_ClearFileSystemEncoding", TYPES, CLEAR),
        ("_PyExc_Fini", CLEAR, TYPES),
        ("_PyType_Fini", "Py_FinalizeEx", TYPES),
        ("_PyDict_Fini", TYPES, TYPES),
        ("_PyList_Fini", TYPES, TYPES),
        ("_PyTuple_Fini", TYPES, TYPES),
        ("_PySlice_Fini", TYPES, TYPES),
        ("_PyBytes_Fini", TYPES, TYPES),
        ("unicode_clear_identifiers", "_PyUnicode_Fini", "_PyUnicode_Fini"),
        ("_PyFloat_Fini", TYPES, TYPES),
        ("_PyLong_Fini", TYPES, TYPES),
    ]
    ast = move(main, "_PyAST_Fini")  # bpo-41796
    assert "_PyGC_CollectNoFail in interpreter_clear" in ast["now_before"] and ast["now_after"] == []
    assert (ast["b"]["after"], ast["b"]["before"]) == ("PyConfig_Clear", "_PyWarnings_Fini")
    assert (ast["a"]["phase"], ast["b"]["phase"]) == ("type-teardown", "interpreter-clear")
    collection, gc = move(main, "_PyGC_CollectNoFail"), move(main, "_PyGC_Fini")  # bpo-42208
    assert (collection["a"]["after"], collection["b"]["before"]) == ("PyInterpreterState_Clear", "_PyGC_Fini")
    assert (gc["b"]["after"], gc["now_after"]) == ("_PyGC_CollectNoFail", [])
    assert {TYPES, "_PySys_ClearAuditHooks"} <= set(gc["now_before"])
    gone = {change["step"]: change for change in main["gone"]}  # bpo-40887
    assert gone["_PyWarnings_Fini"]["a"]["container"] == TYPES
    assert gone["_PyWarnings_Fini"]["also_in"] == ["interpreter_clear"]
    assert "_PyTuple_Fini" in move(main, "_PyList_Fini")["now_before"]
    assert {"_PyDict_Fini", "_PyList_Fini"} <= set(move(main, "_PyTuple_Fini")["now_after"])
    assert move(main, "_PyLong_Fini")["b"]["before"] is None  # bpo-43687
    assert {"_PyUnicode_Fini", "_PyFloat_Fini", "_PyTuple_Fini"} >= {move(main, "_PyLong_Fini")["b"]["after"]}
    assert {"_PyDict_Fini", "_PyUnicode_Fini"} <= set(move(main, "_PyFloat_Fini")["now_after"])
    # A subinterpreter does the same, except for the type cache, which 3.9 leaves alone there.
    other = part(document, "subinterpreter")
    assert moves(other) == [m for m in moves(main) if m[0] != "_PyType_Fini"]
    assert "_PyType_Fini" in steps(other["new"])


def test_3_10_to_3_11(pythons: List[Interpreter]) -> None:
    main = part(compare(build(pythons, (3, 10)).path, build(pythons, (3, 11)).path))
    assert main["moved"] == [] and main["rephased"] == []
    assert {"_PyTypes_FiniTypes", "_PyExc_FiniTypes", "_PyErr_FiniTypes", "_Py_Deepfreeze_Fini"} <= set(steps(main["new"]))
    assert {"_PyFrame_Fini", "_PyBytes_Fini", "_PyLong_Fini"} <= set(steps(main["gone"]))
    assert ("_PyType_Fini", "_PyTypes_Fini") in {(c["a"]["name"], c["b"]["name"]) for c in main["renamed"]}


def test_3_11_to_3_12(pythons: List[Interpreter]) -> None:
    main = part(compare(build(pythons, (3, 11)).path, build(pythons, (3, 12)).path))
    assert moves(main) == [("_PyTypes_Fini", TYPES, TYPES)]
    assert move(main, "_PyTypes_Fini")["now_after"] == ["_PyTypes_FiniTypes"]
    assert {"_PyImport_FiniExternal", "_PyImport_FiniCore", "_PyInterpreterState_SetFinalizing"} <= set(steps(main["new"]))
    assert "_PyIO_Fini" in steps(main["gone"])


def test_3_12_to_3_13(pythons: List[Interpreter]) -> None:
    main = part(compare(build(pythons, (3, 12)).path, build(pythons, (3, 13)).path))
    assert moves(main) == [
        ("_PyFloat_ClearFreeList", "clear_freelists", "_PyObject_ClearFreeLists"),
        ("_PyAsyncGen_ClearFreeLists", "clear_freelists", "_PyObject_ClearFreeLists"),
        ("_xidregistry_clear", "interpreter_clear", "_xidregistry_fini"),
        ("_PyObject_DebugMallocStats", "Py_FinalizeEx", "_Py_Finalize"),
    ]
    assert {"_PyXI_Fini", "finalize_subinterpreters", "_PyTypes_FiniExtTypes"} <= set(steps(main["new"]))
    names = {(c["a"]["name"], c["b"]["name"]) for c in main["renamed"]}
    assert {("Py_FinalizeEx", "_Py_Finalize"), ("clear_freelists", "_PyGC_ClearAllFreeLists")} <= names


@pytest.mark.spread
def test_an_interpreter_with_itself(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    for each in compare(python.path, python.runtime)["finalizations"]:
        assert not each["differs"] and each["same"] == each["steps_a"] == each["steps_b"] > 0
        assert all(row["mark"] == "same" for row in each["rows"])


def test_traces_tell_counts_and_objects(any_python: Interpreter, tmp_path: Path) -> None:
    """One program has a module more than the other, and keeps it alive until modules are cleared."""
    program = "import sys\nsys.kept = {}"
    for name, code in (("a", program), ("b", f"{program}\nimport this_one\nsys.kept[0] = this_one")):
        (tmp_path / "this_one.py").write_text("")
        (tmp_path / f"{name}.py").write_text(code)
        done = run_fingdb(
            "run", "--json", "-o", tmp_path / f"{name}.json", "--", any_python.path, "-S", tmp_path / f"{name}.py"
        )
        assert done.returncode == 0, done.stderr.decode()
    document = compare(tmp_path / "a.json", tmp_path / "b.json")
    assert not document["differs"] and document["a"]["kind"] == document["b"]["kind"] == "trace"
    assert document["a"]["version"] == any_python.version_text
    counted = {change["step"]: (change["a"]["count"], change["b"]["count"]) for change in part(document)["counted"]}
    if all(step["inlined"] for step in steps_of(tmp_path / "a.json", "_PyModule_Clear")):
        # How often what is inlined into a loop began is not counted, and of what it calls no more than the first few.
        assert "_PyModule_Clear" not in counted
    else:
        cleared = counted["_PyModule_Clear"]
        assert cleared[1] == cleared[0] + 1
    counts = [
        {entry["type"]: entry["count"] for entry in json.loads((tmp_path / name).read_bytes())["interpreters"][0]["gc"]["types"]}
        for name in ("a.json", "b.json")
    ]
    told = {entry["type"]: (entry["a"], entry["b"]) for entry in document["types"]}
    both = {name: (counts[0].get(name, 0), counts[1].get(name, 0)) for name in {**counts[0], **counts[1]}}
    assert told == {name: pair for name, pair in both.items() if pair[0] != pair[1]}
    assert document["objects"] == {"0": [sum(counts[0].values()), sum(counts[1].values())]}
    done = run_fingdb("compare", "--all", tmp_path / "a.json", tmp_path / "b.json")
    text = done.stdout.decode()
    assert done.returncode == 0 and "the same steps in the same order" in text and "GC objects of interpreter 0" in text


def steps_of(recorded: Path, name: str) -> List[Dict[str, Any]]:
    return [step for step in json.loads(recorded.read_bytes())["steps"] if step["name"] == name]


def test_what_cannot_be_compared(any_python: Interpreter, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"schema": "something/1"}')
    empty = tmp_path / "empty.json"
    empty.write_text('{"schema": "fingdb-report/1", "steps": []}')
    cases = ((other, "schema"), (empty, "nothing to compare"), ("/bin/true", "not a CPython"), ("3.7", "no Python 3.7"))
    for name, words in cases:
        done = run_fingdb("compare", any_python.path, str(name))
        assert done.returncode == 2 and done.stdout == b""
        assert done.stderr.startswith(b"fingdb: ") and done.stderr.count(b"\n") == 1
        assert words in done.stderr.decode()
    assert run_fingdb("compare", any_python.path).returncode == 2
