"""`fingdb core` as the tests of cores ask it: for a document, or for the sentence with which it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

from tests.core.scenarios import SCENARIOS
from tests.support.cores import Core, crash_core, hang_core
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

#: Seconds that a core may take, however damaged: the machine may be busy.
LIMIT = 90


def late_core(python: Interpreter) -> Core:
    """Return the core of a program that crashes in an exit handler, after finalization."""
    words, environment = SCENARIOS["late-cxa-atexit"].command(python)
    return crash_core(python, "late-cxa-atexit", words, environment)


def hanging_core(python: Interpreter) -> Core:
    """Return the core of a program that waits for a thread, before finalization began to take anything down."""
    words, environment = SCENARIOS["join-event"].command(python)
    return hang_core(python, "join-event", words, environment)


def report(*words: "str | Path", **more: Any) -> Dict[str, Any]:
    """Return the JSON report of `fingdb core`, which must succeed."""
    done = run_fingdb("core", "--json", *words, timeout=LIMIT, **more)
    assert done.returncode in (0, 1), done.stderr.decode()
    assert done.stderr == b""
    document: Dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == int(complains(document))
    return document


def complains(document: Dict[str, Any]) -> bool:
    """Return whether a report is one with which `fingdb core` exits with status 1."""
    if any(finding["severity"] in ("warning", "error") for finding in document["findings"]):
        return True
    verdict = document["verdict"]
    return verdict is not None and verdict["kind"] not in ("unknown", "not-finalization")


def refusal(*words: "str | Path", **more: Any) -> str:
    """Return the sentence with which `fingdb core` refuses."""
    done = run_fingdb("core", *words, timeout=LIMIT, **more)
    said = done.stderr.decode()
    assert done.returncode == 2, (done.returncode, said, done.stdout)
    assert done.stdout == b""
    return one_sentence(said)


def one_sentence(said: str) -> str:
    """Return what was said on standard error, which must be one sentence of ours and no traceback."""
    assert said.startswith("fingdb: ") and said.endswith("\n") and said.count("\n") == 1, said
    assert "Traceback" not in said and "failed:" not in said, said
    return said[len("fingdb: ") : -1]
