"""The JSON of a report: the keys that scripts rely on, and the way back."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from fingdb import report as fingdb_report
from fingdb.model.report import (
    Culprit,
    Finding,
    GarbageCollector,
    Generation,
    Interpreter,
    NativeFrame,
    ObjectRef,
    PythonBuild,
    PythonFrame,
    Report,
    StepState,
    StoppedWorld,
    Target,
    Thread,
    TypeCount,
    Verdict,
)
from fingdb.report.json_report import ReportFormatError, from_dict, to_dict


def full_report() -> Report:
    """Return a report in which every field has a value."""
    frame = PythonFrame("f\udc80", "/x/日本.py", 3)
    native = NativeFrame(0, 0x7FFF_0000_1234, 0x7FFF_FFFF_0000, "g", "/lib/libc.so.6", "g.c", 9, True)
    thread = Thread(
        0xFFFF_8000_0000_0010, 140737345820480, 42, "Main\x7f", False, True, True, 1, True, "attached",
        "a lock", [frame], native, ["a problem"],
    )
    gc = GarbageCollector(
        True, False, 7, [Generation(0, 1, 700, 2), Generation(1, 0, 10, -1)],
        [TypeCount("dict", 9), TypeCount("list", 3)], ["p"],
    )
    finding = Finding(
        "touch-after-fini", "error", "title", "init_types", "interpreter-clear", 42, "ast", "_PyAST_Fini",
        Culprit("f", "f.c", 1, "lib.so"), ObjectRef(0x1000, "ast.AST"), 2, [native], [frame], "do that",
        ["https://bugs.python.org/issue41796"],
    )
    return Report(
        Target("live", "/usr/bin/python3", 42, "core.42", "SIGSEGV", 1),
        "interpreter-clear",
        PythonBuild("3.11.7", True, True, "dwarf"),
        [
            StepState("_PyAST_Fini", "interpreter-clear", "done", "interpreter_clear", 0, True, 3, 2, 2, 42,
                      43, "ast", "a.c", 5, ["x 1 → 2"]),
            StepState("_PyGC_Fini", "interpreter-clear", "running", None, 1),
        ],
        [
            Interpreter(0, 0x2000, True, True, [thread], gc, 31, ["q"], False, StoppedWorld(True, 0x9000, 2, True)),
            Interpreter(1, 0x3000, False, False),
        ],
        [finding],
        Verdict("unknown", "nothing", "possible"),
        ["a note"],
        {"cycles": 2},
    )


def test_round_trip() -> None:
    report = full_report()
    assert from_dict(to_dict(report)) == report
    assert fingdb_report.from_json(fingdb_report.to_json(report)) == report
    assert fingdb_report.from_json(to_dict(report)) == report
    minimal = Report(Target("core"), "running")
    assert fingdb_report.from_json(fingdb_report.to_json(minimal)) == minimal


def test_the_keys_of_the_contract() -> None:
    document: Dict[str, Any] = to_dict(full_report())
    assert document["schema"] == "fingdb-report/1"
    assert {"target", "python", "phase", "steps", "interpreters", "findings", "verdict"} <= set(document)
    assert document["target"] == {
        "kind": "live", "executable": "/usr/bin/python3", "pid": 42, "core": "core.42", "signal": "SIGSEGV",
        "exit_code": 1,
    }
    assert document["python"] == {
        "version": "3.11.7", "debug_build": True, "free_threaded": True, "layout": "dwarf", "sources": [],
    }
    assert {"name", "phase", "state", "parent", "interpreter"} <= set(document["steps"][0])
    thread = document["interpreters"][0]["threads"][0]
    assert thread["thread_id"] == 140737345820480
    assert thread["native_id"] == 42
    assert {"name", "daemon", "holds_gil", "waits_for"} <= set(thread)
    assert thread["python_stack"] == [{"function": "f\udc80", "file": "/x/日本.py", "line": 3}]
    gc = document["interpreters"][0]["gc"]
    assert gc["generations"][0] == {"index": 0, "count": 1, "threshold": 700, "objects": 2}
    assert gc["types"] == [{"type": "dict", "count": 9}, {"type": "list", "count": 3}]
    finding = document["findings"][0]
    assert {
        "kind", "severity", "title", "subsystem", "function", "after_step", "phase", "culprit", "thread",
        "object", "count", "native_stack", "python_stack", "advice", "references",
    } <= set(finding)
    assert finding["culprit"] == {"function": "f", "file": "f.c", "line": 1, "library": "lib.so"}
    assert finding["object"] == {"address": "0x1000", "type": "ast.AST"}
    told = {"kind": "unknown", "summary": "nothing", "confidence": "possible"}
    assert {key: document["verdict"][key] for key in told} == told


def test_types_come_most_frequent_first() -> None:
    report = Report(Target("live"), "running", interpreters=[Interpreter(0, 1, True, False)])
    report.interpreters[0].gc = GarbageCollector(True, False, types=[TypeCount("a", 1), TypeCount("b", 5)])
    assert [entry["type"] for entry in to_dict(report)["interpreters"][0]["gc"]["types"]] == ["b", "a"]


def test_the_text_is_ascii_without_control_characters() -> None:
    text = fingdb_report.to_json(full_report())
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert json.loads(text)["interpreters"][0]["threads"][0]["name"] == "Main\x7f"


@pytest.mark.parametrize(
    "document",
    ["[]", "{", "3", "null", "{}", '{"schema": "other/1"}', '{"schema": "fingdb-report/2"}', "[" * 100000,
     b"\xff\xfe"],
)
def test_what_is_no_report_is_refused_in_one_sentence(document: str) -> None:
    with pytest.raises(ReportFormatError) as caught:
        fingdb_report.from_json(document)
    assert str(caught.value).isprintable()


def test_what_is_malformed_inside_becomes_empty() -> None:
    report = from_dict({
        "schema": "fingdb-report/1",
        "target": "nonsense",
        "phase": 3,
        "python": {"version": 3, "unknown": 1},
        "steps": [{"name": "x", "count": "no", "changes": ["a", 1]}, 7],
        "interpreters": [{"id": True, "address": "zz", "gc": {"generations": {}}}],
        "findings": {"not": "a list"},
        "later": {"added": "key"},
    })
    assert report.target == Target("")
    assert report.phase == ""
    assert report.python == PythonBuild("", False, False, "")
    assert report.steps == [StepState("x", "", "", None, 0, changes=["a"])]
    assert report.interpreters[0].id == 0
    assert report.interpreters[0].gc == GarbageCollector(None, False)
    assert report.findings == []
