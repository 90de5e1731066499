"""`fingdb check` on a module of 3.15 that is made of slots alone: it has no definition, but a token in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import pytest

from tests.support.build import build_extension
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

_SOURCE = """
#include <Python.h>

static PyObject *self_module;

static void colour_dealloc(PyObject *self)
{
    long *colours = PyModule_GetState(self_module);
    PyObject_Free(self);
    (void)colours;
}

static PyTypeObject ColourType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pastels.Colour",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = colour_dealloc,
    .tp_new = PyType_GenericNew,
};

static int pastels_exec(PyObject *module)
{
    self_module = module;
    return PyType_Ready(&ColourType) < 0 ? -1 : PyModule_AddObjectRef(module, "Colour", (PyObject *)&ColourType);
}

PyABIInfo_VAR(abi_info);

static PySlot slots[] = {
    PySlot_DATA(Py_mod_abi, &abi_info),
    PySlot_DATA(Py_mod_name, "pastels"),
    PySlot_SIZE(Py_mod_state_size, sizeof(long)),
    PySlot_FUNC(Py_mod_exec, pastels_exec),
    PySlot_END,
};

PyMODEXPORT_FUNC PyModExport_pastels(void)
{
    return slots;
}
"""

#: The codec registry is cleared after the modules are gone.
_PROGRAM = 'import codecs, pastels; codecs.register({"": pastels.Colour()}.get)'


def test_a_module_of_slots(pythons: List[Interpreter], tmp_path: Path) -> None:
    python = next((p for p in reversed(pythons) if p.version >= (3, 15) and p.has_debug_info), None)
    if python is None:
        pytest.skip("modules without a definition came with 3.15, which is not among the interpreters of this run")
    source, report = tmp_path / "pastels.c", tmp_path / "report.json"
    source.write_text(_SOURCE)
    words = [python.path, "-c", _PROGRAM]
    variables = {"PYTHONPATH": str(build_extension(python, [source], "pastels"))}
    done = run_fingdb("check", "--json", "-o", report, "--", *words, env=variables, timeout=150)
    (finding,) = [f for f in json.loads(report.read_text())["findings"] if f["severity"] != "note"]
    assert (finding["kind"], finding["severity"], finding["function"]) == ("stale-module-state", "error", "PyModule_GetState")
    assert finding["culprit"]["function"] == "colour_dealloc" and "the module pastels, which" in finding["title"]
    assert done.returncode == 1
