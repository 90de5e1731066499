"""`pyfin object`: what fingdb says of objects against what the program says of them itself."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from tests.support.build import build_extension
from tests.support.gdbrun import ROOT, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

PROGRAMS = ROOT / "tests" / "live" / "programs"


def explained(python: Interpreter) -> List[Tuple[str, str]]:
    """Return (object, sign) of each difference to gc.get_referents that there must be, with its reason here.

    Up to 3.9 the callbacks of atexit are in memory of C that its module's m_traverse follows; so are the exceptions
    of _decimal from 3.13 on, where the capsule of _socket has a function of its own that visits a type.
    """
    version = python.version[:2]
    if version <= (3, 9):
        return [("<module 'atexit'>", "missing")]
    if version in ((3, 13), (3, 14), (3, 15)):
        return [("<PyCapsule>", "missing"), ("<module '_decimal'>", "missing")]
    return []


def test_referents_of_every_object_are_those_of_the_collector(python: Interpreter, tmp_path: Path) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    truth, out = tmp_path / "truth", tmp_path / "out"
    done = run_gdb(
        python.path,
        commands=[f"run {PROGRAMS / 'all_referents.py'} {truth}", f"source {PROGRAMS / 'compare_referents.py'}"],
        env={"FINGDB_TEST_TRUTH": str(truth), "FINGDB_TEST_OUT": str(out), "FINGDB_DEBUG": "1"},
        timeout=180,
    )
    assert out.exists(), done.output
    answer = json.loads(out.read_text())
    assert sum(answer["types"].values()) > 10_000
    found = sorted(
        (what.partition(" at 0x")[0] + (">" if " at 0x" in what else ""), sign)
        for what, where in answer["differences"]
        for sign in {sign for sign, *_rest in where}
    )
    assert found == explained(python), answer["differences"]
    # Each of these types was there, so their structures were read.
    wanted = {"function", "frame", "generator", "coroutine", "async_generator", "deque", "OrderedDict", "cell", "method",
              "traceback", "property", "type", "member_descriptor", "partial", "_lru_cache_wrapper", "stat_result"}  # fmt: skip
    assert wanted <= set(answer["types"])


def objects_of(python: Interpreter, *options: str) -> Tuple[Dict[str, Dict[str, object]], Dict[str, Dict[str, object]]]:
    """Return what the program says of its objects, and what `pyfin object --json` says of them."""
    program = PROGRAMS / "some_objects.py"
    script = (
        "python\n"
        "import json\n"
        "told = json.loads(open({out!r}).read())\n"
        "print('ANSWERS ' + json.dumps({{n: json.loads(gdb.execute('pyfin object --json {options} ' + f['address'], "
        "to_string=True)) for n, f in told.items()}}))\n"
        "end\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        out, file = Path(directory) / "out", Path(directory) / "commands"
        file.write_text(script.format(out=str(out), options=" ".join(options)))
        done = run_gdb(python.path, commands=[f"run {program} > {out}", f"source {file}"])
        assert "ANSWERS" in done.stdout, done.output
        told = json.loads(out.read_text())
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWERS "))
    return told, json.loads(line[len("ANSWERS ") :])


def test_an_object_is_what_the_program_says(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    told, found = objects_of(python, "--all")
    for name, facts in told.items():
        answer = found[name]
        if python.free_threaded and answer["tracked"]:
            facts["generation"] = 0  # it has one generation, which is nobody's second
        for key in ("address", "type", "tracked", "generation"):
            said = facts[key] if key != "tracked" else facts[key] or (None if answer["tracked"] is None else False)
            assert answer[key] == said, (name, key, answer)
        assert answer["refcount"] == facts["refcount"], (name, answer)
    by_name = {name: {r["name"]: r for r in answer["referents"]} for name, answer in found.items()}  # type: ignore[attr-defined]
    attributes = by_name["POINT"]
    if "__dict__" in attributes:
        assert attributes["__dict__"]["repr"] == r"{'x': […], 'label': '\x1b[31mred\u202e'}"
    else:
        assert attributes[".x"]["repr"] == "[1, -2.5, None, True]"
        assert attributes[".label"]["repr"] == r"'\x1b[31mred\u202e'"
    assert attributes["ob_type"]["repr"] == "<class '__main__.Point'>"
    function = by_name["function"]
    assert function["func_defaults"]["repr"] == "((…),)"
    assert function["func_code"]["repr"].startswith("<code function ")
    assert function["func_globals"]["type"] == "dict"
    assert by_name["NESTED"]["['a']"]["repr"] == "[[…]]"
    assert by_name["NESTED"]["[2]"]["repr"] == "(3,)"
    assert by_name["NESTED"]["[b'c']"]["repr"] == "{4}"
    assert by_name["SELF"]["[0]"]["address"] == told["SELF"]["address"]
    assert len(by_name["HUGE"]) == 1000
    assert by_name["FROZEN"]["element key 'only'"]["type"] == "str"
    assert found["MODULE"]["repr"] == "<module 'os'>"
    assert {"tp_mro", "tp_dict", "tp_bases"} <= set(by_name["Point"])


def test_references_are_limited_and_counted(any_python: Interpreter) -> None:
    _told, found = objects_of(any_python, "--limit", "3")
    assert len(found["HUGE"]["referents"]) == 3  # type: ignore[arg-type]
    assert found["HUGE"]["more"] == 997


def test_members_of_an_extension_are_named_by_its_debug_information(python: Interpreter, tmp_path: Path) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    directory = build_extension(python, [ROOT / "tests" / "scenarios" / "unvisited-type" / "walker.c"], "walker")
    source = "import os, walker; print(hex(id(walker.Walker.shared)), flush=True); os.kill(os.getpid(), 5)"
    out, file = tmp_path / "out", tmp_path / "commands"
    file.write_text(f"python gdb.execute('pyfin object --json ' + open({str(out)!r}).read())\n")
    done = run_gdb(
        python.path,
        commands=[f"run -c '{source}' > {out}", "echo ANSWER", f"source {file}"],
        env={"PYTHONPATH": str(directory)},
    )
    answer = json.loads(done.stdout[done.stdout.index("ANSWER") + len("ANSWER") :])
    assert answer["struct"] == "walker_t"
    found = [(r["name"], r["how"], r["repr"]) for r in answer["referents"]]
    assert found == [("ob_type", "assumed", "<class 'walker.Walker'>"), ("path", "assumed", "None")]
