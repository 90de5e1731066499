"""The programs of tests/scenarios that crash or hang: how each is built and started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from tests.support.build import build_extension, build_library, build_program
from tests.support.interpreters import Interpreter

DIRECTORY = Path(__file__).resolve().parents[1] / "scenarios"


@dataclass(frozen=True)
class Scenario:
    """A program; ``ends`` is ``crash`` or ``hang``, ``kind`` what to build of its C sources."""

    name: str
    ends: str = "crash"
    kind: str = "script"
    #: Sources in its directory; empty for a pure Python program.
    sources: Tuple[str, ...] = ()
    environment: Tuple[Tuple[str, str], ...] = ()
    #: Seconds after "ready" in which a program that hangs has come to where it stays.
    settle: float = 1.0

    def command(self, python: Interpreter) -> Tuple[List[str], Dict[str, str]]:
        """Build what is to be built; return the words that start the program, and additions to its environment."""
        directory = DIRECTORY / self.name
        sources = [directory / source for source in self.sources]
        variables = dict(self.environment)
        if self.kind == "embed":
            return [str(build_program(python, sources, self.name))], variables
        words = [python.path, str(directory / "main.py")]
        if self.kind == "extension":
            module = sources[0].stem
            variables["PYTHONPATH"] = str(build_extension(python, sources, module))
        elif self.kind == "library":
            words.append(str(build_library(python, sources, f"{sources[0].stem}.so")))
        return words, variables


def _extension(name: str, *sources: str, ends: str = "crash", settle: float = 1.0, **environment: str) -> Scenario:
    return Scenario(name, ends, "extension", sources, tuple(environment.items()), settle)


def _hang(name: str, settle: float = 1.0) -> Scenario:
    return Scenario(name, "hang", settle=settle)


SCENARIOS: Dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("late-cxa-atexit"),
        _extension("late-libc-atexit", "tracelib.c"),
        _extension("late-cpp-static", "registry.cc"),
        _extension("late-dso-destructor", "pool.c"),
        _extension("late-thread-local", "session.cc"),
        _extension("late-py-atexit", "counters.c"),
        Scenario("late-unloaded-handler", kind="library", sources=("plugin.c",)),
        _extension("late-native-thread", "feeder.c"),
        _extension("late-thread-terminate", "monitor.cc"),
        _extension("late-thread-catch", "mailbox_pump.cc"),
        Scenario("embed-between-cycles", kind="embed", sources=("host.c",)),
        Scenario("embed-use-after", kind="embed", sources=("host.c",)),
        Scenario("embed-wrong-end", kind="embed", sources=("host.c",)),
        Scenario("subinterpreter-end", kind="embed", sources=("host.c",)),
        _extension("touch-after-modules", "keeper.c"),
        _extension("stale-module-state", "codecx.c"),
        _extension("stale-global-cache", "geometry.c"),
        _extension("stale-accessor", "meters.c"),
        _extension("refcount-list", "fastlist.c"),
        _extension("refcount-none", "nothing.c"),
        _extension("refcount-true", "flags.c"),
        _extension("heap-overflow", "blob.c"),
        _extension("heap-debug-overflow", "table.c", PYTHONMALLOC="debug"),
        Scenario("buffered-io-daemon"),
        _hang("buffered-io-atexit"),
        _hang("join-event"),
        _hang("join-executor"),
        _hang("join-feeder"),
        _hang("lock-cycle"),
        _hang("lock-cycle-rlock"),
        _hang("lock-self"),
        _hang("lock-never-released"),
        _extension("gil-deadlock", "bus.c", ends="hang"),
        _extension("world-deadlock", "pool.c", ends="hang"),
        _extension("lock-dead-owner", "cache.c", ends="hang", settle=2.0),
        _hang("callback-loop"),
        _hang("callback-del-loop"),
        _hang("callback-wait"),
        _extension("overflow-chain", "chain.c"),
        _extension("fatal-error", "guard.c"),
        Scenario("not-null-pointer"),
        Scenario("not-abort"),
        Scenario("not-abort-in-del"),
        Scenario("not-in-atexit"),
        _hang("not-sleeping"),
        _hang("not-child"),
    )
}

#: Crash on older versions; from 3.15 on PyGILState_Ensure puts them to sleep for ever (tests/live/test_attach.py).
ASLEEP_FROM_3_15 = ("late-libc-atexit", "late-native-thread", "embed-between-cycles")
