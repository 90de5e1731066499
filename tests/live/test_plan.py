"""The discovered plan against what a process really runs.

Three accounts of one program must agree on every interpreter: the plan read from the code, the trace of
`fingdb run`, and a plain gdb with breakpoints by name that knows nothing of either.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest

from fingdb.finalization import catalogue
from tests.support.by_name import ROOTS, Witness, debug_files, function_names, squashed, witness
from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter
from tests.support.shared import locked

PROGRAM = Path(__file__).parent / "programs" / "busy_exit.py"

pytestmark = pytest.mark.live


@dataclass
class Accounts:
    """What the three say."""

    plan: Dict[str, Any]
    trace: List[Dict[str, Any]]
    witness: Witness


@pytest.fixture()
def accounts(python: Interpreter, tmp_path: Path) -> Accounts:
    """All three accounts, made once in a run of the tests, whichever process needs them first."""
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    with locked(f"accounts-{python.label}") as directory:
        kept = directory / "accounts.json"
        if not kept.exists():
            (directory / "new.json").write_text(json.dumps(make_accounts(python, tmp_path)), encoding="utf-8")
            (directory / "new.json").replace(kept)
        plan, trace, seen = json.loads(kept.read_text(encoding="utf-8"))
    return Accounts(plan, trace, Witness(*seen))


def make_accounts(python: Interpreter, tmp_path: Path) -> List[Any]:
    plan = json.loads(run_fingdb("plan", "--json", python.path).stdout)
    done = run_fingdb("run", "--json", "--output", tmp_path / "run.json", "--", python.path, PROGRAM)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    report = json.loads((tmp_path / "run.json").read_bytes())
    return [plan, report["steps"], witness(python, [PROGRAM], tmp_path)]


def main_root(plan: Dict[str, Any]) -> Dict[str, Any]:
    (root,) = [root for root in plan["roots"] if root["name"] in ROOTS]
    return root


def walk(step: Dict[str, Any], parents: Tuple[str, ...] = ()) -> Iterator[Tuple[Tuple[str, ...], Dict[str, Any]]]:
    """Yield each step with the names on the way to it, its own last."""
    way = (*parents, step["name"])
    yield way, step
    for child in step["children"]:
        yield from walk(child, way)


def quiet(name: str) -> bool:
    row = catalogue.step_named(name)
    return row is not None and row.quiet


def ways(steps: List[Dict[str, Any]]) -> Iterator[Tuple[Tuple[str, ...], Dict[str, Any]]]:
    """Yield the steps of a trace with the names of the steps around each."""
    around: List[str] = []
    for step in steps:
        del around[step["depth"] :]
        around.append(step["name"])
        yield tuple(around), step


#: Where gdb's location by name is an instruction that the compiler moved up before an earlier step: build, then the
#: step with the one that precedes it in the source.
PULLED_FORWARD: Dict[str, Dict[str, str]] = {
    "3.11.2-debian": {"_PySignal_Fini": "flush_std_files", "_PyInterpreterState_ClearModules": "_PyModule_ClearDict"},
}


def test_trace_is_what_breakpoints_by_name_hit(accounts: Accounts, python: Interpreter) -> None:
    """The same steps in the same order, inlined ones included; repetitions of a loop count as one."""
    ours = [step["name"] for step in accounts.trace if step["state"] != "pending"]
    assert ours[0] in ROOTS
    moved = PULLED_FORWARD.get(python.label, {})
    assert set(accounts.witness.hits) <= set(ours)
    theirs = [name for name in accounts.witness.begins if name not in moved]
    said = difference(squashed([n for n in ours[1:] if n not in moved]), squashed(theirs))
    if not accounts.witness.inlined:
        assert len(set(theirs)) > 25
        whole = function_names([python.runtime, *debug_files(python.runtime)])
        missed = {"+" + step["name"] for step in accounts.trace if step["inlined"] or step["name"] not in whole}
        said = "\n".join(line for line in said.splitlines() if line[0] in "+-" and line not in missed and line[1] != line[0])
    assert not said
    for name, before in moved.items():
        assert ours[ours.index(name) - 1] == before


def test_every_hit_is_in_the_plan_in_its_order(accounts: Accounts) -> None:
    """Below each step of the trace, its parts come in the order in which the plan has them."""
    planned: Dict[Tuple[str, ...], List[str]] = {}
    for way, step in walk(main_root(accounts.plan)):
        planned[way] = [child["name"] for child in step["children"]]
    begun: Dict[Tuple[str, ...], List[str]] = {}
    for way, step in ways(accounts.trace):
        assert step["state"] == "done", step
        assert way in planned, way
        begun.setdefault(way, [])
        if way[:-1] in begun:
            begun[way[:-1]].append(step["name"])
    for way, names in begun.items():
        turns = squashed(names)
        assert is_subsequence(turns, planned[way]) or is_loop(turns, planned[way]), (way, turns, planned[way])


def difference(ours: List[str], theirs: List[str]) -> str:
    return "\n".join(difflib.unified_diff(theirs, ours, "by name", "trace", n=2, lineterm=""))


def is_subsequence(part: List[str], whole: List[str]) -> bool:
    rest = iter(whole)
    return all(name in rest for name in part)


def is_loop(turns: List[str], planned: List[str]) -> bool:
    """Whether the names are the plan's, some of them several times in a row (a loop in which not all always come)."""
    return squashed(turns[: len(planned)]) == planned and set(turns) <= set(planned)


