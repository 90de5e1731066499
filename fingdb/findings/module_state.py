"""Code of an extension module that runs when the module's state is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, List, Optional, Tuple

from ..finalization import catalogue
from ..finalization.functions import base_name
from ..model.report import NativeFrame
from .calls import Call, calls_before, calls_of, null_globals
from .case import Case, Task
from .culprit import RUNTIME, Blame, origin_of
from .judgement import CERTAIN, LIKELY
from .whatis import FREED, GONE_TYPE, NULL, Lookup

#: Functions that give a module's state, or the module that has it.
STATE: FrozenSet[str] = frozenset(
    {
        "PyModule_GetState", "PyState_FindModule", "PyType_GetModuleState", "PyType_GetModule", "PyType_GetModuleByDef",
        "_PyType_GetModuleByDef", "_PyModule_GetState", "_PyType_GetModuleState", "PyModule_GetDef", "PyObject_GetTypeData",
    }
)  # fmt: skip
#: Functions that fail late because what they look something up in is gone.
_LOOK_UP = ("PyImport_", "_PyImport_", "PySys_", "_PySys_", "PyEval_Get", "PyErr_Warn", "PyInterpreterState_Get",
            "PyThreadState_GetDict", "PyContext", "PyCodec_", "PyObject_GetAttr", "PyObject_Call", "PyDict_GetItem",
            "PyUnicode_", "_PyUnicode_", "PyWeakref_")  # fmt: skip
#: Names of the first arguments of the functions of the C API.
_FIRST = ("o", "op", "ob", "obj", "self", "mp", "m", "module", "callable", "func", "v", "a", "list", "seq", "type",
          "unicode", "left", "object", "dict", "set", "key", "value", "args", "p", "s", "w", "item", "name")  # fmt: skip


@dataclass
class Stale:
    """What shows that module state is gone."""

    sentence: str
    confidence: str
    evidence: List[str] = field(default_factory=list)


def stale_state(case: Case, task: Task, blame: Blame, null: bool) -> Optional[Stale]:
    """Return what shows that the culprit used its module's state too late, None if nothing does. Never raises.

    ``null`` says that the access that failed was next to null.
    """
    own = _own_frames(task, blame)
    if not own:
        return None
    api = _api(task, blame)
    given = ""
    if api is not None:
        given = _bad_argument(case, task, api)
        if not given:
            return None  # the call failed for reasons of CPython's own
    asked = _state_calls(case, own)[0]
    if asked:
        return Stale(_sentence(asked, given), CERTAIN if null or given else LIKELY, [])
    names = null_globals(case.debugger, own[0])
    if names and (null or given):
        listed = ", ".join(names[:3])
        return Stale(f"its global variable {listed} is NULL{given}", LIKELY)
    return None


def failed_call(case: Case, task: Task, blame: Blame) -> str:
    """Return the function of the C API whose NULL the culprit seems to have used, "" if none shows."""
    own = _own_frames(task, blame)
    if not own or _api(task, blame) is not None:
        return ""
    return _state_calls(case, own[:1])[1]


def _sentence(asked: str, given: str) -> str:
    return f"what {asked} gives is NULL or cleared{given}"


def _own_frames(task: Task, blame: Blame) -> List[NativeFrame]:
    """Return the culprit's frame and those around it of the same library, up to where it was called from outside."""
    found: List[NativeFrame] = []
    for frame in task.frames:
        if frame.level < blame.level or frame.inlined:
            continue
        if found and frame.library != found[0].library:
            break
        if not found and blame.culprit is not None and frame.library != blame.culprit.library:
            return []  # a Python function
        found.append(frame)
    return found


def _api(task: Task, blame: Blame) -> Optional[NativeFrame]:
    """Return the frame of the function of the C API that the culprit called, None if it called none."""
    for frame in reversed([f for f in task.frames if f.level < blame.level and not f.inlined]):
        if origin_of(frame) == RUNTIME:
            return frame
    return None


def _bad_argument(case: Case, task: Task, frame: NativeFrame) -> str:
    """Return in words which argument of a call was NULL or freed, "" if none shows."""
    lookup = Lookup(case.debugger, case.python, case.mappings)
    function = base_name(frame.function) if frame.function else "the call"
    for name in _FIRST:
        address = case.debugger.frame_argument(task.native.debugger_id, frame.level, name)
        if address is None:
            continue
        what = lookup.what_is(address)
        if what.kind == NULL:
            return f", and {function} got NULL"
        if what.kind in (FREED, GONE_TYPE):
            return f", and {function} got {what.words}"
    return ""


def _state_calls(case: Case, frames: List[NativeFrame]) -> Tuple[str, str]:
    """Return (function that was asked for the state, function that looked something up after that), "" for none."""
    asked = looked_up = ""
    for number, frame in enumerate(frames):
        calls = calls_before(case.debugger, frame)
        if number:
            calls = calls[:-1]  # the one that it is in
        for call in calls:
            found = _asks(case, call, frame, 2)
            if found:
                asked, looked_up = found, "" if number == 0 else looked_up
            elif number == 0 and _looks_up(call.function):
                looked_up = call.function
        if asked:
            break
    if looked_up and asked and looked_up.startswith(("PyImport_", "PySys_", "PyEval_Get")):
        asked = ""  # nearer to the place of the crash
    return asked, looked_up


def _asks(case: Case, call: Call, frame: NativeFrame, depth: int) -> str:
    """Return the function that a call asks for the state, itself or in a helper of the same library."""
    name = base_name(call.function)
    if name in STATE:
        return name
    if depth and call.target and case.debugger.module_at(call.target) == frame.library:
        for inner in calls_of(case.debugger, call.target):
            found = _asks(case, inner, frame, depth - 1)
            if found:
                return found
    return ""


def _looks_up(function: str) -> bool:
    return function.startswith(_LOOK_UP) or any(function in s.touched_by for s in catalogue.subsystems())
