"""Times of fingdb as ratios to bare gdb, measured side by side: A B A B …, medians.

The machine may be busy: what counts is a ratio within one run, never a number of seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from tabulate import tabulate

from fingdb.cli.interpreters import Interpreter, find_interpreters

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_heap import measure  # noqa: E402
from bench_why import measure_why  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
INIT = ROOT / "fingdb" / "init.py"
GDB = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off"]

#: Modules of the standard library that are extensions in one build or another: libraries to load.
EXTENSIONS = (
    "_asyncio _bisect _blake2 _bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw "
    "_contextvars _csv _ctypes _ctypes_test _curses _curses_panel _datetime _dbm _decimal _elementtree _gdbm "
    "_hashlib _heapq _json _lsprof _lzma _md5 _multibytecodec _multiprocessing _opcode _pickle _posixshmem "
    "_posixsubprocess _queue _random _sha1 _sha256 _sha2 _sha3 _sha512 _socket _sqlite3 _ssl _statistics "
    "_struct _testbuffer _testcapi _testimportmultiple _testinternalcapi _testmultiphase _tkinter _typing "
    "_uuid _xxsubinterpreters _xxtestfuzz _zoneinfo array audioop binascii cmath crypt fcntl grp math mmap nis "
    "ossaudiodev pyexpat readline resource select spwd syslog termios unicodedata xxlimited xxsubtype zlib"
)

#: The last line of a program that runs for long: it notes when it was reached.
LAST_LINE = "import sys, time\nwith open(sys.argv[1], 'w') as file:\n    file.write(repr(time.time()))\n"

COMPUTE = (
    "import importlib\n"
    "loaded = 0\n"
    f"for name in {EXTENSIONS!r}.split():\n"
    "    try:\n"
    "        loaded += hasattr(importlib.import_module(name), '__file__')\n"
    "    except Exception:\n"
    "        pass\n"
    "total = 0\n"
    "for i in range(%d):\n"
    "    total += i %% 7\n"
)


ALLOCATE = (
    "kept = []\n"
    "for i in range(%d):\n"
    "    kept.append([i, str(i), {'i': i}])\n"
    "    if len(kept) > 10000:\n"
    "        kept.clear()\n"
)


class Cost(NamedTuple):
    """Seconds on the clock, and seconds of processor time of all processes together."""

    clock: float
    processor: float


class Row(NamedTuple):
    """One line of the table: medians of both sides, and the ``bar`` that ``ratio`` should not exceed (None: no bar)."""

    interpreter: str
    what: str
    base: Cost
    ours: Cost
    bar: Optional[float]
    #: What ``base`` and ``ours`` are counted in: seconds, or MiB of memory.
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Ours to theirs on the clock."""
        return self.ours.clock / self.base.clock

    @property
    def processor_ratio(self) -> Optional[float]:
        """Ours to theirs in processor time, which a busy machine changes less; None where it was not measured."""
        return self.ours.processor / self.base.processor if self.base.processor else None


#: The environment grows by so many bytes from one pair to the next (modulo a page).
_ODD = 1016

#: Milliseconds of our own time at a stop where no objects are counted.
STOP_BAR = 1.0

Run = Callable[[], Cost]


def run(command: Sequence[str], cache: Path, environment: Optional[Dict[str, str]] = None) -> Cost:
    """Run a command to its end, with a cache of the benchmark's own, and return what it cost."""
    started = time.perf_counter()
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **(environment or {})},
    )
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def side_by_side(base: Run, ours: Run, pairs: int) -> Tuple[Cost, Cost]:
    """Return the medians of two runs, made in turn ``pairs`` times."""
    costs: Tuple[List[Cost], List[Cost]] = ([], [])
    for _ in range(pairs):
        costs[0].append(base())
        costs[1].append(ours())
    first, second = (Cost(*map(statistics.median, zip(*side))) for side in costs)
    return first, second


def bare(python: Interpreter, program: Sequence[str]) -> List[str]:
    """Return the command of bare gdb."""
    return [*GDB, "-ex", "run", "--args", python.path, *program]


def fingdb(subcommand: str, python: Interpreter, program: Sequence[str]) -> List[str]:
    """Return the command of `fingdb run` or `fingdb check`."""
    return [str(ROOT / "scripts" / "fingdb"), subcommand, "-o", os.devnull, "--", python.path, *program]


