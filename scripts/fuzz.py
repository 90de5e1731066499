"""Damages real core files in many ways and looks what `fingdb core` makes of them.

What counts: no traceback, no hang, no memory blow-up, and a damaged core may only lose confidence. A verdict of
another kind than that of the intact core must not be more than "possible", nor may a sure one blame other code; and
where another kind or other code is possible, the report has to say why it is doubted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tabulate import tabulate  # noqa: E402

from tests.core.scenarios import SCENARIOS  # noqa: E402
from tests.support import shared  # noqa: E402
from tests.support.cores import NoCore, crash_core, hang_core, write_sparse  # noqa: E402
from tests.support.interpreters import Interpreter, available  # noqa: E402
from tests.support.mutate import MUTATIONS, STRIPPED_MUTATIONS, mutated  # noqa: E402
from tests.support.stripped import stripped  # noqa: E402

#: Programs that need no compiler, of several kinds of verdict.
PROGRAMS = ("late-cxa-atexit", "join-event", "lock-cycle", "buffered-io-daemon", "not-null-pointer", "not-in-atexit")
CONFIDENCE = {"possible": 0, "likely": 1, "certain": 2}
#: What may happen to a damaged core, the worst first. The first ones are failures.
BAD = ("traceback", "hang", "memory", "wrong verdict", "wrong culprit", "surer", "no reason")
OUTCOMES = (*BAD, "refused", "same", "less sure", "unknown", "another, possible")


@dataclass
class Base:
    """An intact core with the report on it."""

    name: str
    path: str
    report: Dict[str, Any]


@dataclass
class Run:
    """One damaged core: how it was made, and what became of it."""

    base: str
    mutation: str
    index: int
    outcome: str
    seconds: float
    megabytes: float
    said: str = ""


@dataclass
class Options:
    """What the user asked for."""

    count: int
    seed: int
    limit: float
    memory: float
    jobs: int
    keep: Optional[Path]
    mutations: List[str] = field(default_factory=list)


def fingdb(path: str, limit: float) -> Tuple[int, bytes, bytes, float, float]:
    """Run `fingdb core --json`; return (status, stdout, stderr, seconds, megabytes of the largest process)."""
    command = [sys.executable, "-I", "-S", "-c", _START, "core", "--json", "--timeout", str(limit), path]
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False)
        seconds = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        size, _, said = err.read().rpartition(b"\n")[0].rpartition(b"\n")[::-1]
        return done.returncode, out.read(), said + b"\n" if said else b"", seconds, int(size) / 1024


#: In a process of its own, which is small when it forks: memory of a process counts that of its origin. The last
#: line on standard error is the size of the largest process, in kilobytes.
_START = f"""
import os, sys
child = os.fork()
if not child:
    sys.path[:0] = [{str(ROOT)!r}, *{[path for path in sys.path if path.endswith("-packages")]!r}]
    from fingdb.cli import main
    status = 99
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    finally:
        sys.stdout.flush()
        os._exit(status)
