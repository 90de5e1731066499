"""Where the answers about a build without debug information came from, in words."""

from __future__ import annotations

from typing import List, Optional

from ..debugger.interface import DebuggerError
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
