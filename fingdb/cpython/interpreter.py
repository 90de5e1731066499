"""Interpreters, with their threads and their collector."""

from __future__ import annotations

from typing import List, Optional

from ..layout.getters import SOURCE as EXPORTED
from ..model.report import Interpreter
from . import quick, runtime, world
from .gc import read_gc
from .target import PythonTarget, Unreadable
from .thread import read_threads


def read_interpreters(
    target: PythonTarget, threads: bool = True, stacks: bool = True, gc: bool = True, objects: bool = True,
    problems: Optional[List[str]] = None,
) -> List[Interpreter]:
    """Return all interpreters of the runtime, the main one first, by id. Raises Interrupted at most.

    ``threads``, ``stacks``, ``gc`` and ``objects`` (the walk over all objects) say what to read of
    each. Empty before Py_Initialize and after Py_FinalizeEx.
    """
    own: List[str] = []
    found = []
    for address in runtime.interpreter_addresses(target, own):
        found.append(read_interpreter(target, address, threads, stacks, gc, objects))
    # The list has the newest first; ids are given in order of creation, so this only mends oddities.
    found.sort(key=lambda i: (not i.main, i.id))
    if problems is not None:
        problems.extend(own)
    return found


def read_interpreter(
    target: PythonTarget, address: int, threads: bool = True, stacks: bool = True, gc: bool = True,
    objects: bool = True,
) -> Interpreter:
    """Return the interpreter at ``address``. Raises Interrupted at most."""
    problems: List[str] = []
    number, main = -1, False
    try:
        number = target.number("interp.id", address)
        main = address == _main(target, number, address)
    except Unreadable as error:
        problems.append(f"the interpreter at {address:#x} cannot be read: {error}")
    interpreter = Interpreter(number, address, main, bool(quick.interpreter_finalizing(target, address)))
    interpreter.problems = problems
    interpreter.modules = quick.module_count(target, address)
    interpreter.gil_enabled = world.gil_enabled(target, address)
    interpreter.stopped_world = world.stopped_world(target, address)
    if threads:
        interpreter.threads = read_threads(target, address, stacks, problems)
    if gc and target.layout.source != EXPORTED:
        interpreter.gc = read_gc(target, address, objects)
    return interpreter


def _main(target: PythonTarget, number: int, address: int) -> int:
    """Return the address of the main interpreter; without debug information it is the one with id 0."""
    main = target.value("runtime.interpreters.main", target.runtime)
    if main is None:
        return address if number == 0 else 0
    return main