status, usage = os.wait4(child, 0)[1:]
os.write(2, b"%d\\n" % usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def bases(programs: Sequence[str], pythons: Sequence[Interpreter], limit: float) -> List[Base]:
    """Return the intact cores. What does not crash or hang on an interpreter is left out."""
    found = []
    for python in pythons:
        for name in programs:
            scenario = SCENARIOS[name]
            try:
                words, environment = scenario.command(python)
                if scenario.ends == "hang":
                    core = hang_core(python, name, words, environment, scenario.settle)
                else:
                    core = crash_core(python, name, words, environment)
            except NoCore:
                continue
            found.append(intact(f"{name} {python.label}", core.path, limit))
    return found


def intact(name: str, path: str, limit: float) -> Base:
    """Return an intact core with its report. Exits when there is none."""
    status, stdout, stderr, _seconds, _size = fingdb(path, limit)
    if status not in (0, 1):
        sys.exit(f"fuzz: {name}: {stderr.decode('utf-8', 'replace').strip()}")
    return Base(name, path, json.loads(stdout))


def one(base: Base, kind: str, index: int, options: Options, directory: Path) -> Run:
    """Damage a core, look at it, and judge what came of it."""
    rng = random.Random(f"{options.seed} {base.name} {kind} {index}")
    path = directory / f"core.{index}"
    write_sparse(path, mutated(Path(base.path).read_bytes(), kind, rng))
    status, stdout, stderr, seconds, size = fingdb(str(path), options.limit)
    outcome, said = judge(base, status, stdout, stderr.decode("utf-8", "replace"))
    if outcome not in BAD and size > options.memory:
        outcome = "memory"
    if seconds > options.limit + 30:
        outcome = "hang"
    run = Run(base.name, kind, index, outcome, seconds, size, said)
    if outcome in BAD and options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        kept = options.keep / f"{outcome.replace(' ', '-')}.{base.name.replace(' ', '-')}.{kind}.{index}.core"
        write_sparse(kept, path.read_bytes())
    path.unlink()
    return run


def judge(base: Base, status: int, stdout: bytes, stderr: str) -> Tuple[str, str]:
    """Return (outcome, what was said that explains it)."""
    if "Traceback" in stderr or "failed:" in stderr or status not in (0, 1, 2):
        return "traceback", stderr[-2000:] or f"exit status {status}"
    if status == 2:
        if "was not done within" in stderr:
            return "hang", stderr
        one_sentence = stderr.startswith("fingdb: ") and stderr.count("\n") == 1
        return ("refused" if one_sentence and not stdout else "traceback"), stderr
    try:
        report = json.loads(stdout)
        verdict = report["verdict"]
        said = " ".join([verdict["kind"], verdict["confidence"], verdict["summary"]]) if verdict else "no verdict"
    except (ValueError, KeyError, TypeError) as error:
        return "traceback", f"not a report: {error}"
    if verdict is None or verdict["kind"] == "unknown":
        return "unknown", said
    before = base.report["verdict"]
    sure = CONFIDENCE[verdict["confidence"]]
    if not sure and not set(report["notes"]) - set(base.report["notes"]):
        if (verdict["kind"], culprit(report)) != (before["kind"], culprit(base.report)):
            return "no reason", said
    if verdict["kind"] != before["kind"]:
        return ("wrong verdict" if sure else "another, possible"), said
    if sure > CONFIDENCE[before["confidence"]]:
        return "surer", said
    if sure and culprit(report) != culprit(base.report):
        return "wrong culprit", f"{said} / {culprit(report)} in place of {culprit(base.report)}"
    return ("same" if sure == CONFIDENCE[before["confidence"]] else "less sure"), said


def culprit(report: Dict[str, Any]) -> Tuple[str, str]:
    """Return (function, library) that the report blames, empty where it blames nobody."""
    for finding in report["findings"]:
        if finding["culprit"]:
            return str(finding["culprit"]["function"]), str(finding["culprit"]["library"])
    return "", ""


def summary(runs: Sequence[Run]) -> str:
    """Return the figures as text."""
    outcomes = [outcome for outcome in OUTCOMES if outcome in BAD or any(run.outcome == outcome for run in runs)]
    rows: List[List[object]] = []
    for kind in [*MUTATIONS, *STRIPPED_MUTATIONS, ""]:
        members = [run for run in runs if run.mutation == kind or not kind]
        if members:
            counts = Counter(run.outcome for run in members)
            slowest = max(run.seconds for run in members)
            largest = max(run.megabytes for run in members)
            row: List[object] = [kind or "all", len(members), *(counts[outcome] or "" for outcome in outcomes)]
            rows.append([*row, f"{slowest:.1f}", f"{largest:.0f}"])
    return tabulate(rows, ["damage", "cores", *outcomes, "slowest s", "largest MB"])


def main() -> int:
    """Run the program and return its exit status: 1 when there was a failure."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("cores", nargs="*", help="intact cores to start from (default: of programs of the tests)")
    parser.add_argument("-n", "--count", type=int, default=500, help="so many damaged cores")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="index of the first one")
    parser.add_argument("--limit", type=float, default=60.0, help="time limit for each, in seconds")
    parser.add_argument("--memory", type=float, default=1500.0, help="limit of resident memory for each, in MB")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--pythons", default="", help="labels of interpreters begin with one of these (3.8,3.13)")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="scenarios of the tests, or all")
    parser.add_argument("--mutations", default=",".join(MUTATIONS), help="kinds of damage")
    parser.add_argument("--stripped", action="store_true", help="the interpreters without their debug information")
    parser.add_argument("--keep", type=Path, help="keep the damaged cores that led to failures there")
    parser.add_argument("--json", action="store_true", help="a JSON document in place of the table")
    words = parser.parse_args()
    options = Options(
        words.count, words.seed, words.limit, words.memory, words.jobs, words.keep, words.mutations.split(",")
    )
    for kind in options.mutations:
        if kind not in {**MUTATIONS, **STRIPPED_MUTATIONS}:
            parser.error(f"there is no damage {kind}: {', '.join([*MUTATIONS, *STRIPPED_MUTATIONS])}")
    with tempfile.TemporaryDirectory(prefix="fingdb-fuzz-") as name:
        os.environ.setdefault(shared.VARIABLE, name)
        if words.cores:
            known = [intact(path, path, options.limit) for path in words.cores]
        else:
            labels = tuple(text for text in words.pythons.split(",") if text)
            pythons = [python for python in available() if not labels or python.label.startswith(labels)]
            if words.stripped:
                # A stripped file keeps its build-id: what was learned from the whole one would serve it, too.
                os.environ["XDG_CACHE_HOME"] = os.path.join(name, "cold-cache")
                pythons = [stripped(python) for python in pythons]
            programs = list(SCENARIOS) if words.programs == "all" else words.programs.split(",")
            known = bases(programs, pythons, options.limit)
        if not known:
            sys.exit("fuzz: there is no core to start from")
        runs = fuzz(known, options, words.first, Path(name))
    bad = [run for run in runs if run.outcome in BAD]
    if words.json:
        print(json.dumps([asdict(run) for run in runs]))
    else:
        print(summary(runs))
        for run in bad:
            print(f"\n{run.outcome}: {run.mutation} {run.index} of {run.base}\n    {run.said}")
    return 1 if bad else 0


def fuzz(known: Sequence[Base], options: Options, first: int, directory: Path) -> List[Run]:
    """Damage cores and look at them; every kind of damage and every core gets its turn."""
    runs: List[Run] = []
    terminal = sys.stderr.isatty()
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = []
        for index in range(first, first + options.count):
            base = known[index // len(options.mutations) % len(known)]
            kind = options.mutations[index % len(options.mutations)]
            futures.append(pool.submit(one, base, kind, index, options, directory))
        for future in futures:
            runs.append(future.result())
            if terminal:
                bad = sum(run.outcome in BAD for run in runs)
                sys.stderr.write(f"\r\x1b[K{len(runs)} of {len(futures)}, {bad} failures")
    if terminal:
        sys.stderr.write("\r\x1b[K")
    return runs


if __name__ == "__main__":
    sys.exit(main())
