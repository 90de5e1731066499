"""What a run needs to know of a build, read from its files before the program starts.

With the debug information of a running program gdb reads that of all its libraries, and a whole unit of it for each
breakpoint. So the plan and the field offsets of a build that is new are learned from the file of its runtime alone,
and the run itself is that of a known build.
"""

from __future__ import annotations

from ..cpython.target import PythonTarget
from ..debugger.interface import Debugger, DebuggerError
from ..finalization.runtime_module import find_runtime, runtime_library


def learn(debugger: Debugger, executable: str) -> bool:
    """Put the plan and the layout of an executable's build into the cache; tell whether it has a runtime to learn of.

    False for a program that may load its CPython later: nobody knows which. A build that tells nothing is no error.
    """
    path = runtime_library(executable)
    if path is None:
        return False
    try:
        with debugger.examine(path) as closed:
            runtime = find_runtime(closed)
            if runtime is not None:
                runtime.plan()
                PythonTarget(closed)
    except DebuggerError:
        pass  # the run will say what is wrong with it
    return True
