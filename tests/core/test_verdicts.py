"""The verdict on each program of tests/scenarios that crashes or hangs: exactly that one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import pytest

from tests.core.scenarios import SCENARIOS
from tests.support.cores import Core, NoCore, crash_core, hang_core, need_kernel_dump
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter
from tests.support.late_threads import sleep_for_ever

pytestmark = pytest.mark.core

#: A value, or values by the beginning of the interpreter's label, the longest that fits; "" is for all others, "3.14-dbg"
#: and "-dbg" for debug builds, "t" for builds without a GIL, "3.13-debian" for Debian's release builds, "sleeps" and "sleeps-dbg"
#: for those whose threads sleep for ever when they ask for the GIL too late. What is said of 3.13 holds for later ones, unless
#: they are named.
Told = Union[None, str, Tuple[str, ...], Mapping[str, Union[None, str, Tuple[str, ...]]]]

_PENDING = "_Py_FinishPendingCalls"
#: What libffi reads of a callback (its ffi_cif) lies in a ctypes object, and these have given its arena back by then: libffi
#: itself crashes, and no code of ctypes is reached.
_UNMAPPED: Dict[str, None] = {"3.14": None, "3.15": None}
# Without a GIL references to modules and functions are counted late: they die in the collections of the teardown.
_BY_COLLECTION = "_PyImport_ClearModules"
#: The last step before modules' dicts are cleared for good, and before the collection after that.
_CLEARED: Told = {
    "3.8": "_PyState_ClearModules", "3.9": "_PyModule_ClearDict", "t": _BY_COLLECTION,
    "": "finalize_clear_sys_builtins_dict",
}  # fmt: skip
_FREED: Told = {
    "3.8": "_PyGC_CollectIfEnabled", "3.9": "_PyModule_ClearDict", "t": _BY_COLLECTION,
    "": "finalize_clear_sys_builtins_dict",
}  # fmt: skip
_RESTORED: Told = {
    "3.8": "_PyState_ClearModules", "3.9": "_PyGC_CollectIfEnabled", "": "finalize_restore_builtins",
}  # fmt: skip
#: The same for what is freed with a module's dict.
_SLOW_DEL: Told = {
    "3.8": "_PyState_ClearModules", "3.9": "_PyGC_CollectIfEnabled", "t": "_PyGC_DumpShutdownStats",
    "": "finalize_restore_builtins",
}  # fmt: skip
_COLLECTED: Told = {
    "3.8": "_PyGC_CollectIfEnabled", "3.9": "_PyGC_CollectIfEnabled", "": "finalize_modules_delete_special",
    "t": "finalize_restore_builtins",
    # Inlined and mixed with what follows, it cannot be told to be behind.
    **dict.fromkeys(("3.14", "3.15"), ("finalize_modules_delete_special", "_PyImport_FiniExternal")),
}  # fmt: skip
_NONE_COLLECTED: Told = {
    "3.8": "_PyGC_CollectIfEnabled", "3.9": "_PyGC_CollectIfEnabled", "": "finalize_restore_builtins",
}  # fmt: skip
_FIRST: Told = {"3.13": "resolve_final_tstate", "": None}
_CONFIG: Told = {"3.13": "_PyCodec_Fini", "": "PyConfig_Clear"}
_AT_EXIT: Told = {
    # Inlined, as above: its last part comes after the collection there.
    "3.13-debian": ("_PyWarnings_Fini", "_PyAtExit_Fini"), "3.14": ("_PyAST_Fini", "_PyAtExit_Fini"), "": "_PyAtExit_Fini",
}  # fmt: skip
#: Where PyGILState_Ensure does not crash without an interpreter, but puts the thread to sleep (tests/live/test_attach.py).
_HANGS = ("3.15",)
#: Where threads that ask for the GIL too late sleep, and are not ended by pthread_exit(): the interpreter itself is asked.
_SLEEPS = ("sleeps",)
_DEBUG = ("3.13-dbg", "3.14-dbg", "3.15-dbg")
_OLD_NAMES = ("3.8", "3.9", "3.10")


def _qualified(function: str, class_: str) -> Told:
    """Return the function's name: the qualified one where code objects have it."""
    return {**dict.fromkeys(_OLD_NAMES, function), "": f"{class_}.{function}"}


