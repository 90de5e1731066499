"""A progress line for work that takes more than a second."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Callable, Optional, Type

_CLEAR = "\r\x1b[K"


class Progress:
    """A line that says how far some work is, and that leaves no trace of itself.

    Nothing is written during the first ``delay`` seconds, nor ever when ``terminal`` is False, and
    at most ten times a second. Use it as a context manager, so that the line is cleared whatever
    happens to the work.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        label: str,
        total: Optional[int] = None,
        terminal: bool = True,
        delay: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._label = label
        self._total = total
        self._terminal = terminal
        self._clock = clock
        self._next = clock() + delay
        self._shown = False

    def update(self, done: int) -> None:
        """Say that ``done`` units (of ``total``, where that is known) are finished."""
        if not self._terminal:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + 0.1
        if self._total and done <= self._total:  # more than were expected: nobody knows how many there are
            share = 100 * done // self._total
            text = f"{self._label} {share}% ({done} of {self._total})"
        else:
            text = f"{self._label} {done}"
        self._write(_CLEAR + text)
        self._shown = True

    def close(self) -> None:
        """Clear the line if one was written."""
        if self._shown:
            self._shown = False
            self._write(_CLEAR)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()
