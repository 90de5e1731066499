"""The user's terminal, as gdb sees it."""

from __future__ import annotations

import gdb

from ..interface import Interrupted


class Console:
    """Output through gdb's pager, and gdb's opinion on colours and width."""

    def write(self, text: str) -> None:
        """Write text through gdb's pager."""
        gdb.write(text)

    def styling(self) -> bool:
        """Tell whether ``set style enabled`` is on; gdb turns it off itself on a dumb terminal."""
        return bool(gdb.parameter("style enabled")) and self._terminal()

    @staticmethod
    def _terminal() -> bool:
        import os

        # Inside gdb sys.stdout is gdb's own stream object; the descriptor tells the truth. A batch
        # run or a captured output must not get escape sequences.
        return os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ

    def width(self) -> int:
        """Return gdb's ``width`` setting in columns, 0 for unlimited."""
        return int(gdb.parameter("width") or 0)

    def check_interrupt(self) -> None:
        """Raise Interrupted if Control-C was pressed.

        gdb raises KeyboardInterrupt in Python code by itself; a read of a parameter gives it
        the occasion.
        """
        try:
            gdb.parameter("width")
        except KeyboardInterrupt:
            raise Interrupted() from None
