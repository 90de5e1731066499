"""`fingdb check` on mistakes that no message and no crash tells of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.support.build import build_extension
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: Two of three mappings and two of three connections are kept by a lost reference; one connection is to memory only.
RESOURCES = """
import ctypes, mmap, os, sqlite3, sys
directory = sys.argv[1]
def database(name):
    connection = sqlite3.connect(os.path.join(directory, name))
    connection.execute("create table t(a)").connection.commit()
    return connection
lost, fine, memory = database("lost.db"), database("fine.db"), sqlite3.connect(":memory:")
with open(os.path.join(directory, "map"), "w+b") as file:
    file.truncate(8192)
    mapped = mmap.mmap(file.fileno(), 8192)
shared, closed = mmap.mmap(-1, 12288), mmap.mmap(-1, 4096)
for each in (lost, memory, mapped, shared):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
"""

#: One of three entries lies in a block that was freed, behind its beginning, where free() writes nothing.
ENVIRONMENT = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = libc.putenv.argtypes = [ctypes.c_void_p]
def put(size, offset, text):
    block = libc.malloc(size)
    ctypes.memmove(block + offset, text + b"\\0", len(text) + 1)
    libc.putenv(block + offset)
    return block
os.environ["FINE"] = "x" * 50
freed = put(6000, 256, b"APP_MODE=batch")
libc.free(freed)
put(300, 8, b"KEPT=yes")
"""

#: A destructor that runs when the interpreter is cleared, and warns: by then there is no sys.stderr.
POOL = """
#include <Python.h>
static void pool_gone(PyObject *capsule)
{
    if (PyErr_WarnEx(PyExc_RuntimeWarning, "the pool was not closed", 1) < 0)
        PyErr_Clear();
}
static PyObject *make(PyObject *self, PyObject *none) { static int pool; return PyCapsule_New(&pool, "pool", pool_gone); }
static PyMethodDef methods[] = {{"make", make, METH_NOARGS, NULL}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pool", NULL, -1, methods};
PyMODINIT_FUNC PyInit_pool(void) { return PyModule_Create(&module); }
"""


def complaints(python: Interpreter, tmp_path: Path, text: str, *words: Path, **variables: str) -> List[Dict[str, Any]]:
    """Run a program, which ends well, under ``fingdb check``; return its warnings and errors."""
    program, report = tmp_path / "program.py", tmp_path / "report.json"
    program.write_text(text)
    # Debug builds show warnings of every kind: of the one connection that is collected with its module, too (from 3.13 on).
    warnings = ["-W", "always::RuntimeWarning", "-W", "ignore::ResourceWarning"]
    done = run_fingdb(
        "check", "--timeout", "100", "--json", "-o", report, "--", python.path, *warnings, program, *words,
        env=variables, timeout=170,
    )  # fmt: skip
    assert report.read_bytes(), done.stderr.decode()
    found = [f for f in json.loads(report.read_text())["findings"] if f["severity"] != "note"]
    assert done.stderr == b"" and done.returncode == (1 if found else 0)
    return found


def test_mappings_and_databases_that_nobody_closes(python: Interpreter, tmp_path: Path) -> None:
    found = complaints(python, tmp_path, RESOURCES, tmp_path)
    if python.version < (3, 10):
        assert found == []  # the collector does not know objects of these types: nobody finds them
        return
    root = "_Py_Finalize" if python.version >= (3, 13) else "Py_FinalizeEx"
    assert {(f["kind"], f["function"], f["count"], f["after_step"]) for f in found} == {
        ("open-resource", "mmap", 2, root), ("open-resource", "Connection", 2, root),
    }  # fmt: skip
    titles = {f["function"]: f["title"] for f in found}
    assert str(tmp_path / "lost.db") in titles["Connection"] and "fine.db" not in titles["Connection"]
    assert str(tmp_path / "map") in titles["mmap"]


def test_an_entry_of_the_environment_in_a_freed_block(python: Interpreter, tmp_path: Path) -> None:
    found = complaints(python, tmp_path, ENVIRONMENT)
    assert [(f["kind"], f["count"], f["function"]) for f in found] == [("dangling-environ", 1, "putenv")]


def test_a_warning_that_nobody_sees(python: Interpreter, tmp_path: Path) -> None:
    source = tmp_path / "pool.c"
    source.write_text(POOL)
    directory = build_extension(python, [source], "pool")
    text = "import codecs, pool; codecs.register({'': pool.make()}.get)"
    (finding,) = complaints(python, tmp_path, text, PYTHONPATH=str(directory))
    step = "finalize_clear_sys_builtins_dict" if python.version >= (3, 10) else (
        "PyImport_Cleanup" if python.version < (3, 9) else "_PyImport_Cleanup"
    )
    told = finding["kind"], finding["function"], finding["subsystem"], finding["after_step"], finding["culprit"]["function"]
    assert told == ("touch-after-fini", "PyErr_WarnEx", "the sys and builtins dicts", step, "pool_gone")
