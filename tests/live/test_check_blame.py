"""Whom `fingdb check` blames where the stack does not show it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.live.check_scenarios import drop
from tests.support.build import build_program
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: The last act of `forget` is the call of _Py_Dealloc that Py_CLEAR puts there: a jump, which leaves no frame.
HOST = """
#include <Python.h>
static PyObject *config;
__attribute__((noinline, optimize("O2"))) static void forget(void) { Py_CLEAR(config); }
int main(void)
{
    Py_Initialize();
    config = PyDict_New();
    PyObject *value = PyUnicode_FromString("value");
    PyDict_SetItemString(config, "name", value);
    Py_DECREF(value);
    if (Py_FinalizeEx() < 0)
        return 120;
    forget();
    return 0;
}
"""


def test_a_function_that_jumps_into_python(python: Interpreter, tmp_path: Path) -> None:
    """Its frame is told by the debug information of the jump; the crash that follows is the same touch."""
    if python.free_threaded:
        pytest.skip("Py_CLEAR calls other functions, which do not end with the call")
    source, report = tmp_path / "host.c", tmp_path / "report.json"
    source.write_text(HOST)
    program = build_program(python, [source], "jumps")
    home = subprocess.run(
        [python.path, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
    done = run_fingdb(
        "check", "--timeout", "100", "--json", "-o", report, "--", program, env={"PYTHONHOME": home}, timeout=170
    )
    assert done.returncode == 1, done.stderr.decode()
    (finding,) = [f for f in json.loads(report.read_text())["findings"] if f["severity"] != "note"]
    culprit = finding["culprit"]
    assert (finding["kind"], finding["severity"], finding["function"]) == ("touch-after-finalize", "error", drop(python))
    assert (culprit["function"], Path(culprit["file"]).name, Path(culprit["library"]).name) == ("forget", "host.c", "jumps")
