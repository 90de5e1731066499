"""`pyfin leaks` on the programs of tests/scenarios that leave something behind: what it is, and who keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

from tests.live.check_scenarios import DIRECTORY, Program
from tests.support.build import build_extension, build_program
from tests.support.fingdb_cli import run_fingdb
from tests.support.gdbrun import run_gdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

LEAKS: Tuple[Program, ...] = (
    Program("unvisited-type", "walker.c"),
    Program("missing-decref", "ledger.c"),
    Program("kept-by-static", "styles.c"),
    Program("kept-by-callback", "signals.c"),
    Program("immortal-by-mistake", "frozen.c"),
)
#: kind, type of the object that is held, first part of the owner's name, words of a holder, blamed function.
Group = Tuple[str, str, Optional[str], str, Optional[str]]


def expected(name: str, python: Interpreter) -> List[Group]:
    """Return the groups of a scenario that are no notes."""
    if name == "immortal-by-mistake":
        # Before 3.12 a count is a count, however large.
        return [("immortal" if python.version >= (3, 12) else "lost", "list", None, "", None)]
    table: Dict[str, List[Group]] = {
        "unvisited-type": [("unvisited", "type", "walker", "", "walker_traverse")],
        "missing-decref": [("lost", "list", None, "", None)],
        "kept-by-static": [("static", "Theme", "styles", "last_theme in styles", None)],
        "kept-by-callback": [("memory", "function", "signals", "to which listeners in signals", None)],
    }
    return table[name]


def leaks(words: Sequence[str], variables: Dict[str, str]) -> Dict[str, Any]:
    """Return what `pyfin leaks --json` says when the last collection of a program's first finalization is over."""
    commands = ["pyfin until _PyGC_Fini", "echo ANSWER", "pyfin leaks --json"]
    done = run_gdb(words[0], args=words[1:], commands=commands, env=variables, timeout=120)
    assert "ANSWER{" in done.stdout, done.output
    found: Dict[str, Any] = json.loads(done.stdout[done.stdout.index("ANSWER{") + len("ANSWER") :])
    return found


def told(found: Dict[str, Any]) -> List[Group]:
    """Return the groups that are no notes as the tests write them; a holder's words are kept from where they begin."""
    groups: List[Group] = []
    for group in found["groups"]:
        if group["severity"] == "note":
            continue
        suspect = group["suspects"][0] if group["suspects"] else None
        owner = Path(group["owner"]).name.split(".")[0] if group["owner"] else None
        holder = group["holders"][0]["words"] if group["holders"] else ""
        holder = holder[holder.find("to which") :] if "to which" in holder else holder
        if group["kind"] == "lost":
            holder = ""  # a word that may be left over
        culprit = suspect["culprit"]["function"] if suspect else None
        groups.append((group["kind"], group["head"]["type"], owner, holder.split(".")[0], culprit))
    return groups


@pytest.mark.parametrize("program", LEAKS, ids=lambda p: p.name)
def test_what_survives_and_why(python: Interpreter, program: Program) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    words, variables = program.command(python)
    found = leaks(words, variables)
    assert told(found) == expected(program.name, python), found["groups"]
    assert not found["partial"] and not found["problems"]
    for group in found["groups"]:
        assert group["advice"]
        if group["kind"] == "unvisited":
            (suspect,) = group["suspects"]
            assert (suspect["type"], suspect["edge"], suspect["instances"]) == ("walker.Walker", "ob_type", 1)
            assert suspect["confidence"] == "certain" and suspect["culprit"]["file"].endswith("walker.c")
            assert group["account"]["unexplained"] == 0 and group["account"]["count"] == group["account"]["objects"] == 3
        if group["kind"] == "lost" and group["severity"] == "warning" and program.name == "missing-decref":
            assert group["account"]["unexplained"] == 1
            assert {t["type"]: t["count"] for t in group["types"]} == {"list": 1, "dict": 3}


