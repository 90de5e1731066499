"""Private temporary directories that go away whatever ends us."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from types import FrameType
from typing import Iterator, Optional

from .errors import CliError


@contextmanager
def temporary_directory(room: int = 0) -> Iterator[str]:
    """Yield a directory that only this user can read; it is removed at the end.

    ``room`` is how many bytes will be put there: of $TMPDIR, /var/tmp and /tmp the first that has as much is
    taken. Raises CliError when there is none at all.
    """
    try:
        directory = tempfile.mkdtemp(prefix="fingdb-", dir=_parent(room))
    except OSError as error:
        raise CliError(f"cannot make a temporary directory ({error.filename}: {error.strerror})") from None
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _parent(room: int) -> Optional[str]:
    asked = os.environ.get("TMPDIR")
    if asked or not room:
        return None  # tempfile finds it
    for parent in ("/tmp", "/var/tmp"):
        try:
            status = os.statvfs(parent)
        except OSError:
            continue
        if status.f_bavail * status.f_frsize > 2 * room and os.access(parent, os.W_OK):
            return parent
    return None


class Terminated(BaseException):
    """A signal asked us to end; ``number`` is which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def tidy_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as an exception does, so that nothing is left behind.

    Exits with 128 + the signal's number. To be used in the main thread.
    """

    def terminated(number: int, _frame: Optional[FrameType]) -> None:
        for asked in caught:
            signal.signal(asked, signal.SIG_IGN)  # once is enough
        raise Terminated(number)

    wanted = (signal.SIGTERM, signal.SIGHUP)
    caught = [number for number in wanted if signal.getsignal(number) == signal.SIG_DFL]
    for number in caught:
        signal.signal(number, terminated)
    try:
        yield
    except Terminated as end:
        raise SystemExit(128 + end.number) from None
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)