@dataclass(frozen=True)
class Expected:
    """What fingdb must say. ``library`` is the beginning of the culprit's file name; "" for no culprit."""

    kind: Told
    phase: Told
    after: Told
    function: Told
    library: Told
    #: Labels of interpreters on which the program does not crash: what they begin with, 3.13 for later ones too.
    harmless: Tuple[str, ...] = ()
    confidence: Told = "certain"
    #: Words that the summary must have.
    says: Told = field(default=())
    #: An exception from ``harmless``.
    harms: Tuple[str, ...] = ()


def _late(
    function: Told, library: str, *says: str, confidence: Told = "certain", harmless: Tuple[str, ...] = ()
) -> Expected:
    return Expected(
        "late-exit-handler", "after-finalize", "Py_FinalizeEx", function, library, harmless, confidence, says
    )


def _not(function: str, phase: str = "running", after: Told = None) -> Expected:
    return Expected("not-finalization", phase, after, function, "main.py", says=("No shutdown bug",))


EXPECTED: Dict[str, Expected] = {
    # A debug build fills the closure's memory when it frees it: libffi itself crashes.
    "late-cxa-atexit": _late(
        {"-dbg": None, "3.11": "_CallPythonObject", "3.12": "_CallPythonObject", **_UNMAPPED, "": "closure_fcn"},
        "", confidence={"-dbg": "likely", **dict.fromkeys(_UNMAPPED, "likely"), "": "certain"},
    ),
    "late-libc-atexit": _late("flush_records", "tracelib.", "exit handler", harmless=_HANGS),
    "late-cpp-static": _late("Owned::~Owned", "registry.", "static destructor"),
    "late-dso-destructor": _late("release_pool", "pool.", "destructor of its library"),
    "late-thread-local": _late("Session::~Session", "session.", "thread_local"),
    "late-unloaded-handler": _late(("0x",), "no mapped file", "unloaded", confidence="likely"),
    "late-py-atexit": Expected(
        "late-exit-handler", "exit-functions",
        {"3.8": "PyInterpreterState_Delete", "3.12": "_Py_FinalizeAllocatedBlocks",
         "3.13": "_Py_FinalizeAllocatedBlocks", "": "finalize_interp_delete"},
        "report_counters", "counters.", says=("Py_AtExit",),
    ),
    "late-native-thread": Expected("late-thread", "after-finalize", "Py_FinalizeEx", "deliver", "feeder.", _HANGS),
    # The thread that sleeps has made a thread state of its own by then. When that is deleted with the interpreter, a debug build
    # of 3.13 asserts that it is bound to the thread that deletes it (unbind_gilstate_tstate).
    "late-thread-catch": Expected(
        {"sleeps-dbg": "fatal-error", "": "late-thread"},
        {"sleeps-dbg": "interpreter-delete", "": "module-teardown"},
        {**_SLOW_DEL, "sleeps-dbg": "_PyGILState_Fini"},
        {"sleeps-dbg": "unbind_gilstate_tstate", "": "pull_messages"},
        {"sleeps-dbg": "python3.13d", "": "mailbox_pump."},
        _SLEEPS, says={"sleeps-dbg": ("gilstate_tss_get",), "": ("pthread_exit",)}, harms=("3.13-dbg",),
    ),
    "late-thread-terminate": Expected(
        "late-thread", "module-teardown", _SLOW_DEL, "wait_for_event", "monitor.", _SLEEPS, says=("pthread_exit",)
    ),
    "embed-between-cycles": Expected(
        "late-thread", "after-finalize", "Py_FinalizeEx", "post_event", "embed-between-cycles", _HANGS
    ),
    "embed-use-after": Expected(
        "touch-after-fini", "after-finalize", "Py_FinalizeEx", "save_settings", "embed-use-after"
    ),
    "embed-wrong-end": Expected(
        "fatal-error", "thread-shutdown", None, "close_plugin", "embed-wrong-end", says=("thread is not current",)
    ),
    "subinterpreter-end": Expected(
        "touch-after-fini", "interpreter-clear", _CONFIG, "log_close", "subinterpreter-end",
        says=("PyImport_GetModuleDict",),
    ),
    "touch-after-modules": Expected(
        "touch-after-fini", "interpreter-clear", _CONFIG, "say_goodbye", "keeper.", says=("PyImport_GetModuleDict",)
    ),
    # A debug build of 3.13 and later looks for the module where modules are counted, and crashes there.
    "stale-module-state": Expected(
        {**dict.fromkeys(_DEBUG, "touch-after-fini"), "": "stale-module-state"},
        "interpreter-clear", _AT_EXIT, "encoder_dealloc", "codecx.", ("3.8", "3.9"),
        {**dict.fromkeys(_DEBUG, "likely"), "": "certain"},
        {**dict.fromkeys(_DEBUG, ("PyState_FindModule",)), "": ("PyModule_GetState",)},
    ),
    "stale-global-cache": Expected(
        "stale-module-state", "interpreter-clear", _AT_EXIT, "shape_dealloc", "geometry.", ("3.8", "3.9"),
        confidence="likely", says=("shapes is NULL",),
    ),
    "stale-accessor": Expected(
        "stale-module-state", "interpreter-clear", _CONFIG, "meter_dealloc", "meters.", ("3.8", "3.9"),
        confidence="likely", says=("counts is NULL",),
    ),
    # The debug build notices at once, long before the end.
    "refcount-list": Expected(
        {"-dbg": "not-finalization", "": "refcount-corruption"},
        {"-dbg": "running", "": "daemon-threads"},
        {"-dbg": None, "3.8": "PyOS_FiniInterrupts", "3.9": "PyOS_FiniInterrupts", "": "_PySignal_Fini"},
        {"-dbg": "<module>", "": None}, {"-dbg": "main.py", "": ""},
        # Without a GIL objects have pages of their own: what is freed is not used again for bytes.
        ("t",), confidence={"-dbg": "certain", "": "likely"},
    ),
    "refcount-none": Expected(
        "refcount-corruption", "module-teardown", _NONE_COLLECTED, None, "", ("3.12", "3.13"),
        says=("deallocating None",),
    ),
    "refcount-true": Expected(
        "refcount-corruption", "module-teardown",
        # Which of the last references goes in which step depends on all that was ever imported.
        ("_PyGC_CollectIfEnabled", "_PyState_ClearModules", "_PyGC_DumpShutdownStats", "_PyModule_ClearDict",
         "finalize_restore_builtins", "finalize_clear_sys_builtins_dict", "_PyInterpreterState_ClearModules"),
        None, "", ("3.12", "3.13"), confidence={"3.11": "certain", "": "likely"}, says=("True",),
    ),
    "heap-overflow": Expected(
        "memory-corruption", "module-teardown", _CLEARED, "blob_free", "blob.", says=("free(): invalid next size",)
    ),
    "heap-debug-overflow": Expected(
        "memory-corruption", "module-teardown", _CLEARED, "table_free", "table.", says=("bad trailing pad byte",)
    ),
    "buffered-io-daemon": Expected(
        "buffered-io-deadlock", "daemon-threads",
        {"3.8": "call_py_exitfuncs", "3.13": "_PyThreadState_DeleteList", "": "_PyThreadState_DeleteExcept"},
        "log", "main.py",
    ),
    "buffered-io-atexit": Expected("buffered-io-deadlock", "atexit", _PENDING, "produce", "main.py"),
    "join-event": Expected(
        "thread-join-hang", "thread-shutdown", _FIRST, "serve_forever", "main.py", says=('thread "server"',)
    ),
    # Since 3.9 executors are ended with the threads.
    "join-executor": Expected(
        "thread-join-hang", {"3.8": "atexit", "": "thread-shutdown"}, {"3.8": _PENDING, **_FIRST}, "consume", "main.py"
    ),
    "join-feeder": Expected(
        "thread-join-hang", "atexit", _PENDING, _qualified("_send", "Connection"), "connection.py",
        says=("QueueFeederThread",),
    ),
    "lock-cycle": Expected("lock-deadlock", "thread-shutdown", _FIRST, ("debit", "credit"), "main.py"),
    "lock-cycle-rlock": Expected("lock-deadlock", "thread-shutdown", _FIRST, ("debit", "credit"), "main.py"),
    "lock-self": Expected("lock-deadlock", "atexit", _PENDING, _qualified("close", "Connection"), "main.py"),
    "lock-never-released": Expected(
        "lock-deadlock", "module-teardown", _RESTORED, _qualified("__del__", "Journal"), "main.py", confidence="likely",
        harmless=("3.15",), says=("no other thread",),
    ),
    "gil-deadlock": Expected("gil-deadlock", "atexit", _PENDING, "lock_bus", "bus."),
    "world-deadlock": Expected("gil-deadlock", "atexit", _PENDING, "lock_pool", "pool."),
    # 3.8 lets the thread wait for the GIL, later ones end it, the latest let it sleep: where it was ended nobody has the mutex.
    "lock-dead-owner": Expected(
        {"3.8": "gil-deadlock", "sleeps": "gil-deadlock", "": "lock-deadlock"}, "module-teardown",
        {"3.8": "_PyGC_DumpShutdownStats", "3.9": "_PyModule_ClearDict", "3.13": "_PyImport_FiniCore",
         "": "finalize_clear_sys_builtins_dict"},
        "drop_cache", "cache.",
    ),
    "callback-loop": Expected(
        "callback-hang", "atexit", _PENDING, ("wait_for_done", "poll"), "main.py", confidence="likely"
    ),
    "callback-del-loop": Expected(
        "callback-hang", "module-teardown", _RESTORED, _qualified("__del__", "Pump"), "main.py", confidence="likely"
    ),
    "callback-wait": Expected("callback-hang", "atexit", _PENDING, "say_goodbye", "main.py", says=("socket",)),
    "overflow-chain": Expected("stack-overflow", "module-teardown", _COLLECTED, "link_dealloc", "chain."),
    "fatal-error": Expected(
        "fatal-error", "module-teardown", _FREED, "check_books", "guard.", says=("1 handle was never given back",)
    ),
    "not-null-pointer": _not("read_header"),
    "not-abort": _not("give_up"),
    "not-abort-in-del": Expected(
        "not-finalization", "module-teardown", _RESTORED, _qualified("__del__", "Ledger"), "main.py", confidence="likely",
        says=("ends the process by itself",),
    ),
    "not-in-atexit": _not("save", "atexit", _PENDING),
    "not-sleeping": _not("serve"),
    "not-child": _not("<module>"),
}  # fmt: skip


