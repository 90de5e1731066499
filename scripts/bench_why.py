"""`pyfin why` of one object of a million in a core, beside `pyfin heap` of the same core, and gdb's memory for both."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

from bench_heap import GDB, ROOT, heap_core

INIT = ROOT / "fingdb" / "init.py"

#: (what, theirs, ours, bar, unit): times are (clock, processor) in seconds ("s"); memory is in "MiB", twice the same.
Measured = Tuple[str, Sequence[float], Sequence[float], Optional[float], str]


#: How often a process is asked for its memory, in seconds.
_PAUSE = 0.02


class _Spent(NamedTuple):
    clock: float
    processor: float
    #: The most memory that gdb had allocated at a time, in MiB (anonymous pages: not what it mapped of files).
    memory: float


def measure_why(python: str, directory: Path, cache: Path, kind: str, count: int, runs: int = 3) -> List[Measured]:
    """Return what was measured with a heap of some ``count`` objects; ``kind`` is ``uniform`` or ``mixed``."""
    said, core = heap_core(python, directory, kind, count)
    if core is None:
        return []
    jobs = (("bare", []), ("heap", ["-ex", "pyfin heap"]), ("why", ["-ex", f"pyfin why {said[2]}"]))
    commands = {
        name: [*GDB, *(["-x", str(INIT)] if words else []), *words, python, str(core)] for name, words in jobs
    }
    for command in commands.values():
        _run(command, cache, directory)
    # In turn: what else the machine does is the same for all.
    rounds = [{name: _run(command, cache, directory) for name, command in commands.items()} for _ in range(runs)]
    bare, heap, why = (_Spent(*map(statistics.median, zip(*(each[name] for each in rounds)))) for name in commands)
    size = core.stat().st_size / (1 << 20)
    core.unlink()
    what = f"{kind} heap of {count / 1e6:.1f} million objects"
    rows: List[Measured] = [(f"{what}, core, pyfin why / pyfin heap", heap[:2], why[:2], None, "s")]
    for name, spent in (("heap", heap), ("why", why)):
        more = spent.memory - bare.memory
        rows.append((f"{what}, allocated by pyfin {name} / the core", (size, size), (more, more), 1.0, "MiB"))
    return rows


def _run(command: Sequence[str], cache: Path, directory: Path) -> _Spent:
    """Run a gdb to its end; raises SystemExit when it could not do its job."""
    said = directory / "said"
    with open(said, "wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env={**os.environ, "XDG_CACHE_HOME": str(cache)}
        )
        memory, ended = 0.0, 0
        while not ended:
            memory = max(memory, _allocated(process.pid))
            time.sleep(_PAUSE)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        clock = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    text = said.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise SystemExit(f"gdb failed: {text[-2000:]}")
    return _Spent(clock, usage.ru_utime + usage.ru_stime, memory)


def _allocated(pid: int) -> float:
    """Return the MiB of anonymous memory that a process has, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))
