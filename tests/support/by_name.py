"""The steps that a program really runs, by gdb's own breakpoints by name: the independent witness of the plan."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import List, NamedTuple, Sequence, Set

from fingdb.elf import ElfError, open_elf
from fingdb.finalization import catalogue

from .gdbrun import ROOT, run_gdb
from .interpreters import Interpreter

SCRIPT = ROOT / "tests" / "live" / "programs" / "by_name.py"
ROOTS = {"Py_FinalizeEx", "_Py_Finalize"}


class Witness(NamedTuple):
    """Names in the order of hits, and in the order in which they came onto the stack.

    Not ``inlined``: gdb could not find what exists only inside of other functions or as a clone (``f.part.0``). Of that
    it knows what was on the stack at a hit.
    """

    hits: List[str]
    begins: List[str]
    inlined: bool


def witness(python: Interpreter, program: Sequence["str | Path"], directory: Path) -> Witness:
    """Run a program in a plain gdb with breakpoints by name on whatever may be a step."""
    names, out = directory / "names.json", directory / "hits.json"
    names.write_text(json.dumps(sorted(possible_steps(python))), encoding="utf-8")
    values = {"FINGDB_TEST_NAMES": str(names), "FINGDB_TEST_OUT": str(out)}
    result = run_gdb(python.path, program, [f"source {SCRIPT}"], env=values, init=False, timeout=120)
    assert out.exists(), result.output
    found = json.loads(out.read_text(encoding="utf-8"))
    return Witness(found["hits"], found["begins"], found["inlined"])


def possible_steps(python: Interpreter) -> Set[str]:
    """Return all names that the catalogue or its rule takes for steps, of functions that this build may have.

    Not the helpers that a walk does not stop in (``quiet`` rows).
    """
    files = [python.runtime, *debug_files(python.runtime)]
    data = b"".join(Path(path).read_bytes() for path in files)
    names = {name for row in catalogue.steps() for name in row.names}
    if b"\0finalize_modules\0" in data or b"\0PyImport_Cleanup\0" in data:
        # The debug information is not compressed: a function whose name is nowhere in the file is not there.
        names = {name for name in names if b"\0%b\0" % name.encode() in data or b"\0%b." % name.encode() in data}
    names |= {catalogue.base_name(name) for name in function_names(files) if ".cold" not in name}
    return {name for name in names if catalogue.is_step(name) and not _is_quiet(name)} - ROOTS


def function_names(files: Sequence[str]) -> Set[str]:
    """Return the names of the functions that have code of their own, as the linker knows them (``f.part.0``)."""
    names: Set[str] = set()
    for path in files:
        try:
            symbols = open_elf(path).symbols()
        except ElfError:
            continue
        names |= {symbol.name for symbol in symbols.values() if symbol.function and symbol.defined}
    return names


def _is_quiet(name: str) -> bool:
    row = catalogue.step_named(name)
    return row is not None and row.quiet


def debug_files(path: str) -> List[str]:
    """Return the separate debug file of a build, as gdb finds it by its build-id."""
    said = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, timeout=60).stdout
    for line in said.splitlines():
        if "Build ID:" in line:
            build_id = line.split()[-1]
            found = f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
            return [found] if os.path.exists(found) else []
    return []


def squashed(names: Sequence[str]) -> List[str]:
    """Return the names without repetitions of one name or of a short sequence (one turn of a loop)."""
    kept: List[str] = []
    for name in names:
        kept.append(name)
        shorter = True
        while shorter:
            shorter = False
            for period in range(1, 7):
                if len(kept) >= 2 * period and kept[-period:] == kept[-2 * period : -period]:
                    del kept[-period:]
                    shorter = True
    return kept
