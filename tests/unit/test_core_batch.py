"""Many cores: what counts as the same bug, and how they are listed."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

import pytest

from fingdb.cli.command_core import exit_status
from fingdb.cli.core_batch import Result, render
from fingdb.report.style import Style


def document(kind: str, function: Optional[str] = None, library: str = "", **more: Any) -> Dict[str, Any]:
    culprit = {"function": function, "file": None, "line": None, "library": library} if function else None
    verdict = {"kind": kind, "summary": f"It is {kind}.", "confidence": "likely", "culprit": culprit}
    target = {"kind": "core", "signal": "SIGSEGV", "core": "x"}
    return {"target": target, "phase": "atexit", "python": {"version": "3.11.7"}, "verdict": verdict, "findings": [], **more}


@pytest.mark.parametrize(
    "one, other",
    [
        (("f", "/a/_x.cpython-38-x86_64-linux-gnu.so"), ("f", "/b/_x.cpython-313-x86_64-linux-gnu.so")),
        (("f", "/a/libpython3.8.so.1.0"), ("f.constprop.0", "/b/libpython3.13.so.1.0")),
        (("f.part.0.cold", "/a/libz.so.1"), ("f", "libz.so.1.2.13")),
        (("0x7f0000001000", "no mapped file"), ("0x7f9999992000", "no mapped file")),
        (("Handler.close", "/a/app.py"), ("Handler.close", "/b/app.py")),
    ],
)
def test_the_same_bug(one: Any, other: Any) -> None:
    first, second = (Result("core", document("late-thread", *place)) for place in (one, other))
    assert first.group() == second.group()
    assert first.group() != Result("core", document("lock-deadlock", *one)).group()


@pytest.mark.parametrize(
    "one, other", [(("f", "a.so"), ("g", "a.so")), (("f", "a.so"), ("f", "b.so")), (("A.run", "x.py"), ("A.stop", "x.py"))]
)
def test_different_bugs(one: Any, other: Any) -> None:
    first, second = (Result("core", document("late-thread", *place)) for place in (one, other))
    assert first.group() != second.group()


def test_a_culprit_in_a_finding_only() -> None:
    finding = {"severity": "error", "culprit": {"function": "f", "library": "/lib/liba.so.3"}}
    found = Result("core", document("late-thread", findings=[{"culprit": None}, finding])).group()
    assert found == ("late-thread", "f", "liba.so")
    assert Result("core", {"verdict": None, "findings": None}).group() == ("unknown", "", "")


def test_text() -> None:
    results = [
        Result("c1", document("late-thread", "f", "a.so")),
        Result("c2\x1b[0m", document("lock-deadlock")),
        Result("c3", error="c3 is empty"),
        Result("c4", document("late-thread", "f", "a.so")),
    ]
    assert render(results, Style(False), 80).splitlines() == [
        "late-thread by f (a.so) · 2 cores",
        "  It is late-thread.",
        "    c1  likely  SIGSEGV  atexit  Python 3.11.7",
        "    c4  likely  SIGSEGV  atexit  Python 3.11.7",
        "",
        "lock-deadlock · 1 core",
        "  It is lock-deadlock.",
        "    c2\\x1b[0m  likely  SIGSEGV  atexit  Python 3.11.7",
        "",
        "could not be read · 1 core",
        "    c3",
    ]


def test_json() -> None:
    line = json.loads(Result("c1", document("late-thread", "f", "a.so")).to_json())
    assert line["group"] == {"kind": "late-thread", "function": "f", "library": "a.so"}
    failed = json.loads(Result("c3", error="c3 is empty").to_json())
    assert failed["error"] == "c3 is empty" and failed["target"] == {"kind": "core", "core": "c3"}


def test_exit_status() -> None:
    assert exit_status(document("late-thread")) == 1
    assert exit_status(document("not-finalization")) == exit_status(document("unknown")) == 0
    assert exit_status(document("unknown", findings=[{"severity": "warning"}])) == 1
    assert exit_status(document("unknown", findings=[{"severity": "note"}])) == 0
    assert exit_status({"verdict": None}) == 0