def test_a_type_that_outlives_its_subinterpreter(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    _words, variables = LEAKS[0].command(python)
    host = build_program(python, [DIRECTORY / "unvisited-type" / "host.c"], "host")
    # Up to 3.8 a subinterpreter has no collector to finalize.
    step = "_PyGC_Fini" if python.version >= (3, 9) else "PyInterpreterState_Delete"
    commands = [f"pyfin until {step}", "pyfin interpreters", "echo ANSWER", "pyfin leaks --json"]
    done = run_gdb(host, args=["import walker"], commands=commands, env=variables, timeout=120)
    assert "interpreter 1" in done.stdout, done.output
    found = json.loads(done.stdout[done.stdout.index("ANSWER{") + len("ANSWER") :])
    assert told(found) == expected("unvisited-type", python), found["groups"]


@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-s")], ids=lambda flags: "".join(flags))
def test_a_traverse_is_read_however_it_is_compiled(any_python: Interpreter, flags: Sequence[str], tmp_path: Path) -> None:
    source = DIRECTORY / "unvisited-type" / "walker.c"
    found = leaks(
        [any_python.path, "-c", "import walker"],
        {"PYTHONPATH": str(build_extension(any_python, [source], "walker", flags))},
    )
    (group,) = [g for g in found["groups"] if g["severity"] != "note"]
    assert group["kind"] == "unvisited" and group["suspects"][0]["confidence"] == "certain", group
    # The same, with the reference visited: nothing is left.
    mended = tmp_path / "walker.c"
    visit = "    Py_VISIT(((walker_t *)self)->path);"
    text = source.read_text()
    assert text.count(visit) == 1
    mended.write_text(text.replace(visit, f"    Py_VISIT(Py_TYPE(self));\n{visit}"))
    found = leaks(
        [any_python.path, "-c", "import walker"],
        {"PYTHONPATH": str(build_extension(any_python, [mended], "walker", flags))},
    )
    assert found["groups"] == []


def test_what_is_left_behind(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    words, variables = Program("left-behind", "hoard.c").command(python)
    commands = [
        "pyfin start", "pyfin leaks --blocks --json", "pyfin until after-finalize", "echo ANSWER", "pyfin leaks --blocks --json",
    ]  # fmt: skip
    done = run_gdb(words[0], args=words[1:], commands=commands, env=variables, timeout=120)
    assert "ANSWER{" in done.stdout, done.output
    after = json.loads(done.stdout[done.stdout.index("ANSWER{") + len("ANSWER") :])
    before = after["before"]
    for found in (before, after):
        assert {t["type"]: t["count"] for t in found["types"]}["complex"] == 500
        assert sum(t["count"] for t in found["types"]) + found["no_object"] == found["blocks"]
        assert sum(s["count"] for s in found["sizes"]) == found["blocks"] and not found["problems"]
    assert after["blocks"] < before["blocks"] / 2
    assert {t["type"] for t in before["types"]} >= {"str", "dict", "tuple", "function", "code"}


#: Loses a reference at each call; keeps objects in a list whose nodes point both ways; a type that hides a cycle.
LEAKY = """
#include <Python.h>
#include <stdlib.h>
#include <structmember.h>
struct node { struct node *next, *before; PyObject *object; };
static struct node *newest;
static PyObject *keep(PyObject *module, PyObject *object) {
    struct node *made = malloc(sizeof *made);
    made->next = newest; made->before = NULL; Py_INCREF(object); made->object = object;
    if (newest) newest->before = made;
    newest = made;
    Py_RETURN_NONE;
}
static PyObject *strand(PyObject *module, PyObject *object) {
    struct node *made = malloc(sizeof *made);
    made->next = made->before = NULL; Py_INCREF(object); made->object = object;
    return PyLong_FromVoidPtr(made);
}
static PyObject *lose(PyObject *module, PyObject *object) { Py_INCREF(object); Py_RETURN_NONE; }
typedef struct { PyObject_HEAD PyObject *held; } box_t;
static void box_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(((box_t *)self)->held); type->tp_free(self); Py_DECREF(type);
}
static PyMemberDef members[] = {{"held", T_OBJECT, offsetof(box_t, held), 0, NULL}, {NULL}};
static PyType_Slot slots[] = {{Py_tp_dealloc, box_dealloc}, {Py_tp_members, members}, {0, NULL}};
static PyType_Spec spec = {"leaky.Box", sizeof(box_t), 0, Py_TPFLAGS_DEFAULT, slots};
typedef struct { PyObject_HEAD PyObject *held; } cell_t;
static int cell_traverse(PyObject *self, visitproc visit, void *arg) { return 0; }
static int cell_clear(PyObject *self) { Py_CLEAR(((cell_t *)self)->held); return 0; }
static void cell_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self); cell_clear(self); type->tp_free(self); Py_DECREF(type);
}
static PyMemberDef cell_members[] = {{"held", T_OBJECT, offsetof(cell_t, held), 0, NULL}, {NULL}};
static PyType_Slot cell_slots[] = {
    {Py_tp_traverse, cell_traverse}, {Py_tp_clear, cell_clear}, {Py_tp_dealloc, cell_dealloc},
    {Py_tp_members, cell_members}, {0, NULL}};
static PyType_Spec cell_spec = {
    "leaky.Cell", sizeof(cell_t), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, cell_slots};
static PyMethodDef methods[] = {{"keep", keep, METH_O, NULL}, {"lose", lose, METH_O, NULL},
    {"strand", strand, METH_O, NULL}, {NULL}};
static PyModuleDef def = {PyModuleDef_HEAD_INIT, "leaky", NULL, -1, methods};
PyMODINIT_FUNC PyInit_leaky(void) {
    PyObject *module = PyModule_Create(&def);
    PyModule_AddObject(module, "Box", PyType_FromSpec(&spec));
    PyModule_AddObject(module, "Cell", PyType_FromSpec(&cell_spec));
    return module;
}
"""
LEAKING = """
import leaky
class Kept: pass
class Lost: pass
class Stranded: pass
class Hidden: pass
leaky.strand(Stranded())
for number in range(20): leaky.keep(Kept())
for number in range(30): leaky.lose(Lost())
leaky.Box, box = None, leaky.Box()
box.held = Hidden()
box.held.box = box
"""


def test_what_leaks_at_each_call_is_one_group(python: Interpreter, tmp_path: Path) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    (tmp_path / "leaky.c").write_text(LEAKY)
    (tmp_path / "leaking.py").write_text(LEAKING)
    path = build_extension(python, [tmp_path / "leaky.c"], "leaky")
    commands = ["pyfin until _PyGC_Fini", "pyfin leaks", "echo ANSWER", "pyfin leaks --json"]
    done = run_gdb(
        python.path, args=[tmp_path / "leaking.py"], commands=commands, env={"PYTHONPATH": str(path)}, timeout=120
    )
    found = json.loads(done.stdout[done.stdout.index("ANSWER{") + len("ANSWER") :])
    groups = {g["head"]["type"]: g for g in found["groups"] if g["severity"] != "note"}
    assert {kind: (g["kind"], g["count"]) for kind, g in groups.items() if kind in ("Kept", "Lost", "Stranded")} == {
        "Kept": ("memory", 20), "Lost": ("lost", 30), "Stranded": ("lost", 1),
    }, found["groups"]  # fmt: skip
    # Memory that nothing but CPython and the C library can lead to is a hint, and nobody's.
    assert any("bytes of malloc" in holder["words"] for holder in groups["Stranded"]["holders"])
    assert groups["Stranded"]["owner"] == "__main__"
    assert groups["Kept"]["account"]["pointed"] == groups["Kept"]["account"]["unexplained"] == 1
    said = " ".join(done.stdout.split())
    assert "20 objects like Kept" in said and "are kept by memory to which newest in leaky" in said
    assert "30 objects like Lost" in said and "are kept, each by 1 reference that nothing shows" in said
    # A type that the collector does not look into: Py_VISIT would have nowhere to stand.
    (hidden,) = [g for g in found["groups"] if g["kind"] == "unvisited"]
    assert [(s["type"], s["edge"], s["culprit"]) for s in hidden["suspects"]][0] == ("leaky.Box", "held", None)
    assert hidden["advice"].startswith("Give leaky.Box Py_TPFLAGS_HAVE_GC"), hidden


@pytest.mark.parametrize(
    "source, edge, type_name",
    [
        ("class Other: pass\ncell, other = leaky.Cell(), Other()\nother.cell, cell.held = cell, other", "held", "leaky.Cell"),
        # From 3.9 on a class leaves it to the tp_traverse of such a base to visit the type of its objects.
        ("class Sub(leaky.Cell): pass\nSub.one = Sub()", "ob_type", "Sub"),
    ],
    ids=["member", "type-of-subclass"],
)  # fmt: skip
def test_what_a_traverse_leaves_out(
    any_python: Interpreter, source: str, edge: str, type_name: str, tmp_path: Path
) -> None:
    (tmp_path / "leaky.c").write_text(LEAKY)
    path = build_extension(any_python, [tmp_path / "leaky.c"], "leaky")
    found = leaks([any_python.path, "-c", f"import leaky\n{source}"], {"PYTHONPATH": str(path)})
    groups = [g for g in found["groups"] if g["severity"] != "note"]
    if edge == "ob_type" and any_python.version < (3, 9):
        assert groups == []
        return
    (group,) = groups
    if any_python.version >= (3, 9):  # in 3.8 no collection comes right before the end of the collector
        assert found["collected"]
    (suspect,) = group["suspects"]
    assert (suspect["type"], suspect["edge"]) == (type_name, edge), group
    assert suspect["culprit"]["function"] == "cell_traverse" and suspect["culprit"]["library"].endswith(".so"), suspect


def test_check_finds_survivors_when_asked(any_python: Interpreter, tmp_path: Path) -> None:
    words, variables = LEAKS[0].command(any_python)
    report = tmp_path / "report.json"
    done = run_fingdb("check", "--leaks", "--json", "-o", report, "--", *words, env=variables, timeout=150)
    (finding,) = [f for f in json.loads(report.read_text())["findings"] if f["severity"] != "note"]
    assert (finding["kind"], finding["function"]) == ("survivor", "walker_traverse"), finding
    assert finding["culprit"]["library"].endswith(".so") and finding["object"]["type"] == "type"
    assert done.returncode == 1
    done = run_fingdb("check", "--json", "-o", report, "--", *words, env=variables, timeout=150)
    assert done.returncode == 0, report.read_text()


def test_a_healthy_program_has_no_survivors(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    source = "import collections, dataclasses, functools, json, re, threading, typing; [].append(json.dumps({}))"
    found = leaks([python.path, "-c", source], {})
    assert told(found) == [], found["groups"]
