"""Expressions of ours are C, whatever the user's language is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import gdb


@contextmanager
def c_language() -> Iterator[None]:
    """Let gdb read expressions as C for a while.

    By itself it reads them in the language of the selected frame, which is Rust or Fortran where such a program embeds
    Python, or in the one that the user has set.
    """
    before = gdb.parameter("language")
    gdb.execute("set language c", to_string=True)
    try:
        yield
    finally:
        gdb.execute(f"set language {before}", to_string=True)
