"""The two sides of ``fingdb compare``: plans that gdb reads from interpreters, traces from files."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..finalization import catalogue
from ..finalization.compare import StepTree, compare_trees
from ..model.comparison import Comparison, Side, TypeDifference
from ..model.report import Report, StepState
from .errors import CliError
from .gdb_program import explain_failure, find_gdb, gdb_environment, init_file, last_words, light_options, what_is_wrong
from .which_python import interpreter

#: A trace larger than this is none of ours.
_LARGEST = 1 << 28
#: Depth of nesting beyond which a document is not believed; finalization has less than twenty.
_DEEPEST = 200


_POOR = {
    "exported-functions": "those of exported functions only",
    "symbol-table": "those of its symbol table, without the inlined ones",
}
_KINDS = {
    "main": "Ends of the main interpreter",
    "subinterpreter": "Ends of subinterpreters",
    "after": "Functions with steps that run after Py_FinalizeEx",
}


@dataclass
class _Loaded:
    """One side: the finalizations in it by kind, and objects by interpreter and type."""

    side: Side
    trees: Dict[str, List[StepTree]] = field(default_factory=dict)
    types: Dict[int, Dict[str, int]] = field(default_factory=dict)
    #: For a plan that lacks steps for want of debug information: what it was made of.
    poor: str = ""


def compare(a: str, b: str, gdb: Optional[str], tick: Callable[[int], None]) -> Comparison:
    """Return the comparison of two interpreters or traces. ``tick`` is called while gdb works. Raises CliError."""
    readers: List[Tuple[str, "subprocess.Popen[bytes]"]] = []
    loaded: List[Optional[_Loaded]] = []
    try:
        for name in (a, b):
            trace = _trace(name)
            loaded.append(trace)
            if trace is None:
                readers.append((name, _start_reader(interpreter(name), find_gdb(gdb))))
        plans = iter([_plan(name, process, find_gdb(gdb), tick) for name, process in readers])
    finally:
        for _name, process in readers:
            if process.poll() is None:
                process.kill()
                process.wait()
    left, right = (side if side is not None else next(plans) for side in loaded)
    return _compare(left, right)


def _compare(left: _Loaded, right: _Loaded) -> Comparison:
    result = Comparison(left.side, right.side)
    for kind in dict.fromkeys((*left.trees, *right.trees)):
        ours, theirs = left.trees.get(kind, []), right.trees.get(kind, [])
        for one, other in zip(ours, theirs):
            result.finalizations.append(compare_trees(kind, one, other))
        if len(ours) != len(theirs):
            what = f"{_KINDS.get(kind, kind)}: A shows {len(ours)}, B {len(theirs)}"
            result.notes.append(f"{what}; what has no counterpart is not compared.")
    if not result.finalizations:
        raise CliError("A and B have no finalization in common to compare")
    for letter, loaded in (("A", left), ("B", right)):
        if loaded.poor:
            result.notes.append(
                f"{letter} has no debug information: its steps are {loaded.poor}; one that it lacks may be there without a name."
            )
    if left.side.kind != right.side.kind:
        result.notes.append(
            "A plan has every step that the code can run, a trace those that did: what only the plan has may just "
            "not have been needed in this run."
        )
    for number in sorted(set(left.types) & set(right.types)):
        before, after = left.types[number], right.types[number]
        result.objects[number] = [sum(before.values()), sum(after.values())]
        names = {**before, **after}
        found = [TypeDifference(number, name, before.get(name, 0), after.get(name, 0)) for name in names]
        found = [each for each in found if each.a != each.b]
        result.types += sorted(found, key=lambda each: (-abs(each.b - each.a), each.type))
    return result


# -- interpreters ---------------------------------------------------------------------------------------


def _start_reader(path: str, gdb: str) -> "subprocess.Popen[bytes]":
    words = ["pyfin", "plan", "--json", shlex.quote(path)]
    command = [gdb, "-nx", "-q", "-batch", *light_options(), "-x", init_file(), "-ex", " ".join(words)]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=gdb_environment(os.environ),
        )
    except OSError as error:
        raise CliError(f"cannot execute {gdb}: {error.strerror}") from None


def _plan(name: str, process: "subprocess.Popen[bytes]", gdb: str, tick: Callable[[int], None]) -> _Loaded:
    seconds = 0.0
    out = err = b""
    while process.returncode is None:
        try:
            out, err = process.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            seconds += 0.2
            tick(int(seconds))
    said = err.decode("utf-8", "replace")
    if process.returncode:
        wrong = what_is_wrong(gdb)
        if wrong:
            raise CliError(wrong)
        why = last_words(said) if process.returncode == 1 and said else explain_failure(gdb, said)
        raise CliError(f"{name}: {why}")
    try:
        document = json.loads(out)
        module = str(document["module"])
        trees = [_plan_tree(root, 0) for root in document["roots"]]
        build_id = document["build_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CliError(f"{name}: gdb gave no plan") from None
    side = Side(name, "plan", module, None, build_id if isinstance(build_id, str) else None)
    return _Loaded(side, _by_kind(trees), poor=_POOR.get(str(document.get("source")), ""))


def _plan_tree(data: Mapping[str, Any], depth: int) -> StepTree:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    children = [_plan_tree(child, depth + 1) for child in data["children"]]
    return StepTree(str(data["name"]), str(data["phase"]), children)


# -- traces ---------------------------------------------------------------------------------------------


def _trace(name: str) -> Optional[_Loaded]:
    """Return the trace that a file holds, None if the word means an interpreter."""
    from ..report.json_report import ReportFormatError, from_json

    if not os.path.isfile(name):
        return None
    try:
        with open(name, "rb") as file:
            head = file.read(4096).lstrip()
            if not head.startswith((b"{", b"[")):
                return None
            file.seek(0)
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise CliError(f"cannot read {name}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise CliError(f"{name} is too large to be a trace")
    try:
        report = from_json(data)
    except ReportFormatError as error:
        raise CliError(f"{name}: {error}") from None
    trees = _trace_trees(report.steps)
    if not trees:
        raise CliError(f"{name} has no finalization steps: nothing to compare")
    side = Side(name, "trace", report.target.executable, report.python.version if report.python else None)
    return _Loaded(side, _by_kind(trees), _types(report))


def _trace_trees(steps: List[StepState]) -> List[StepTree]:
    roots: List[StepTree] = []
    open_steps: List[Tuple[int, StepTree]] = []
    for step in steps:
        tree = StepTree(step.name, step.phase, [], step.count, step.state)
        while open_steps and open_steps[-1][0] >= step.depth:
            open_steps.pop()
        if open_steps and len(open_steps) < _DEEPEST:
            open_steps[-1][1].children.append(tree)
        elif not open_steps:
            roots.append(tree)
        open_steps.append((step.depth, tree))
    return roots


def _types(report: Report) -> Dict[int, Dict[str, int]]:
    found: Dict[int, Dict[str, int]] = {}
    for each in report.interpreters:
        if each.gc is not None and each.gc.types:
            counts = found.setdefault(each.id, {})
            for entry in each.gc.types:
                counts[entry.type] = counts.get(entry.type, 0) + entry.count
    return found


def _by_kind(trees: List[StepTree]) -> Dict[str, List[StepTree]]:
    kinds = catalogue.roots()
    found: Dict[str, List[StepTree]] = {}
    for tree in trees:
        found.setdefault(kinds.get(tree.name, tree.name), []).append(tree)
    return found