def told_for(told: Told, python: Interpreter) -> Union[None, str, Tuple[str, ...]]:
    """Return what is expected of an interpreter."""
    if not isinstance(told, Mapping):
        return told
    for key in _conditions(python):
        if key in told and (not key.startswith("sleeps") or sleep_for_ever(python)):
            return told[key]
    if python.free_threaded and "t" in told:
        return told["t"]
    fitting = [beginning for beginning in told if python.label.startswith(beginning)]
    if not any(fitting) and python.version >= (3, 14):
        fitting = [beginning for beginning in told if beginning in ("", "3.13")]  # as before, unless told otherwise
    return told[max(fitting, key=len)]


def _conditions(python: Interpreter) -> List[str]:
    """Return keys of an expectation that may hold for an interpreter beside the beginnings of its label, the closest first."""
    short = ".".join(map(str, python.version[:2]))
    if python.debug:
        return [f"{short}-dbg", "sleeps-dbg", "-dbg", "sleeps"]
    return [*([f"{short}-debian"] if python.label.endswith("-debian") else []), "sleeps"]


def is_harmless(python: Interpreter, expected: Expected) -> bool:
    """Tell whether an interpreter is one of those on which a program does not crash."""
    labels = expected.harmless
    if set(_conditions(python)) & set(expected.harms):
        return False
    if python.free_threaded and "t" in labels:
        return True
    if "sleeps" in labels and sleep_for_ever(python):
        return True
    return python.label.startswith(labels) or (python.version >= (3, 14) and "3.13" in labels)


