"""Whose code it is: the innermost frame, native or Python, that is not CPython's own.

Code of the program and of third-party packages comes before the standard library's, that before the
runtime itself. Plumbing never counts: libc, the dynamic linker, the C++ runtime, libffi. What a header
puts into a file (a smart pointer's destructor, ``Py_DECREF``) counts to the function it was compiled into.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Iterator, List, Mapping, Optional, Sequence

from ..debugger.interface import SIGNAL_HANDLER, Debugger, MemoryFault
from ..elf import ElfError, open_elf
from ..finalization import catalogue
from ..finalization.functions import base_name
from ..model.report import Culprit, NativeFrame, PythonFrame

#: Whose code a frame is: the program's or a third party's, the standard library's, the runtime's, or plumbing.
PROGRAM, STDLIB, RUNTIME, PLUMBING = "program", "stdlib", "runtime", "plumbing"
#: Level of a native frame -> the Python frames that it runs.
Placed = Mapping[int, Sequence[PythonFrame]]
#: Library of code that lies in no mapped file: of a library that was unloaded, or generated.
NO_FILE = "no mapped file"

_PLUMBING = re.compile(
    r"^(?:libc|libc-[\d.]+|libc\.musl-[^.]*|ld-linux[^.]*|ld-musl[^.]*|ld-[\d.]+|ld|ld64"
    r"|lib(?:pthread|dl|m|rt|util|BrokenLocale|anl|resolv)(?:-[\d.]+)?"
    r"|libthread_db(?:-[\d.]+)?|libstdc\+\+|libgcc_s|libffi|libc\+\+|libc\+\+abi|libunwind|linux-vdso|linux-gate"
    r"|libasan|libubsan|libtsan|liblsan|libjemalloc|libtcmalloc(?:_minimal)?|libmimalloc)\.so"
)
_LIBPYTHON = re.compile(r"^libpython\d[^/]*\.so")
_PYTHON_PROGRAM = re.compile(r"^python\d?(?:\.\d+)?[dmtu]*(?:-dbg)?$")
_STDLIB_FILE = re.compile(r"/python3\.\d+t?/(?!(?:site|dist)-packages/)")
#: The evaluation loop, over all versions.
EVAL = ("_PyEval_EvalFrameDefault", "_PyEval_EvalFrame", "PyEval_EvalFrameEx")
#: Functions around a program's `main` and a thread's function, and what compilers write around destructors.
_START = {
    "_start", "_init", "_fini", "__libc_start_main", "__libc_start_call_main", "__libc_start_main_impl", "clone",
    "clone3", "start_thread", "__do_global_dtors_aux", "_dl_start_user",
}  # fmt: skip
#: The interpreter's own main program: what is outside of it did not cause what is inside.
_MAIN_PROGRAM = ("Py_RunMain", "pymain_main", "Py_Main", "Py_BytesMain")
#: All that the `main` of a plain interpreter calls.
_LAUNCHES = {"Py_BytesMain", "Py_Main", "_Py_UnixMain"}
#: Directories of CPython's own sources: tells its functions in a program that was linked with all of it.
_OWN_SOURCES = re.compile(r"(?:^|/)(?:Python|Objects|Modules|Parser|Programs|Include)/(?:[\w.-]+/)*[\w.-]+\.[ch]$")
_HEADER = re.compile(r"\.(?:h|hh|hpp|hxx|h\+\+|inl|ipp|tcc|tpp)$|/include/c\+\+/[^/]+/(?:[\w.-]+/)*\w+$")
#: Cython writes helper functions into each of its modules: they work for the function that calls them.
_CYTHON_HELPER = "__Pyx_"
#: Functions of CPython that report a fatal error, from the one that aborts outwards, over all versions.
REPORTING = frozenset(
    {
        "fatal_error_exit", "fatal_error", "Py_FatalError", "_Py_FatalErrorFunc", "_Py_FatalErrorFormat",
        "_Py_FatalRefcountErrorFunc", "_Py_FatalError_TstateNULL", "_PyObject_AssertFailed", "_Py_NegativeRefcount",
        "Py_ExitStatusException", "_PyMem_DebugCheckAddress", "_PyObject_DebugDumpAddress",
    }
)  # fmt: skip
#: Below this nothing is ever mapped: a call through a null pointer.
_NULL = 1 << 16
#: A library that was unloaded lay so near to one that is there.
_NEAR_LIBRARY = 1 << 32


@dataclass(frozen=True)
class Blame:
    """The culprit, None when no frame tells, and whose code it is.

    ``level`` is the number of its native frame, for a ``python`` function of the loop that runs it.
    """

    culprit: Optional[Culprit]
    origin: str
    level: int = -1
    python: bool = False


@dataclass(frozen=True)
class Candidate:
    """One frame that may be the culprit; ``level`` is that of its native frame."""

    origin: str
    culprit: Culprit
    level: int
    header: bool = False
    python: bool = False


def blame(
    debugger: Debugger, frames: Sequence[NativeFrame], python: Sequence[PythonFrame],
    rows: Optional[Sequence[Sequence[PythonFrame]]] = None, placed: Optional[Placed] = None,
) -> Blame:
    """Return whose code is responsible for what the innermost frame does.

    ``frames`` and ``python`` are the stacks of one thread, innermost first; ``rows`` the Python stack
    by runs of the evaluation loop (`cpython.frame.StackReader.rows`), where it is known; ``placed`` tells the native
    frames that run them (`placing.placed`), where names do not. Frames outside
    of the function that finalizes, and outside of the interpreter's own main program, are not responsible
    for what finalization does. Without a foreign frame the answer is the runtime.
    """
    best: Optional[Blame] = None
    wrapper: Optional[Candidate] = None
    for candidate in candidates(debugger, frames, python, rows, placed):
        other = wrapper is not None and candidate.culprit.library != wrapper.culprit.library
        if wrapper is not None and (candidate.origin != PROGRAM or other):
            return Blame(wrapper.culprit, PROGRAM, wrapper.level)  # the library has nothing but the wrapper
        if candidate.origin == PROGRAM:
            if candidate.header:
                wrapper = wrapper or candidate
                continue
            return Blame(candidate.culprit, PROGRAM, candidate.level, candidate.python)
        if candidate.origin == STDLIB and (best is None or best.origin != STDLIB):
            best = Blame(candidate.culprit, STDLIB, candidate.level, candidate.python)
        elif candidate.origin == RUNTIME and best is None:
            # A stripped runtime: the address of a function without a name tells nobody anything.
            nameless = candidate.culprit.function.startswith("0x")
            best = Blame(None if nameless else candidate.culprit, RUNTIME, candidate.level)
    if wrapper is not None:
        return Blame(wrapper.culprit, PROGRAM, wrapper.level)
    return best or Blame(None, RUNTIME)


def caller_of_finalization(debugger: Debugger, frames: Sequence[NativeFrame]) -> Optional[Culprit]:
    """Return the function of the program that called the function which finalizes, None if the interpreter's own main
    program did.

    Only what goes wrong with the call itself is its fault: it was made without the GIL, or with a thread state too many.
    """
    roots = catalogue.roots()
    for index in range(len(frames) - 1, -1, -1):
        name = frames[index].function
        if name and roots.get(base_name(name)) in ("main", "subinterpreter") and origin_of(frames[index]) == RUNTIME:
            found = blame(debugger, frames[index + 1 :], ())
            return found.culprit if found.origin == PROGRAM else None
    return None


def candidates(
    debugger: Debugger, frames: Sequence[NativeFrame], python: Sequence[PythonFrame],
    rows: Optional[Sequence[Sequence[PythonFrame]]] = None, placed: Optional[Placed] = None,
) -> Iterator[Candidate]:
    """Yield all frames of a thread that could be blamed, innermost first."""
    shares = _python_shares(frames, python) if rows is None else [list(row) for row in rows]
    roots = catalogue.roots()
    reported = max((i for i, f in enumerate(frames) if f.function and base_name(f.function) in REPORTING), default=-1)
    for index, frame in enumerate(frames):
        header = bool(frame.file and _HEADER.search(frame.file))
        name = base_name(frame.function) if frame.function else None
        helper = name is not None and name.startswith(_CYTHON_HELPER)
        origin = origin_of(frame)
        if frame.inlined and (header or frame.file is None or origin != PROGRAM):
            continue  # code of the function that it was compiled into
        if frame.library is None and not _may_be_code(debugger, frames, index):
            continue
        if origin == RUNTIME and index <= reported:
            continue  # a fatal error is the fault of whoever raised it, not of what reports it
        run: Sequence[PythonFrame] = ()
        if placed is not None:
            run = placed.get(frame.level, ()) if not frame.inlined else ()
        elif name in EVAL and not frame.inlined and shares:
            run = shares.pop(0)
        for python_frame in run:
            yield Candidate(origin_of_file(python_frame.file), _python_culprit(python_frame), frame.level, python=True)
        if origin != PLUMBING and name not in _START and name != SIGNAL_HANDLER:
            yield Candidate(origin, _native_culprit(debugger, frame), frame.level, header or helper)
        if origin == RUNTIME and name is not None and (
            roots.get(name) in ("main", "subinterpreter") or name in _MAIN_PROGRAM
        ):
            return


def _may_be_code(debugger: Debugger, frames: Sequence[NativeFrame], index: int) -> bool:
    """Tell whether a frame without a file is one, and not what unwinding or a damaged pointer made of garbage.

    The innermost may be anywhere but at (nearly) null, and not in data that the runtime took for a
    function of a type; a caller must have come from somewhere that was unwound well, that is from a file.
    """
    frame = frames[index]
    if frame.pc < _NULL:
        return False
    if frame.function:
        return True
    if index == 0:
        caller = next((f for f in frames[1:] if not f.inlined), None)
        if caller is None or origin_of(caller) != RUNTIME:
            return True
        # A function of a type that is none any more: anything. Of a library that was unloaded: where libraries are.
        return not _is_readable(debugger, frame.pc) and _is_near_library(debugger, frame.pc)
    return any(f.library is not None for f in frames[index + 1 :])


def _is_near_library(debugger: Debugger, address: int) -> bool:
    return any(abs(module.bias - address) < _NEAR_LIBRARY for module in debugger.modules() if module.bias)


def _is_readable(debugger: Debugger, address: int) -> bool:
    try:
        debugger.read(address, 1)
        return True
    except MemoryFault:
        return False


def _python_shares(frames: Sequence[NativeFrame], python: Sequence[PythonFrame]) -> List[List[PythonFrame]]:
    """Return which Python frames each native frame of the evaluation loop runs, the innermost first.

    Up to 3.10 it is one each; from 3.11 on one native frame runs a whole row of calls, and which row
    the stack alone does not tell: the innermost gets what is more than one each.
    """
    loops = sum(1 for f in frames if not f.inlined and f.function and base_name(f.function) in EVAL)
    if not loops:
        return []
    if len(python) <= loops:
        return [[frame] for frame in python]
    first = len(python) - loops + 1
    return [list(python[:first]), *([frame] for frame in python[first:])]


def _python_culprit(frame: PythonFrame) -> Culprit:
    return Culprit(frame.function, frame.file, frame.line, frame.file)


def _native_culprit(debugger: Debugger, frame: NativeFrame) -> Culprit:
    function = frame.function
    if function is None:
        symbol = debugger.symbol_at(frame.pc) if frame.library else None
        function = symbol[0] if symbol is not None else f"{frame.pc:#x}"
    return Culprit(function, frame.file, frame.line, frame.library or NO_FILE)


def origin_of(frame: NativeFrame) -> str:
    """Return whose code a native frame is."""
    if frame.library is None:
        if frame.function == SIGNAL_HANDLER or (frame.function or "").startswith("__vdso_"):
            return PLUMBING
        return PROGRAM  # code without a file: generated, or of a library that was unloaded
    name = os.path.basename(frame.library)
    if _PLUMBING.match(name) or name.startswith("[vdso"):
        return PLUMBING
    if _LIBPYTHON.match(name) or _PYTHON_PROGRAM.match(name):
        return RUNTIME
    if "/lib-dynload/" in frame.library:
        return STDLIB
    kind = _kind_of_file(frame.library)
    if kind == RUNTIME:
        return RUNTIME
    if kind == "mixed" and (frame.file is None or _OWN_SOURCES.search(frame.file)):
        return RUNTIME
    return PROGRAM


@lru_cache(maxsize=512)
def _kind_of_file(path: str) -> str:
    """Return `RUNTIME` for a plain interpreter by another name, ``mixed`` for a program that has CPython in it
    besides its own code, `PROGRAM` otherwise."""
    try:
        elf = open_elf(path)
        if elf.defines("Py_FinalizeEx"):
            return "mixed"
        if not elf.has_string(".dynstr", "Py_BytesMain"):
            return PROGRAM
        used = {name for name, symbol in elf.symbols().items() if not symbol.defined and name.startswith(("Py", "_Py"))}
    except ElfError:
        return PROGRAM
    return RUNTIME if used and used <= _LAUNCHES else PROGRAM


def origin_of_file(path: str) -> str:
    """Return whose code a Python file is: what came with CPython, or somebody else's."""
    if path.startswith("<frozen "):
        return STDLIB
    return STDLIB if _STDLIB_FILE.search(path) else PROGRAM


def describe(culprit: Culprit) -> str:
    """Return a culprit in a few words: ``function in library`` or ``function at file:line``."""
    where = culprit.library if culprit.library == NO_FILE else os.path.basename(culprit.library)
    return f"{culprit.function} in {where}" if where else culprit.function
