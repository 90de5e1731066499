"""`fingdb check` on threads that come too late, faster than anybody can look at them: it gets to its end all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.build import build_extension
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: A timer makes a thread every five milliseconds (SIGEV_THREAD), and each of them calls Python.
TICKER = """
#include <Python.h>
#include <signal.h>
#include <time.h>
static PyObject *callback;
static void tick(union sigval value)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_XDECREF(PyObject_CallObject(callback, NULL));
    PyGILState_Release(state);
}
static PyObject *start(PyObject *self, PyObject *function)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick};
    struct itimerspec often = {{0, 5000000}, {0, 5000000}};
    timer_t timer;
    Py_INCREF(function);
    callback = function;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &often, NULL);
    Py_RETURN_NONE;
}
static PyMethodDef methods[] = {{"start", start, METH_O, NULL}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ticker", NULL, -1, methods};
PyMODINIT_FUNC PyInit_ticker(void) { return PyModule_Create(&module); }
"""
PROGRAM = """
import ticker, time
class Slow:
    def __del__(self, sleep=time.sleep): sleep(0.3)
slow = Slow()
ticker.start(lambda: None)
time.sleep(0.2)
"""


def test_a_timer_that_calls_for_ever(python: Interpreter, tmp_path: Path) -> None:
    source, report = tmp_path / "ticker.c", tmp_path / "report.json"
    source.write_text(TICKER)
    variables = {"PYTHONPATH": str(build_extension(python, [source], "ticker", ["-lrt"]))}
    done = run_fingdb(
        "check", "--timeout", "120", "--json", "-o", report, "--", python.path, "-c", PROGRAM, env=variables, timeout=170
    )
    assert report.read_bytes(), done.stderr.decode()
    document = json.loads(report.read_text())
    assert not any("did not end" in note for note in document["notes"])
    found = [f for f in document["findings"] if f["severity"] != "note"]
    assert {f["culprit"]["function"] for f in found} == {"tick"} and done.returncode == 1
    assert any(f["kind"] == "late-thread" and f["function"] == "PyGILState_Ensure" and f["count"] > 12 for f in found)
    # It may crash, on any thread at any time; that is never lost.
    assert document["target"]["signal"] is not None or document["target"]["exit_code"] == 0
    assert (document["verdict"] is not None) == (document["target"]["signal"] is not None)
