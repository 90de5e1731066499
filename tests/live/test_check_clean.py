"""`fingdb check` has nothing to warn of in programs that shut down properly."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from tests.live.check_scenarios import installed
from tests.support.build import build_extension, build_program
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

PROGRAMS: Dict[str, str] = {
    "pass": "pass",
    # Everything that needs no package, in one process: each part would be blamed by its own frames.
    "library": """
import asyncio, atexit, concurrent.futures, gc, json, logging, subprocess, sys, tempfile, threading, weakref

class Node:
    def __init__(self): self.me = self
    def __del__(self): self.me = None
nodes = [Node() for _ in range(3000)]
weakref.finalize(nodes[0], print, end="")
logging.basicConfig(level=logging.INFO, filename="/dev/null")
atexit.register(logging.info, "bye")
threads = [threading.Thread(target=sum, args=(range(1000),)) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
async def main():
    await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(5)))
asyncio.run(main())
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    list(pool.map(len, ["a", "b"]))
idle = concurrent.futures.ThreadPoolExecutor(2)
idle.submit(len, "x").result()
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
kept = open(__file__ if "__file__" in globals() else "/dev/null")
subprocess.run(["/bin/true"], check=True)
""",
    # What a program leaves to Python to clear away, and the way out of most scripts.
    "leftovers": """
import asyncio, contextvars, logging.handlers, mmap, multiprocessing, queue, socket, sqlite3, sys, tempfile, threading, time

async def never(): await asyncio.Event().wait()
async def numbers():
    try:
        while True: yield 1
    finally: await asyncio.sleep(0)
async def main():
    global task, generator
    task = asyncio.ensure_future(never())
    generator = numbers()
    await generator.__anext__()
class Slow:
    def __init__(self, sleep): self.sleep = sleep
    def __del__(self): self.sleep(0.2)
if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    contextvars.ContextVar("kept").set([loop])
    logging.handlers.QueueListener(queue.Queue(), logging.NullHandler()).start()
    pool = multiprocessing.Pool(1)
    assert pool.map(abs, [-1]) == [1]
    mapped, sock, directory = mmap.mmap(-1, 4096), socket.socket(), tempfile.TemporaryDirectory()
    database = sqlite3.connect(":memory:")
    for delay in (0, 0.1): threading.Thread(target=time.sleep, args=(delay,), daemon=True).start()
    slow = Slow(time.sleep)
    sys.exit()
""",
    "subinterpreter": """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
id = interpreters.create()
interpreters.run_string(id, "import json; json.dumps([1])")
interpreters.destroy(id)
""",
    "multiprocessing": """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
        pool.close()
        pool.join()
