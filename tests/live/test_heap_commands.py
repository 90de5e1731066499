"""`pyfin heap`, `objects`, `mark` and `verify`, as a user types them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from tests.live.test_heap import need_layout, need_lists
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter

PROGRAM = Path(__file__).parent / "programs" / "heap_commands.py"

pytestmark = pytest.mark.live


def answers(
    python: Interpreter, commands: Sequence[str], *words: str, program: Path = PROGRAM, timeout: float = 60
) -> List[str]:
    """Run the program to its stop, then commands; return what was printed before the first, and by each of them."""
    lines = ["handle SIGSTOP stop print nopass", "run"]
    for command in commands:
        lines += ["echo \\n@@\\n", command]
    lines += ["echo \\n@@\\n", "kill"]
    done = run_gdb(python.path, words, lines, program, timeout=timeout)
    parts = re.split(r"^@@$", done.stdout, flags=re.M)
    assert len(parts) == len(commands) + 2, done.output
    # Errors of commands are on standard error.
    return [part.strip() for part in parts[:-1]] + [done.stderr]


def test_counts_and_sizes(python: Interpreter) -> None:
    need_layout(python)
    _said, heap, frozen, young, objects, verify, _errors = answers(python, [
        "pyfin heap --json --type Marker", "pyfin heap --json --gen frozen", "pyfin heap --json --gen 0 --type Marker",
        "pyfin objects Marker --json --limit 5", "pyfin verify --references --json",
    ])
    interpreter = json.loads(heap)["interpreters"][0]
    assert [(t["type"], t["count"], t["generations"]) for t in interpreter["types"]] == [("__main__.Marker", 123, {"0": 123})]
    assert interpreter["partial"] is False and interpreter["problems"] == []
    assert interpreter["objects"] > 2000 and interpreter["bytes"] > 100_000
    # 3.12 freezes some objects of its own when it starts.
    assert all(set(t["generations"]) == {"frozen"} for t in json.loads(frozen)["interpreters"][0]["types"])
    assert json.loads(young)["interpreters"][0]["types"][0]["count"] == 123
    found = json.loads(objects)
    assert found["count"] == 123 and len(found["objects"]) == 5
    for row in found["objects"]:
        assert row["type"] == "__main__.Marker" and row["refcount"] == 1 and row["generation"] == 0
        assert row["repr"].startswith("<Marker at 0x")
    checked = json.loads(verify)
    assert checked["consistent"] is True
    lists = checked["interpreters"][0]["lists"]
    assert sum(each["objects"] for each in lists) == interpreter["objects"]


def test_tables(any_python: Interpreter) -> None:
    need_layout(any_python)
    _said, heap, every, objects, strings, nothing, verify, wrong, unknown, beyond, errors = answers(any_python, [
        "pyfin heap --limit 4 --sort bytes", "pyfin heap --all --limit 2", "pyfin objects Mark* --limit 2",
        "pyfin objects str --limit 2", "pyfin objects no.such.type", "pyfin verify", "pyfin heap --gen old",
        "pyfin heap --since nothing", "pyfin objects str --gen 9",
    ])
    lines = heap.splitlines()
    assert lines[0].startswith("heap of interpreter 0  ") and "generation 0" in heap
    table = [line.split() for line in lines if re.match(r"\S+ +\d+ +(≥ )?\d+ +[\d.]+%", line)]
    assert len(table) == 4
    sizes = [int(line[2]) for line in table if line[2] != "≥"]
    assert sizes == sorted(sizes, reverse=True)
    allocator, places = ("mimalloc", "pages") if any_python.free_threaded else ("pymalloc", "pools")
    assert f"blocks of {allocator}  " in every and re.search(r"^str +\d+ +\d+$", every, re.M)
    assert objects.count("<Marker at 0x") == 2 and "121 more" in objects
    assert len(re.findall(r"""^0x[0-9a-f]+ +\d+ +- +['"]""", strings, re.M)) == 2  # a long one is cut before its last quote
    assert nothing == 'there is no object of a type "no.such.type"'
    assert "consistent" in verify and f"all {places} are consistent" in verify
    assert wrong == unknown == beyond == ""
    assert errors.count('a generation is a number (0, 1, 2) or "frozen"') == 2
    assert 'there is no mark "nothing"' in errors and "Traceback" not in errors


@pytest.mark.spread
def test_what_finalization_freed(python: Interpreter) -> None:
    need_layout(python)
    _said, _mark, _until, marks, since, of_step, of_phase, alias, table, errors = answers(python, [
        "pyfin mark mine", "pyfin until module-teardown", "pyfin mark", "pyfin heap --since mine --json --type Marker",
        "pyfin until interpreter-clear", "pyfin heap --since module-teardown --json --type Marker",
        "pyfin heap --since finalize_modules --json", "pyfin heap --since mine --limit 3",
    ])
    assert "mine" in marks.split() and "module-teardown" in marks.split()
    # Nothing of the program's own is gone when the modules are about to be.
    assert json.loads(since)["types"] == []
    freed = json.loads(of_phase)
    assert [(t["before"], t["now"], t["freed"], t["made"]) for t in freed["types"]] == [(123, 0, 123, 0)]
    # PyImport_Cleanup is what 3.8 calls the step.
    of_names: Dict[str, Any] = {t["type"]: t for t in json.loads(alias)["types"]}
    assert of_names["__main__.Marker"]["freed"] == 123
    for each in of_names.values():
        assert each["before"] - each["freed"] + each["made"] == each["now"]
    assert table.startswith("since the mark mine  objects ") and "freed" in table
    assert "Traceback" not in errors and of_step


@pytest.mark.spread
def test_damage_is_named(python: Interpreter) -> None:
    need_lists(python)
    said, verify, heap, gone, errors = answers(python, ["pyfin verify --json", "pyfin heap --json", "pyfin verify"], "damage")
    found = re.search(r"(0x[0-9a-f]+) (0x[0-9a-f]+)", said)
    assert found is not None, said
    victim, other = found.groups()
    document = json.loads(verify)
    assert document["consistent"] is False
    young = document["interpreters"][0]["lists"][0]
    assert young["name"] == "generation 0" and young["bad"] >= 2 and young["broken"] is None
    assert young["first"]["address"] == victim and young["first"]["type"] == "list"
    assert "its back link is 0x1230" in young["first"]["problem"]
    interpreter = json.loads(heap)["interpreters"][0]
    # The walk follows forward links: nothing is lost, and what cannot be named is told.
    assert "the type of 1 objects cannot be read" in interpreter["problems"]
    assert [t["count"] for t in interpreter["types"] if t["type"] == "?"] == []  # beyond the limit of 20 rows
    assert f"the list at {victim}" in " ".join(gone.split())
    assert other and "Traceback" not in errors


@pytest.mark.spread
def test_an_object_that_counts_too_few_references(python: Interpreter) -> None:
    need_lists(python)
    said, document, text, _errors = answers(
        python, ["pyfin verify --references --json", "pyfin verify --references"], "short"
    )
    said_it = re.search(r"^(0x[0-9a-f]+) (\d+) (0x[0-9a-f]+) (0x[0-9a-f]+)$", said, re.M)
    assert said_it is not None, said
    victim, count, in_dict, in_tuple = said_it.groups()
    found = json.loads(document)
    assert found["consistent"] is False and all(each["consistent"] for each in found["interpreters"])
    (short,) = found["short_of_references"]
    assert short["address"] == victim and short["type"] == "list" and short["repr"] == "['victim']"
    assert (short["count"], short["held"]) == (int(count), 3) == (2, 3)
    holders = {(each["address"], each["name"]) for each in short["holders"]}
    assert {(in_dict, "['held']"), (in_tuple, "[0]")} < holders and "['VICTIM']" in {name for _address, name in holders}
    assert "1 object counts fewer references than other objects hold" in " ".join(text.split()) and victim in text


@pytest.mark.spread
def test_a_subinterpreter_has_a_heap_of_its_own(python: Interpreter) -> None:
    need_layout(python)
    commands = ["pyfin heap --all --json --type Inner", "continue"]
    _said, heap, said, _errors = answers(python, commands, program=PROGRAM.with_name("heap_subinterpreter.py"))
    document = json.loads(heap)
    counts = [[(t["type"], t["count"]) for t in each["types"]] for each in document["interpreters"]]
    # Up to 3.8 one collector serves all interpreters.
    assert counts == ([[("__main__.Inner", 77)]] if python.version < (3, 9) else [[], [("__main__.Inner", 77)]])
    blocks = document["blocks"]
    assert blocks["problems"] == [] and blocks["partial"] is False
    # sys.getallocatedblocks() counts those of all interpreters.
    assert f"allocated {blocks['used'] + blocks['large']}\n" in said + "\n"


@pytest.mark.heavy
def test_no_reference_is_lacking_where_all_is_counted_properly(python: Interpreter) -> None:
    need_lists(python)
    said, verify, leaks, _errors = answers(
        python, ["pyfin verify --references --json", "pyfin leaks --json"], program=PROGRAM.with_name("many_kinds.py"),
        timeout=300,
    )  # fmt: skip
    found = json.loads(verify)
    assert found["short_of_references"] == [] and found["consistent"] is True
    # What never dies keeps what it holds, though the collector has let go of it (3.14 on).
    groups = [(each["kind"], each["head"]["type"], each["objects"]) for each in json.loads(leaks)["groups"]]
    assert [each for each in groups if each[1] in ("Immortal", "Held")] == (
        [("immortal", "Immortal", 2)] if re.search("^with an immortal one$", said, re.M) else []
    )