def core_of(python: Interpreter, name: str) -> Core:
    scenario = SCENARIOS[name]
    words, environment = scenario.command(python)
    if scenario.ends == "hang":
        return hang_core(python, name, words, environment, scenario.settle)
    need_kernel_dump()
    return crash_core(python, name, words, environment)


def test_every_program_has_an_expectation() -> None:
    assert set(EXPECTED) == set(SCENARIOS)


def all_told(python: Interpreter, name: str) -> Optional[Tuple[object, ...]]:
    """Return all that is expected of a program on an interpreter, None where there is nothing to expect."""
    expected = EXPECTED[name]
    if not python.has_debug_info or is_harmless(python, expected):
        return None
    all_of_it = (
        expected.kind, expected.phase, expected.after, expected.function, expected.library, expected.confidence, expected.says
    )  # fmt: skip
    return tuple(told_for(told, python) for told in all_of_it)


@pytest.mark.spread(expected=all_told)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_verdict(python: Interpreter, name: str) -> None:
    expected = EXPECTED[name]
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    if is_harmless(python, expected):
        pytest.skip(f"the program does not crash on {python.label}")
    try:
        core = core_of(python, name)
    except NoCore as problem:
        pytest.fail(f"no core of {name}: {problem}")
    done = run_fingdb("core", "--json", core.path)
    assert done.returncode in (0, 1), done.stderr.decode()
    report = json.loads(done.stdout)
    verdict, findings = report["verdict"], report["findings"]
    culprit: Optional[Dict[str, Any]] = verdict["culprit"]
    said = json.dumps({"verdict": verdict, "notes": report["notes"], "phase": report["phase"]}, indent=1)
    assert (verdict["kind"], report["phase"]) == (told_for(expected.kind, python), told_for(expected.phase, python)), said
    after = told_for(expected.after, python)
    assert verdict["after_step"] in (after if isinstance(after, tuple) else (after,)), said
    whole = [step for step in report["steps"] if step["name"] in ("Py_FinalizeEx", "_Py_Finalize")]
    assert len(whole) <= 1, whole  # one finalization, also where the compiler has split its function
    _check_culprit(culprit, told_for(expected.function, python), told_for(expected.library, python), said)
    assert verdict["confidence"] == told_for(expected.confidence, python), said
    if verdict["kind"] == told_for(expected.kind, python):
        says = told_for(expected.says, python) or ()
        assert all(words in verdict["summary"] for words in says), said
    # What complains of nothing is no finding.
    complains = verdict["kind"] not in ("not-finalization", "unknown")
    assert [(f["culprit"], f["after_step"], f["severity"]) for f in findings] == (
        [(culprit, verdict["after_step"], "error")] if complains else []
    )  # fmt: skip
    assert done.returncode == int(complains)


def _check_culprit(
    culprit: Optional[Dict[str, Any]], function: Union[None, str, Tuple[str, ...]],
    library: Union[None, str, Tuple[str, ...]], said: str,
) -> None:
    if function is None:
        assert culprit is None, said
        return
    assert culprit is not None, said
    if function == ("0x",):
        assert culprit["function"].startswith("0x"), said
    else:
        assert culprit["function"] in ((function,) if isinstance(function, str) else function), said
    assert isinstance(library, str)
    assert os.path.basename(culprit["library"]).startswith(library or "_ctypes"), said
