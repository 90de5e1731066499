"""What to tell the author of code that ran too late."""

from __future__ import annotations

from typing import List, Tuple

from ..finalization.catalogue.rows import Subsystem

_API = "https://docs.python.org/3/c-api/init.html"
_FINALIZING = f"{_API}#c.Py_IsFinalizing"
#: "The destruction of modules and objects in modules is done in random order".
_ORDER = f"{_API}#c.Py_FinalizeEx"
_BEFORE = f"{_API}#before-python-initialization"


def for_subsystem(subsystem: Subsystem, own: bool) -> Tuple[str, List[str]]:
    """Return (advice, references) for a touch of a subsystem after its end.

    ``own`` says that CPython did it by itself.
    """
    references = [subsystem.reference or _ORDER]
    what = subsystem.consequence or "The call cannot do its work any more."
    if own:
        return f"{what} CPython does this itself: nothing to change in the program.", references
    change = _CHANGES.get(
        subsystem.key,
        "Do this work earlier: in an atexit callback, or in m_clear or tp_clear rather than in a deallocator.",
    )
    return f"{what} {change}", references


_CHANGES = {
    "imports": "Import what the code needs when the module is loaded, not in a finalizer or deallocator.",
    "modules": "Keep a reference to the module (in the module state) in place of looking it up late.",
    "module-state": "Keep the module alive as long as its types and objects (PyType_FromModuleAndSpec), and check "
    "for a NULL state in deallocators.",
    "sys-builtins": "Fetch what is needed from sys while it is alive, and allow for NULL or None at shutdown.",
    "warnings": "Do not warn from a deallocator that may run at shutdown: check Py_IsFinalizing() first, or release "
    "the object before the module is cleared.",
    "daemon-threads": "Join the thread before the interpreter exits (threading.Thread without daemon=True, an atexit "
    "callback that stops it), or ask Py_IsFinalizing() before taking the GIL.",
    "gil-state": "Do not enter Python from exit handlers, static destructors or foreign threads after Py_FinalizeEx.",
}


def after_finalize(function: str) -> Tuple[str, List[str]]:
    """Return (advice, references) for a call of the API when there is no interpreter any more."""
    return (
        f"{function} must not be called when Py_FinalizeEx has returned: there is no interpreter and no thread state. "
        "Release Python objects earlier (an atexit callback of the atexit module, or m_free), or leak them on purpose: "
        "exit handlers, static and thread_local destructors must first ask Py_IsInitialized().",
        [_BEFORE],
    )


def without_interpreter(function: str) -> Tuple[str, List[str]]:
    """Return (advice, references) for a call of the API late in Py_FinalizeEx, when the interpreter is deleted."""
    return (
        f"{function} must not be called from a function registered with Py_AtExit, nor from a hook on a thread state: "
        "there is no interpreter and no thread state any more. Do this work in a callback of the atexit module, "
        "which runs while everything is alive, or only free C data here.",
        ["https://docs.python.org/3/c-api/sys.html#c.Py_AtExit"],
    )


def late_thread(consequence: str, over: bool = False) -> Tuple[str, List[str]]:
    """Return (advice, references) for a thread that asks for the GIL too late.

    ``consequence`` is what becomes of it while finalization runs; ``over`` says that that has returned.
    """
    if over:
        consequence = "There is no interpreter to make a thread state for: the call crashes."
    return f"{consequence} {_CHANGES['daemon-threads']}", [_FINALIZING, "https://github.com/python/cpython/issues/87135"]


def stale_module(function: str, of_type: bool) -> Tuple[str, List[str]]:
    """Return (advice, references) for a call that is given a module that was freed, or a type that lost its module."""
    reference = "https://bugs.python.org/issue38076"
    if of_type:
        return (
            f"{function} sets a TypeError and returns NULL for a type that the garbage collector has cleared. Keep what a "
            "deallocator needs in the object itself, and check the result for NULL (PyErr_Clear() after it).",
            [reference],
        )
    return (
        f"{function} reads freed memory: the module was deallocated before this code ran. Hold a reference to the module "
        "as long as it is used: make the type with PyType_FromModuleAndSpec and ask PyType_GetModuleState, or keep the "
        "module in the object. A pointer to a module in a static variable owns nothing.",
        [reference],
    )


def dead_object(function: str, freed: bool) -> Tuple[str, List[str]]:
    """Return (advice, references) for a call that is given an object which is gone, or was cleared."""
    reference = "https://docs.python.org/3/c-api/intro.html#reference-count-details"
    if freed:
        return (
            f"{function} reads freed memory. A borrowed reference (PyImport_GetModuleDict, PyModule_GetDict, "
            "PyDict_GetItem) that is kept in a static variable owns nothing: hold a reference of your own, or ask again each "
            "time, and not in a destructor that finalization runs.",
            [reference],
        )
    return (
        f"{function} finds nothing in it any more: finalization has cleared it, and only your reference keeps it. Take from "
        "it what a destructor needs before Python ends.",
        [reference],
    )
