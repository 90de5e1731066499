"""What to change, by kind of verdict: advice and references, as data."""

from __future__ import annotations

from typing import Dict, List, Tuple

_INIT = "https://docs.python.org/3/c-api/init.html"


def _issue(number: int) -> str:
    return f"https://github.com/python/cpython/issues/{number}"


def _bpo(number: int) -> str:
    return f"https://bugs.python.org/issue{number}"


#: Kind of verdict, or kind and variant, -> (advice, references).
COUNSEL: Dict[str, Tuple[str, List[str]]] = {
    "late-exit-handler": (
        "Do this work while Python lives: in a callback of the atexit module, or in the module's m_free. What must "
        "run as a C exit handler, a static or a thread_local destructor asks Py_IsInitialized() first, and leaks its "
        "Python objects when there is no interpreter any more.",
        [f"{_INIT}#before-python-initialization", _issue(126508)],
    ),
    "late-exit-handler/ctypes": (
        "Unregister the callback in a callback of the atexit module, before Python ends: a ctypes callback needs the "
        "interpreter, and C code that kept its address calls it whenever it likes.",
        ["https://docs.python.org/3/library/ctypes.html#callback-functions"],
    ),
    "late-exit-handler/unloaded": (
        "The library must not be unloaded (dlclose) while a handler of its own is registered: unregister it first, "
        "or register it with atexit() of the library itself, which runs at dlclose. A callback of ctypes or cffi must be "
        "kept alive as long as somebody has its address, which the shutdown of Python does not do.",
        [],
    ),
    "late-exit-handler/Py_AtExit": (
        "A function given to Py_AtExit runs when the interpreter is gone and must not use the C API at all: register "
        "with the atexit module to use Python, or release C resources only.",
        ["https://docs.python.org/3/c-api/sys.html#c.Py_AtExit"],
    ),
    "late-thread": (
        "Stop and join the thread before the interpreter ends (a callback of the atexit module, a thread that is no "
        "daemon), and let native threads ask Py_IsInitialized() and Py_IsFinalizing() before they enter Python.",
        [f"{_INIT}#c.PyGILState_Ensure", _issue(87135)],
    ),
    "late-thread/exit": (
        "Up to early releases of 3.13 CPython ends a thread that asks for the GIL too late with pthread_exit(), which "
        "unwinds C++ frames and meets noexcept functions and destructors. Join the thread before the interpreter ends, or "
        "check Py_IsFinalizing() before taking the GIL back.",
        [_issue(87135), _issue(124619)],
    ),
    "touch-after-fini": (
        "Do this work earlier: in a callback of the atexit module, in m_clear or in tp_clear. Code that may run late "
        "checks what it gets from the API and asks Py_IsFinalizing().",
        [f"{_INIT}#c.Py_IsFinalizing"],
    ),
    "touch-after-fini/embed": (
        "After Py_FinalizeEx only what the documentation lists as callable before Py_Initialize may be called, and "
        "every object of the old interpreter is gone: release them before.",
        [f"{_INIT}#before-python-initialization"],
    ),
    "stale-module-state": (
        "Objects outlive their module: let their type hold a reference to the module (PyType_FromModuleAndSpec, and "
        "Py_VISIT(Py_TYPE(self))), get the state through the type, and allow for a NULL state and NULL members in "
        "deallocators, m_clear and m_free.",
        [_bpo(38076), "https://docs.python.org/3/howto/isolating-extensions.html"],
    ),
    "refcount-corruption": (
        "Some code drops a reference that it does not own (a borrowed reference returned or released, a missing "
        "Py_INCREF before Py_RETURN of a shared object), and shutdown merely notices. Run the program with a debug "
        "build and PYTHONMALLOC=debug, and look at the C code that handles objects of this type.",
        ["https://docs.python.org/3/extending/extending.html#reference-counting-in-python"],
    ),
    "memory-corruption": (
        "The heap was damaged before, and this call merely noticed. Run the program with PYTHONMALLOC=debug, or "
        "PYTHONMALLOC=malloc under Valgrind or AddressSanitizer, to see the write that does it.",
        ["https://docs.python.org/3/using/cmdline.html#envvar-PYTHONMALLOC"],
    ),
    "buffered-io-deadlock": (
        "The thread that holds the stream's lock must come to its end before the interpreter does: do not write to "
        "shared streams from daemon threads (a queue and one writer that is joined), and do not write to a pipe that "
        "the same program has to read.",
        [_bpo(23309)],
    ),
    "thread-join-hang": (
        "Python waits at exit for every thread that is not a daemon: tell the thread to stop (an Event, a sentinel in "
        "its queue, closing what it reads from) before the main program ends, for an executor with shutdown().",
        ["https://docs.python.org/3/library/threading.html#thread-objects"],
    ),
    "gil-deadlock": (
        "Never wait for a lock of C or C++ with the GIL held: release the GIL around it (Py_BEGIN_ALLOW_THREADS, "
        "py::gil_scoped_release), or never call into Python with that lock held.",
        [f"{_INIT}#releasing-the-gil-from-extension-code"],
    ),
    "lock-deadlock": (
        "Take locks in one order everywhere, do not take a lock in a finalizer, an atexit callback or a signal "
        "handler that interrupted code may hold, and let no thread be a daemon that may hold one.",
        ["https://docs.python.org/3/library/threading.html#lock-objects"],
    ),
    "callback-hang": (
        "Give the callback an end: a deadline, and no waiting for threads, processes or peers that may be gone when "
        "the interpreter ends.",
        ["https://docs.python.org/3/library/atexit.html"],
    ),
    "stack-overflow": (
        "Take long chains apart in a loop (set the link to NULL before the next is released), or use the trashcan "
        "(Py_TRASHCAN_BEGIN and Py_TRASHCAN_END) in the deallocator.",
        ["https://docs.python.org/3/c-api/typeobj.html#c.PyTypeObject.tp_dealloc"],
    ),
    "fatal-error": ("The message says what was found to be wrong.", []),
    "not-finalization": ("", []),
    "unknown/stripped": (
        "Install the debug information of this very build and look once more, also at a core that is there already: "
        "`fingdb doctor` says how.",
        [],
    ),
    "unknown": (
        "Try a build with debug information (python3-dbg), PYTHONMALLOC=debug, or `fingdb check` on the program "
        "itself, which sees what leads to this.",
        [],
    ),
}


def counsel(kind: str, variant: str = "") -> Tuple[str, List[str]]:
    """Return (advice, references) for a kind of verdict, of one of its variants where that has its own."""
    advice, references = COUNSEL.get(f"{kind}/{variant}", COUNSEL[kind])
    return advice, list(references)
