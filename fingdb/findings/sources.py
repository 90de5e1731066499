"""Where the answers about a build without debug information came from, and what they lack, in words."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..cpython.target import PythonTarget
from ..debugger.interface import DebuggerError
from ..finalization.plan_cache import source_of
from ..finalization.runtime_module import RuntimeModule
from ..model.plan import SOURCES
from ..model.report import PythonBuild

_STEPS = {
    SOURCES[0]: "steps from exported functions",
    SOURCES[1]: "steps from the symbol table, inlined ones missing",
    SOURCES[2]: "steps kept from when its debug information was there",
}
_LAYOUT = {
    "dwarf": "structures from debug information of extension modules, or kept from when its own was there",
    "debug-offsets": "structures from _Py_DebugOffsets",
    "exported-functions": "runtime, interpreters and thread states from exported functions",
    "none": "structures unknown",
}


def told_by(build: Optional[PythonBuild], runtime: Optional[RuntimeModule]) -> List[str]:
    """Return what steps and structures were told by; empty for a build that has its debug information."""
    if build is None or runtime is None or runtime.source == SOURCES[2]:
        return []
    try:
        steps = _STEPS[runtime.plan().source]
    except DebuggerError:
        steps = "no steps"
    return [steps, _LAYOUT.get(build.layout, build.layout)]


# -- one answer -----------------------------------------------------------------------------------
class Origin(NamedTuple):
    """What an answer was read with, in words ("" for a build with its debug information), and what it lacks for want of that."""

    source: str = ""
    missing: Sequence[str] = ()

    @property
    def sentence(self) -> str:
        """Both in a sentence, "" where there is nothing to say."""
        if not self.source:
            return ""
        told = f"{self.source}, as the build has no debug information"
        if not self.missing:
            return told
        return f"{told}; not known without it: {'; '.join(self.missing)}; `fingdb doctor PYTHON` tells what brings that"


_READ_WITH = {
    "dwarf": "read with offsets from debug information of extension modules, or kept from when the build had its own",
    "debug-offsets": "read with the table of offsets in _PyRuntime (_Py_DebugOffsets)",
    "exported-functions": "read with offsets from the machine code of exported functions",
}
#: Of each answer, its parts: in words, logical fields of which one is enough, and whether builds without a GIL have it
#: (None: both kinds have).
_Part = Tuple[str, Tuple[str, ...], Optional[bool]]
_STACKS: _Part = ("Python stacks", ("thread.frame", "thread.current_frame", "thread.cframe"), None)
_HOLDER: _Part = ("who holds the GIL", ("runtime.current_thread", "gil.last_holder"), False)
_COLLECTOR: _Part = ("where the collector's state lies", ("interp.gc", "runtime.gc"), None)
_LISTS: _Part = ("the collector's lists of objects", ("gc.generations", "gc.young"), False)
_PAGES: _Part = ("where the objects of each thread are", ("thread.mimalloc.heaps",), True)
_TYPES: _Part = ("the types of objects", ("object.type",), None)
_MODULES: _Part = ("sys.modules", ("interp.modules",), None)
_SIZES: _Part = ("how large an object is beyond the fixed part of its type", ("type.itemsize",), None)
_PARTS: Dict[str, Tuple[_Part, ...]] = {
    "threads": (("names of threads and which are daemons", ("interp.modules",), None), _HOLDER, _STACKS),
    "gc": (_COLLECTOR, _LISTS, _PAGES, _TYPES),
    "interpreters": (_MODULES, _COLLECTOR, _LISTS, _PAGES),
    "modules": (_MODULES,),
    "heap": (_LISTS, _PAGES, _TYPES, _SIZES),
    "objects": (_LISTS, _PAGES, _TYPES),
    "verify": (
        _LISTS, _PAGES, _TYPES, ("where the allocator's blocks are", ("arena.address", "mi_page.used"), None),
    ),
    "whatis": (("which memory holds an object", ("object.type",), None),),
}  # fmt: skip


def origin_of_answer(python: PythonTarget, subject: str) -> Origin:
    """Return what the answer of a command (``threads``, ``gc``, ``heap``, …) was read with and what it lacks."""
    if python.gap is None and source_of(python.module) == SOURCES[2]:
        return Origin()
    layout, free_threaded = python.layout, python.build.free_threaded
    missing = [
        words for words, names, without_gil in _PARTS[subject]
        if without_gil in (None, free_threaded) and not any(map(layout.has, names))
    ]
    if _COLLECTOR[0] in missing and _LISTS[0] in missing:
        missing.remove(_LISTS[0])  # it is there that they begin
    return Origin(_READ_WITH.get(layout.source, layout.source), missing)
