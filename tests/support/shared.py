"""A directory that all test processes of one run share, and locks on what is made in it."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

#: Set by conftest before the workers start.
VARIABLE = "FINGDB_TEST_SHARED"


def shared_directory() -> Path:
    """Return the directory; it is removed when the run ends."""
    return Path(os.environ[VARIABLE])


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """Hold a lock of that name against all other test processes; yield a directory of that name."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    directory = shared_directory() / safe
    directory.mkdir(parents=True, exist_ok=True)
    with open(shared_directory() / f"{safe}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield directory
