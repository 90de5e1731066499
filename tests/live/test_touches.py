"""`pyfin touches`, `set pyfin stop-on-touch on` and `pyfin watch`, on a C++ static that drops a reference too late."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import List

import pytest

from tests.live.check_scenarios import PROGRAMS, drop
from tests.support.gdbrun import GdbResult, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.pair]

LATE = "{drop} was called after {root} had returned"


def late_touch(python: Interpreter) -> str:
    return LATE.format(drop=drop(python), root=root(python))


def root(python: Interpreter) -> str:
    return "_Py_Finalize" if python.version >= (3, 13) else "Py_FinalizeEx"


def debug(python: Interpreter, commands: List[str], name: str = "late-cpp-static") -> GdbResult:
    """Run gdb with these commands on a scenario."""
    program = next(p for p in PROGRAMS if p.name == name)
    words, variables = program.command(python)
    return run_gdb(words[0], words[1:], commands, env=variables, timeout=100)


def test_the_debugger_stops_at_a_touch(python: Interpreter) -> None:
    done = debug(python, ["set pyfin stop-on-touch on", "pyfin start", "continue", "echo STACK\\n", "bt 6", "kill"])
    before, _, after = done.stdout.partition("STACK\n")
    assert f"error: {late_touch(python)}" in before
    assert after.startswith("#0 ") and drop(python) in after.splitlines()[0]
    assert "Owned::~Owned" in after  # it stands in the call itself, under the code that is to blame


def test_without_the_setting_nothing_stops(python: Interpreter) -> None:
    done = debug(python, ["set pyfin stop-on-touch off", "pyfin start", "continue", "echo END\\n", "bt 1"])
    assert "was called after" not in done.stdout.partition("END")[0]


@pytest.mark.parametrize("begun", ["before", "in the middle", "after"])
def test_touches_are_listed_from_whenever_the_user_asks(python: Interpreter, begun: str, tmp_path: Path) -> None:
    """Asked for the first time before finalization, in it, or when it has returned: the touch still comes."""
    ways = {
        "before": ["pyfin touches", "pyfin start"],
        "in the middle": ["pyfin start", "pyfin until module-teardown", "pyfin touches"],
        "after": ["pyfin start", "pyfin until after-finalize", "pyfin touches"],
    }
    stop = ["set pyfin stop-on-touch on"]
    asked = ["echo TOUCHES\\n", "pyfin touches", "echo JSON\\n", "pyfin touches --json", "echo OVER\\n", "kill"]
    done = debug(python, [*ways[begun], *stop, "continue", *asked])
    said = done.stdout
    first = {"before": "Finalization has not begun; from now on touches are noticed."}
    assert first.get(begun, "Nothing was touched after its end.") in said.partition("TOUCHES")[0], done.output
    text = said.partition("TOUCHES\n")[2].partition("JSON\n")[0]
    assert late_touch(python) in " ".join(text.split())
    found = json.loads(said.partition("JSON\n")[2].partition("OVER")[0])
    late = [f for f in found if f["severity"] != "note"]
    assert [(f["kind"], f["severity"], f["function"], f["after_step"], f["culprit"]["function"]) for f in late] == [
        ("touch-after-finalize", "error", drop(python), root(python), "Owned::~Owned"),
    ]
    assert re.search(r"registry[^/]*\.so$", late[0]["culprit"]["library"])


def test_watch_stops_where_the_object_is_touched(python: Interpreter) -> None:
    """The object of the static is watched when finalization has returned: the destructor is the next to touch it."""
    done = debug(
        python,
        ["pyfin start", "pyfin until after-finalize", "pyfin watch default_handler.object_", "continue",
         "echo STACK\\n", "bt 6", "kill"],
    )  # fmt: skip
    assert re.search(r"Hardware watchpoint \d+: stops at any access to the object at 0x[0-9a-f]+\.", done.stdout), done.output
    assert "Owned::~Owned" in done.stdout.partition("STACK\n")[2], done.output


def test_watch_takes_the_users_language(python: Interpreter) -> None:
    """gdb takes that of the frame where the user stands, and Rust has no casts like those of C."""
    done = debug(python, ["pyfin start", "set language rust", "pyfin watch $sp", "show language"])
    assert re.search(r"Hardware watchpoint \d+: stops at any access to the object at 0x[0-9a-f]+\.", done.stdout), done.output
    assert 'The current source language is "rust".' in done.stdout


def test_a_fifth_watchpoint_is_refused(python: Interpreter) -> None:
    places = [f"pyfin watch (char*)default_handler.object_+{8 * number}" for number in range(5)]
    done = debug(python, ["pyfin start", *places])
    assert done.stdout.count("Hardware watchpoint ") == 4
    assert "the processor can watch 4 places, and all are in use" in done.stderr


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("", "pyfin watch needs an address or an expression whose value is one"),
        ("no_such_name", "cannot evaluate no_such_name"),
        ("8", "there is no memory at 0x8 to watch"),
        ("*(long*)8", "cannot evaluate *(long*)8: Cannot access memory at address 0x8"),
    ],
)
def test_what_cannot_be_watched(python: Interpreter, words: str, sentence: str) -> None:
    done = debug(python, ["pyfin start", f"pyfin watch {words}"])
    assert sentence in done.stderr
    assert "Traceback" not in done.output


def test_watching_needs_a_process(python: Interpreter) -> None:
    done = run_gdb(python.path, ["-c", "pass"], ["pyfin watch 0x1000"])
    assert "there is no process" in done.stderr