def against_gdb(
    subcommand: str, python: Interpreter, program: Sequence[str], cache: Path, what: str, bar: float,
    pairs: int, warm: int = 1,
) -> Row:
    """Return the row of a fingdb command that knows the build, after ``warm`` runs, beside bare gdb."""
    ours = fingdb(subcommand, python, program)
    for _ in range(warm):
        run(ours, cache)
    times = side_by_side(lambda: run(bare(python, program), cache), lambda: run(ours, cache), pairs)
    return Row(python.label, what, *times, bar)


def bench_known(python: Interpreter, pairs: int, cache: Path) -> Row:
    """`fingdb run` when the build is known."""
    return against_gdb("run", python, ("-c", "pass"), cache, "fingdb run, build known / gdb run", 1.5, pairs, warm=2)


def bench_first(python: Interpreter, pairs: int, cache: Path) -> Row:
    """`fingdb run` when nothing is known of the build."""
    program = ("-c", "pass")
    fresh = (cache / f"fresh-{python.label}-{n}" for n in range(1000))
    times = side_by_side(
        lambda: run(bare(python, program), cache),
        lambda: run(fingdb("run", python, program), next(fresh)),
        max(3, pairs // 2),
    )
    return Row(python.label, "fingdb run, first time / gdb run", *times, 4.0)


def bench_long(
    subcommand: str, python: Interpreter, code: str, cache: Path, what: str, pairs: int, bars: Tuple[Optional[float], float]
) -> List[Row]:
    """A program that runs for long before it ends: to its end, and to its last line. ``bars`` are those of the two rows.

    Nothing is to be paid before finalization. The program itself takes some percent more or less with each place of its
    stack, which the size of the environment decides (fingdb leaves the caller's as it is, gdb adds to it): each pair
    has another one.
    """
    mark = cache / "last-line"
    program = ("-c", code + LAST_LINE, str(mark))
    whole: List[List[Cost]] = [[], []]
    before: List[List[float]] = [[], []]
    # `fingdb run` leaves the program's addresses at random as they are without gdb: gdb is to do the same here, for the
    # same program can be a tenth faster at one place in memory than at another.
    gdb = bare(python, program)
    gdb[len(GDB) : len(GDB)] = ["-iex", "set disable-randomization off"]
    commands = gdb, fingdb(subcommand, python, program)
    run(commands[1], cache)
    for number in range(max(2, pairs // 2)):
        padding = {"FINGDB_BENCH_PADDING": "x" * (number * _ODD % 4096)}
        for side, command in enumerate(commands):
            began = time.time()
            whole[side].append(run(command, cache, padding))
            before[side].append(float(mark.read_text(encoding="ascii")) - began)
    base, ours = (Cost(*map(statistics.median, zip(*side))) for side in whole)
    first, second = (Cost(statistics.median(side), 0) for side in before)  # only the clock is read in the program
    return [
        Row(python.label, what, base, ours, bars[0]), Row(python.label, f"{what}, to its last line", first, second, bars[1])
    ]  # fmt: skip


def loops_for(python: Interpreter, code: str, seconds: float) -> int:
    """Return how many loops of a program take this interpreter about so many seconds, without any debugger."""
    few, many = 100_000, 5_000_000
    times = [run([python.path, "-c", code % loops], Path(os.devnull)).processor for loops in (few, many)]
    return int((many - few) / max(times[1] - times[0], 1e-3) * seconds)


def bench_compute(python: Interpreter, pairs: int, cache: Path, seconds: float) -> List[Row]:
    """`fingdb run` of a program that loads many extension modules and computes."""
    code = COMPUTE % loops_for(python, COMPUTE, seconds)
    what = f"50 extension modules and {seconds:g} s of computing"
    return bench_long("run", python, code, cache, what, pairs, (1.02, 1.02))


def bench_allocate(python: Interpreter, pairs: int, cache: Path, seconds: float) -> List[Row]:
    """`fingdb check` of a program that allocates before it ends."""
    code = ALLOCATE % loops_for(python, ALLOCATE, seconds / 2)
    return bench_long("check", python, code, cache, "fingdb check of a program that allocates", pairs, (None, 1.05))


def bench_check(python: Interpreter, pairs: int, cache: Path) -> Row:
    """`fingdb check` when the build is known."""
    what = "fingdb check, build known / gdb run"
    return against_gdb("check", python, ("-c", "pass"), cache, what, 2.5, max(3, pairs // 2), warm=2)


def core_of(python: Interpreter, directory: Path, filled: int) -> Optional[Path]:
    """Return the core of a program that aborts at exit with so many bytes in use, None where none can be had."""
    code = f"import atexit, os; data = b'0123456789abcdef' * {filled // 16}; atexit.register(os.abort)"
    directory.mkdir()
    limit = ("sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh")
    subprocess.run([*limit, python.path, "-c", code], cwd=directory, stderr=subprocess.DEVNULL, check=False)
    return max(directory.iterdir(), key=lambda path: path.stat().st_size, default=None)


def bench_core(python: Interpreter, pairs: int, cache: Path, filled: int) -> List[Row]:
    """`fingdb core` against gdb's `thread apply all bt` and against pystack, where that is installed."""
    with tempfile.TemporaryDirectory(prefix="core-", dir=cache) as directory:
        core = core_of(python, Path(directory) / "core", filled)
        if core is None:
            print(f"{python.label}: the kernel leaves no core file in the working directory", file=sys.stderr)
            return []
        size = core.stat().st_size
        what = f"a core of {size >> 20} MB"
        ours = [str(ROOT / "scripts" / "fingdb"), "core", "-o", os.devnull, str(core)]
        theirs = [*GDB, "-ex", "thread apply all bt", python.path, str(core)]
        run(ours, cache)
        rows = [
            Row(python.label, f"fingdb core / gdb bt, {what}",
                *side_by_side(lambda: run(theirs, cache), lambda: run(ours, cache), max(3, pairs // 2)), 2.0)
        ]  # fmt: skip
        pystack = os.path.join(os.path.dirname(sys.executable), "pystack")
        if os.path.exists(pystack):
            other = [pystack, "core", str(core), python.path]
            times = side_by_side(lambda: run(other, cache), lambda: run(ours, cache), max(3, pairs // 2))
            rows.append(Row(python.label, f"fingdb core / pystack core, {what}", *times, None))
        return rows


def bench_heap(python: Interpreter, cache: Path, kind: str, count: int) -> List[Row]:
    """The histogram of a heap of so many objects."""
    with tempfile.TemporaryDirectory(prefix="heap-", dir=cache) as directory:
        found = measure(python.path, Path(directory) / "heap", cache, kind, count)
    return [Row(python.label, what, Cost(*base), Cost(*ours), bar) for what, base, ours, bar in found]


def bench_why(python: Interpreter, cache: Path, kind: str) -> List[Row]:
    """`pyfin why` of one object of a million, and the memory that takes."""
    with tempfile.TemporaryDirectory(prefix="why-", dir=cache) as directory:
        found = measure_why(python.path, Path(directory) / "heap", cache, kind, 1_000_000)
    return [Row(python.label, what, Cost(*base), Cost(*ours), bar, unit) for what, base, ours, bar, unit in found]


def bench_source(pairs: int, cache: Path) -> Tuple[Row, float]:
    """`source` of init.py: the row of whole gdb starts, and the milliseconds that gdb itself measures."""
    times = side_by_side(lambda: run(GDB, cache), lambda: run([*GDB, "-ex", f"source {INIT}"], cache), pairs)
    clock = (
        "python import time; t = time.perf_counter()",
        f"source {INIT}",
        "python print(time.perf_counter() - t)",
    )
    words = [word for line in clock for word in ("-ex", line)]
    measured = []
    for _ in range(pairs):
        done = subprocess.run([*GDB, *words], capture_output=True, text=True, check=True)
        measured.append(float(done.stdout.split()[-1]))
    return Row("", "gdb with init.py / gdb", *times, None), statistics.median(measured) * 1000


def bench_stop(python: Interpreter, cache: Path) -> str:
    """Return in words what one stop of `fingdb run` costs of our own time: without gdb's, and without its resuming."""
    out = cache / "stops.json"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "FINGDB_BENCH_ROOT": str(ROOT),
                   "FINGDB_BENCH_OUT": str(out), "FINGDB_BENCH_PYTHON": python.path}  # fmt: skip
    run(fingdb("run", python, ("-c", "pass")), cache)  # now the build is known
    command = [*GDB, "-readnever", "-ex", f"source {ROOT / 'scripts' / 'bench_stop_probe.py'}"]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    stops = json.loads(out.read_text(encoding="utf-8"))
    plain = sorted(time for time, counted in stops if not counted)
    counting = [time for time, counted in stops if counted]
    nine = plain[len(plain) * 9 // 10]
    verdict = "met" if nine < STOP_BAR else "MISSED"
    return (
        f"{python.label}: our own time at one stop: median {statistics.median(plain):.2f} ms, 9 of 10 within {nine:.2f} ms "
        f"(bar: {STOP_BAR:g} ms, {verdict}), the longest of {len(plain)} {plain[-1]:.1f} ms; "
        f"{len(counting)} more, where all objects are counted: up to {max(counting, default=0):.1f} ms"
    )


def main() -> int:
    """Measure, print the table; 1 when a bar was missed, unless only looking was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pythons", default="3.8,3.11.2-debian,3.13.0", metavar="TEXT[,TEXT]",
                        help="interpreters by version or label (default: %(default)s); 'all' for all")  # fmt: skip
    parser.add_argument("--pairs", type=int, default=7, help="how often each pair runs (default: %(default)s)")
    only = ["known", "first", "compute", "check", "allocate", "core", "heap", "why", "stop", "source"]
    parser.add_argument("--only", choices=only, help="one measurement")
    parser.add_argument("--seconds", type=float, default=10,
                        help="how long the computing program takes by itself (default: %(default)s)")  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit with status 1 when a bar is missed")
    options = parser.parse_args()
    wanted = options.pythons.split(",")
    pythons = [
        p for p in find_interpreters()
        if any(w in (p.label, p.label.partition("-")[0], "all") or p.label.startswith(f"{w}.") for w in wanted)
    ]
    if not pythons:
        parser.error(f"there is no interpreter {options.pythons}")
    rows: List[Row] = []
    with tempfile.TemporaryDirectory(prefix="fingdb-bench-") as directory:
        cache = Path(directory)
        benches: Dict[str, Callable[[Interpreter], List[Row]]] = {
            "known": lambda p: [bench_known(p, options.pairs, cache)],
            "first": lambda p: [bench_first(p, options.pairs, cache)],
            "compute": lambda p: bench_compute(p, options.pairs, cache, options.seconds),
            "check": lambda p: [bench_check(p, options.pairs, cache)],
            "allocate": lambda p: bench_allocate(p, options.pairs, cache, options.seconds),
            "core": lambda p: [r for filled in (1 << 20, 1 << 30) for r in bench_core(p, options.pairs, cache, filled)],
            "heap": lambda p: [
                row for count in (1_000_000, 5_000_000) for kind in ("uniform", "mixed")
                for row in bench_heap(p, cache, kind, count)
            ],
            "why": lambda p: [row for kind in ("uniform", "mixed") for row in bench_why(p, cache, kind)],
        }
        for name, bench in benches.items():
            for python in pythons if options.only in (None, name) else ():
                for row in bench(python):
                    rows.append(row)
                    print(f"{row.interpreter}: {row.what}: {row.ratio:.2f}", file=sys.stderr)
        stops = [bench_stop(p, cache) for p in (pythons if options.only in (None, "stop") else ())]
        source: Optional[float] = None
        if options.only in (None, "source"):
            row, source = bench_source(options.pairs, cache)
            rows.append(row)
    print_table(rows, source)
    for line in stops:
        print(line)
    missed = [row for row in rows if row.bar is not None and row.ratio > row.bar]
    return 1 if missed and options.strict else 0


def print_table(rows: Sequence[Row], source: Optional[float]) -> None:
    """Print what was measured."""
    lines = []
    for row in rows:
        verdict = "" if row.bar is None else "met" if row.ratio <= row.bar else "MISSED"
        if row.unit == "s":
            processor = "" if row.processor_ratio is None else f"{row.processor_ratio:.2f}"
            times = [f"{row.base.clock:.3f}", f"{row.ours.clock:.3f}", f"{row.ratio:.2f}", processor]
        else:
            times = [f"{row.base.clock:.0f} {row.unit}", f"{row.ours.clock:.0f} {row.unit}", f"{row.ratio:.2f}", ""]
        lines.append([row.interpreter, row.what, *times, "" if row.bar is None else f"{row.bar:g}", verdict])
    heads = ["interpreter", "what", "base s", "ours s", "ratio", "CPU ratio", "bar", ""]
    if lines:
        print(tabulate(lines, heads, tablefmt="plain", disable_numparse=True) + "\n")
    for row in rows:
        if "pyfin why / pyfin heap" in row.what:
            print(f"{row.interpreter}, {row.what.split(',')[0]}: pyfin why took {row.ours.clock:.1f} s, gdb's start included"
                  " (meant to be at most 10 s)")  # fmt: skip
    if source is not None:
        print(f"source init.py, as gdb's own clock has it: {source:.1f} ms (bar: 100 ms)")


if __name__ == "__main__":
    raise SystemExit(main())
