"""Text from the target never reaches the terminal as anything but visible characters."""

from __future__ import annotations

import pytest

from fingdb.report.escape import printable
from fingdb.report.style import Style, unicode_terminal
from fingdb.report.width import display_width, pad, shorten, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve 日本語 🐍", "naïve 日本語 🐍"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("\0\x07\t\n\r\x7f", "\\x00\\x07\\x09\\x0a\\x0d\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u202c", "\\u202eabc\\u202c"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udc80\ud800", "\\udc80\\ud800"),
        ("\u200f\u200d\ufeff", "\\u200f\\u200d\\ufeff"),
        ("\U000e0001\U0010ffff", "\\U000e0001\\U0010ffff"),
        ("\ue000", "\\ue000"),
    ],
)
def test_nothing_but_visible_characters_remains(text: str, shown: str) -> None:
    assert printable(text) == shown
    printable(text).encode("utf-8")


def test_every_code_point_becomes_printable() -> None:
    for start in range(0, 0x110000, 0x1000):
        assert printable("".join(map(chr, range(start, start + 0x1000)))).isprintable()


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abcdef", 0, ""),
        ("ab", 1, "…"),
        ("a\x1bb", 4, "a…"),
        ("a\x1b", 5, "a\\x1b"),
        ("a\x1bb", 5, "a…"),
        ("a\x1bb", 6, "a\\x1bb"),
        ("\x1b\x1b", 7, "\\x1b…"),
        ("x" * 10**7, 3, "xx…"),
    ],
)
def test_limit_counts_what_is_shown_and_never_cuts_an_escape(text: str, limit: int, shown: str) -> None:
    assert printable(text, limit) == shown


def test_widths() -> None:
    assert display_width("abc") == 3
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1
    assert pad("日", 4) == "日  "
    assert shorten("日本語", 5) == "日本…"
    assert shorten("日本語", 4) == "日…"
    assert shorten("/a/long/path.py", 8, keep="end") == "…path.py"
    assert shorten("abc", 0) == ""
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("a-word-longer-than-that x", 5) == ["a-word-longer-than-that", "x"]


def test_marks_and_text_fit_an_ascii_terminal() -> None:
    style = Style(False, unicode=False)
    shown = style.output(f"{style.mark('done')} a ×2 日…")
    assert shown == "+ a x2 \\u65e5~"
    assert Style(False, unicode=True).output("✓ ×") == "✓ ×"


@pytest.mark.parametrize(
    ("environ", "unicode"),
    [
        ({}, True),
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "en_US.utf8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_CTYPE": "de_DE.ISO-8859-1"}, False),
    ],
)
def test_the_locale_tells_whether_marks_can_be_shown(environ: "dict[str, str]", unicode: bool) -> None:
    assert unicode_terminal(environ) is unicode


def test_a_style_that_is_off_adds_nothing() -> None:
    style = Style(False, unicode=True)
    assert style.heading("x") == style.function("x") == style.error("x") == "x"
    assert style.source(["int x;"], "c") == ["int x;"]
