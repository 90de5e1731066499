"""A line on standard error that says how long gdb has been at work already."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import Callable, Iterator, Optional

from ..report.progress import Progress


def progress_on_stderr(label: str, total: Optional[int] = None) -> Progress:
    """Return a progress line on standard error, one that says nothing where that is no terminal that can clear it."""
    return Progress(_to_stderr, label, total, terminal=sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb")


@contextmanager
def waiting(label: str, prepare: Callable[[], None] = lambda: None) -> Iterator[Callable[[float], None]]:
    """Yield what `look.look` is to call while gdb works: ``prepare`` is called once, then the seconds are told."""
    with progress_on_stderr(f"{label}, seconds:") as progress:

        def meanwhile(seconds: float) -> None:
            if seconds:
                progress.update(int(seconds))
            else:
                prepare()

        yield meanwhile


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
