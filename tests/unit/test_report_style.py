"""Colours: pygments only when it is wanted, and plain text without it."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from typing import Any

import pytest

from fingdb.report.style import Style

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_source_keeps_its_lines_and_its_text() -> None:
    pytest.importorskip("pygments")
    lines = ["", "static void", "f(void) { /* open", "still */ return 1; }", ""]
    coloured = Style(True).source(lines, "c")
    assert [_COLOUR.sub("", line) for line in coloured] == lines
    assert coloured != lines
    python = Style(True).source(["def f():", '    """x', "    y"], "python")
    assert [_COLOUR.sub("", line) for line in python] == ["def f():", '    """x', "    y"]


def test_no_line_leaves_its_colour_open() -> None:
    pytest.importorskip("pygments")
    for line in Style(True).source(["/* a", "b */ int c;"], "c"):
        codes = _COLOUR.findall(line)
        assert not codes or codes[-1] in ("\x1b[39m", "\x1b[39;49;00m", "\x1b[0m")


def test_source_is_plain_without_pygments(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "pygments":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert Style(True).source(["int x;"], "c") == ["int x;"]


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, fingdb.report, fingdb.report.summaries, fingdb.report.text_report\n"
        "import fingdb.report.step_block\n"
        "from fingdb.report.style import Style\n"
        "Style(False).source(['int x;'], 'c')\n"
        "print([m for m in ('pygments', 'tabulate', 'gdb', 'argparse', 'json') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['json']")
