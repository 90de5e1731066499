"""The heap's histogram, from a core and from a live process, against the one that the program makes of itself."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[1]
PROBE = Path(__file__).resolve().parent / "bench_heap_probe.py"
GDB = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load python-scripts off"]

#: (what, seconds of theirs, seconds of ours, bar); times are (clock, processor).
Measured = Tuple[str, Sequence[float], Sequence[float], Optional[float]]

#: Makes a heap, says how long it takes to count its own objects by type and where one of them lies, and waits.
PROGRAM = """
import collections, gc, os, signal, statistics, sys, time
class Row:
    def __init__(self, i):
        self.i, self.name = i, str(i)
class Slots:
    __slots__ = ("a", "b")
    def __init__(self, i):
        self.a, self.b = [i], None
gc.disable()
keep, count, i = [], int(sys.argv[2]), 0
if sys.argv[1] == "uniform":
    keep = [[i] for i in range(count)]
while len(gc.get_objects()) < count if not i % 1000 else True:
    if sys.argv[1] == "uniform":
        break
    i += 1
    keep += [Row(i), Slots(i), {"k%d" % i: [i], "j": (i, [])}, {i, str(i)}]
    if i % 7 == 0:
        keep += [lambda i=i: keep, bytearray(i % 300), "x" * (i % 500)]
gc.enable()
gc.collect()
times = []
for _ in range(5):
    began = time.perf_counter(), time.process_time()
    collections.Counter(map(type, gc.get_objects()))
    times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
one = next(each for each in keep[len(keep) // 2:] if gc.is_tracked(each))
print(*map(statistics.median, zip(*times)), hex(id(one)), flush=True)
sys.stdin.readline()
os.abort()
"""


def heap_core(
    python: str, directory: Path, kind: str, count: int, alive: Callable[[int], None] = lambda pid: None
) -> Tuple[List[str], Optional[Path]]:
    """Return what the program said, and its core (None where there is none); ``alive`` is called while it waits."""
    directory.mkdir()
    program = subprocess.Popen(
        [python, "-c", PROGRAM, kind, str(count)], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, preexec_fn=_with_core,
    )
    assert program.stdin is not None and program.stdout is not None
    try:
        said = program.stdout.readline().decode().split()
        alive(program.pid)
        program.stdin.write(b"\n")
        program.stdin.flush()
        program.wait()
    finally:
        if program.poll() is None:
            program.send_signal(signal.SIGKILL)
            program.wait()
    core = max((path for path in directory.iterdir() if "core" in path.name), key=lambda p: p.stat().st_size, default=None)
    if core is None:
        print("the kernel leaves no core file in the working directory", file=sys.stderr)
    return said, core


def measure(python: str, directory: Path, cache: Path, kind: str, count: int, runs: int = 5) -> List[Measured]:
    """Return what was measured with a heap of some ``count`` objects; ``kind`` is ``uniform`` or ``mixed``."""
    live: Dict[str, List[float]] = {}
    said, core = heap_core(
        python, directory, kind, count, lambda pid: live.update(_probe(["-p", str(pid)], cache, directory, 3))
    )
    if core is None:
        return []
    theirs = [float(word) for word in said[:2]]
    dead = _probe([python, str(core)], cache, directory, runs)
    core.unlink()
    what = f"{kind} heap of {dead['objects'] / 1e6:.1f} million objects"
    rows: List[Measured] = []
    if "numpy" in dead:
        rows.append((f"{what}, core, numpy / the program itself", theirs, dead["numpy"], {"mixed": 1.0, "uniform": 2.5}[kind]))
        rows.append((f"{what}, live / core, numpy", dead["numpy"], live["numpy"], 2.0))
    rows.append((f"{what}, core, plain / the program itself", theirs, dead["plain"], {"mixed": 4.0, "uniform": 10.0}[kind]))
    rows.append((f"{what}, live / core, plain", dead["plain"], live["plain"], 2.0))
    best = dead.get("numpy", dead["plain"])
    rows.append((f"{what}, core / a gdb.Value walk", dead["value"], best, 1 / 25))
    return rows


def _with_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)


def _probe(words: Sequence[str], cache: Path, directory: Path, runs: int) -> Dict[str, List[float]]:
    out = directory / "times.json"
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "FINGDB_BENCH_ROOT": str(ROOT), "FINGDB_BENCH_OUT": str(out),
           "FINGDB_BENCH_RUNS": str(runs)}
    # The program's name first: gdb finds the process's itself.
    command = [*GDB, *words, "-ex", f"source {PROBE}"]
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not out.exists():
        raise SystemExit(f"the probe failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: Dict[str, List[float]] = json.loads(out.read_text(encoding="utf-8"))
    out.unlink()
    return found
