"""The palette: what has a colour, and which marks stand for the states of a step.

The colours are the terminal's own sixteen, so that they fit light and dark backgrounds alike, and
follow gdb's defaults where gdb has one (functions yellow, files green, addresses blue).
"""

from __future__ import annotations

import os
from typing import List, Mapping, Optional, Sequence

DONE = "✓"
RUNNING = "▶"
PENDING = "·"
UNKNOWN = "?"

#: The states of a step and the mark of each.
MARKS = {"done": DONE, "running": RUNNING, "pending": PENDING, "unknown": UNKNOWN}

_SGR = {
    "heading": "1",
    "phase": "1;36",
    "done": "32",
    "running": "1;33",
    "pending": "2",
    "unknown": "2",
    "error": "1;31",
    "warning": "1;33",
    "note": "36",
    "function": "33",
    "file": "32",
    "address": "34",
    "dim": "2",
    "strong": "1",
    "good": "32",
    "less": "36",
    "more": "35",
}

# Stand-ins of the same width for a terminal that cannot show our own symbols.
_ASCII = str.maketrans({
    DONE: "+", RUNNING: ">", PENDING: ".", "×": "x", "»": ">", "→": ">", "…": "~", "─": "-",
})


def unicode_terminal(environ: Optional[Mapping[str, str]] = None) -> bool:
    """Tell whether the locale's character set is UTF-8, going by the environment.

    A locale that is not set at all counts as UTF-8, as it does for Python itself (PEP 538).
    """
    variables = os.environ if environ is None else environ
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = variables.get(name, "")
        if value:
            return "utf-8" in value.lower() or "utf8" in value.lower()
    return True


class Style:
    """Colours and symbols for one output. Nothing is coloured when it is not enabled.

    ``unicode`` None asks the environment; False turns marks into ASCII ones of the same width.
    """

    def __init__(self, enabled: bool, unicode: Optional[bool] = None) -> None:
        self.enabled = enabled
        self.unicode = unicode_terminal() if unicode is None else unicode

    def paint(self, role: str, text: str) -> str:
        """Return ``text`` in the colour of ``role`` (a key of the palette), as it is if unknown."""
        if not self.enabled or not text or role not in _SGR:
            return text
        return f"\x1b[{_SGR[role]}m{text}\x1b[0m"

    def heading(self, text: str) -> str:
        """Return ``text`` as a heading."""
        return self.paint("heading", text)

    def phase(self, text: str) -> str:
        """Return ``text`` as the name of a phase."""
        return self.paint("phase", text)

    def function(self, text: str) -> str:
        """Return ``text`` as the name of a function."""
        return self.paint("function", text)

    def file(self, text: str) -> str:
        """Return ``text`` as a file name."""
        return self.paint("file", text)

    def address(self, text: str) -> str:
        """Return ``text`` as an address."""
        return self.paint("address", text)

    def error(self, text: str) -> str:
        """Return ``text`` as an error."""
        return self.paint("error", text)

    def dim(self, text: str) -> str:
        """Return ``text`` as something of less weight."""
        return self.paint("dim", text)

    def strong(self, text: str) -> str:
        """Return ``text`` as something of more weight."""
        return self.paint("strong", text)

    def mark(self, state: str) -> str:
        """Return the mark of a step's state (``done``, ``running``, ``pending``, else unknown)."""
        return self.paint(state if state in MARKS else "unknown", MARKS.get(state, UNKNOWN))

    def source(self, lines: Sequence[str], language: str) -> List[str]:
        """Return source lines coloured by pygments; ``language`` is ``c`` or ``python``.

        The same lines come back when styling is off, or where pygments is not to be had.
        """
        if not self.enabled or not lines:
            return list(lines)
        try:
            from pygments import highlight
            from pygments.formatters.terminal import TerminalFormatter
            from pygments.lexers import CLexer, PythonLexer
        except ImportError:
            return list(lines)
        lexer_class = PythonLexer if language == "python" else CLexer
        lexer = lexer_class(stripnl=False, ensurenl=False)
        coloured: List[str] = highlight("\n".join(lines), lexer, TerminalFormatter()).split("\n")
        # A lexer must give back each line; if one does not, plain text is better than wrong text.
        return coloured if len(coloured) == len(lines) else list(lines)

    def output(self, text: str) -> str:
        """Return the finished text as the terminal can show it: in ASCII only where it must."""
        if self.unicode:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