def test_phases_follow_each_other(accounts: Accounts) -> None:
    from fingdb.model.phase import Phase

    order = [phase.value for phase in Phase]
    places = [order.index(step["phase"]) for step in accounts.trace]
    assert places == sorted(places)
    planned = [order.index(step["phase"]) for _way, step in walk(main_root(accounts.plan))]
    assert planned == sorted(planned)
    assert {order[place] for place in planned} >= {
        "thread-shutdown", "atexit", "daemon-threads", "module-teardown", "interpreter-clear", "type-teardown",
        "interpreter-delete", "exit-functions",
    }  # fmt: skip


#: Steps of the plan that this program's run does not come to, by name, with the condition that does not hold.
CONDITIONAL: Dict[str, str] = {
    "PyUnstable_PerfMapState_Fini": "no file that tells perf which addresses are Python functions was opened",
    "Py_EndInterpreter": "there is no subinterpreter left to end (3.13 ends those that are)",
    "PyThreadState_Clear": "in 3.13, the thread state that ended the last subinterpreter",
    "_PyDebug_PrintTotalRefs": "in a debug build, only with -X showrefcount",
    "_PyGC_CollectNoFail": "3.9 collects at this place for subinterpreters only",
    "_PyObject_DebugMallocStats": "only with PYTHONMALLOCSTATS",
    "_PyTraceMalloc_Stop": "tracemalloc was not started",
    "_PyWarnings_Fini": "the end of a subinterpreter's own warnings state",
    "fini_static_exctypes": "the static exception types end with the other types; this is for a failed start",
    "gc_fini_untrack": "inlined into a loop over objects that the last collection left; there are none",
    "tracemalloc_stop": "tracemalloc was not started",
}


def test_steps_that_did_not_run_are_conditional(accounts: Accounts) -> None:
    ran = {way for way, _step in ways(accounts.trace)}
    missing: Set[str] = set()
    for way, _step in walk(main_root(accounts.plan)):
        if way not in ran and way[:-1] in ran and not quiet(way[-1]):
            missing.add(way[-1])
    assert missing <= set(CONDITIONAL), sorted(missing - set(CONDITIONAL))


def test_plan_of_a_binary_that_does_not_run(accounts: Accounts, python: Interpreter) -> None:
    """`pyfin plan` in gdb -batch, on the interpreter and on its library, gives what `fingdb plan` gives."""
    result = run_gdb(python.path, [], ["pyfin plan --json", f"pyfin plan --json {python.runtime}"])
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(result.stdout)
    second, _ = decoder.raw_decode(result.stdout[end:].lstrip())
    assert first == second == accounts.plan
    assert first["build_id"]
    addresses = [int(step["address"], 16) for root in first["roots"] for _way, step in walk(root)]
    assert all(0 < address < 1 << 32 for address in addresses)
    assert {root["name"] for root in first["roots"]} > {"Py_EndInterpreter"}


def test_catalogue_knows_the_steps_of_released_versions(accounts: Accounts) -> None:
    unknown = {step["name"] for root in accounts.plan["roots"] for _way, step in walk(root) if not step["catalogued"]}
    assert not unknown