""",
}

#: Extension modules by others, and a line that uses them.
PACKAGES: Dict[str, str] = {
    "numpy": "import numpy; a = numpy.arange(1000.0); print(numpy.linalg.norm(a) > 0)",
    "lxml": "from lxml import etree; tree = etree.fromstring('<a><b/></a>'); print(len(tree) == 1)",
    "cffi": "import cffi; f = cffi.FFI(); f.cdef('int abs(int);'); c = f.dlopen(None); print(c.abs(-1) == 1)",
    # Asks in a thread_local destructor whether there is an interpreter.
    "greenlet": "import greenlet; g = greenlet.greenlet(greenlet.getcurrent); g.switch(); print(g.dead)",
    "psycopg2-binary": "import psycopg2.extensions as e; a = e.adapt('x'); print(bool(a))",
}


def complaints(python: Interpreter, words: List[str], tmp_path: Path, **variables: str) -> List[str]:
    """Run a program under ``fingdb check`` and return its warnings and errors, one line each."""
    report = tmp_path / "report.json"
    done = run_fingdb(
        "check", "--timeout", "100", "--json", "-o", report, "--", python.path, *words, env=variables, timeout=170
    )
    assert report.exists(), done.stderr.decode()
    found = [f for f in json.loads(report.read_text())["findings"] if f["severity"] != "note"]
    said = [f"{f['kind']} {f['function']} after {f['after_step']} by {f['culprit']}" for f in found]
    if not said:
        assert done.returncode == 0, done.stderr.decode()
    return said


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_programs_that_shut_down_properly(python: Interpreter, name: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAMS[name])
    # Before 3.10 nothing is collected after contexts were cleared: what one keeps alive, an event loop and its pair of
    # sockets, is never finalized (a breakpoint on close never sees them).
    kept = ["open-resource socket after Py_FinalizeEx by None"] if name == "leftovers" and python.version < (3, 10) else []
    assert complaints(python, [str(script)], tmp_path) == kept


@pytest.mark.parametrize("package", list(PACKAGES))
def test_well_made_packages(python: Interpreter, package: str, tmp_path: Path) -> None:
    directory = installed(python, package)
    assert complaints(python, ["-c", PACKAGES[package]], tmp_path, PYTHONPATH=str(directory)) == []


ASKS_FIRST = """
#include <Python.h>
static struct PyModuleDef module;
static void token_dealloc(PyObject *self)
{
    PyObject *home = PyState_FindModule(&module);
    if (home != NULL)
        *(long *)PyModule_GetState(home) -= 1;
    PyObject_Free(self);
}
static PyTypeObject TokenType = {
    PyVarObject_HEAD_INIT(NULL, 0) .tp_name = "careful.Token", .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = token_dealloc, .tp_new = PyType_GenericNew,
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "careful", NULL, sizeof(long), NULL};
PyMODINIT_FUNC PyInit_careful(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || PyType_Ready(&TokenType) < 0)
        return NULL;
    Py_INCREF(&TokenType);
    PyModule_AddObject(self, "Token", (PyObject *)&TokenType);
    return self;
}
"""


@pytest.mark.parametrize("optimized", ["-O0", "-O2"])
def test_a_deallocator_that_asks_whether_its_module_is_there(python: Interpreter, optimized: str, tmp_path: Path) -> None:
    if python.debug and python.version >= (3, 13):
        pytest.skip(f"{python.label} dies of the question itself: PyState_FindModule looks into a table that is gone")
    source = tmp_path / "careful.c"
    source.write_text(ASKS_FIRST)
    directory = build_extension(python, [source], "careful", [optimized])
    words = ["-c", "import codecs, careful; codecs.register({'': careful.Token()}.get)"]
    assert complaints(python, words, tmp_path, PYTHONPATH=str(directory)) == []


SEVERAL_LIVES = """
#include <Python.h>
int main(void)
{
    for (int life = 0; life < 3; life++) {
        Py_Initialize();
        PyRun_SimpleString("import json, threading; t = threading.Thread(target=json.dumps, args=([],)); t.start(); t.join()");
        PyThreadState *main_state = PyThreadState_Get(), *other = Py_NewInterpreter();
        PyRun_SimpleString("import logging");
        Py_EndInterpreter(other);
        PyThreadState_Swap(main_state);
        if (Py_FinalizeEx() < 0 || Py_IsInitialized() || PyInterpreterState_Head())
            return 120;
        PyMem_RawFree(PyMem_RawMalloc(10));
    }
    return 0;
}
"""


def test_an_application_with_several_lives_of_python(python: Interpreter, tmp_path: Path) -> None:
    source = tmp_path / "lives.c"
    source.write_text(SEVERAL_LIVES)
    program = build_program(python, [source], "lives")
    home = subprocess.run(
        [python.path, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
    report = tmp_path / "report.json"
    done = run_fingdb(
        "check", "--timeout", "100", "--json", "-o", report, "--", program, env={"PYTHONHOME": home}, timeout=170
    )
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(report.read_text())
    assert [f for f in document["findings"] if f["severity"] != "note"] == []
    cleared = ("PyImport_Cleanup", "_PyImport_Cleanup", "finalize_modules")
    assert sum(step["name"] in cleared and step["interpreter"] == 0 for step in document["steps"]) >= 3


def test_the_tests_of_cpython_itself(python: Interpreter, tmp_path: Path) -> None:
    probe = subprocess.run([python.path, "-c", "import test.test_atexit"], capture_output=True, timeout=60)
    if probe.returncode:
        pytest.skip(f"{python.label} comes without the test package")
    words = ["-m", "test", "test_atexit", "test_weakref"]
    assert complaints(python, words, tmp_path) == []

