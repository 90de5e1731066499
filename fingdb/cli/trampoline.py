"""Turns gdb's child into the program as it would be without gdb. Run as a file, never imported.

gdb starts the program through a shell, with its own standard streams, in a process group of its
own and with LINES and COLUMNS in the environment. This script is gdb's ``exec-wrapper``: it puts all
that back to what the launcher found when the user started it, then executes the program.
Only built-in modules are used, because each import is time before the program starts.
"""

import _signal  # type: ignore[import-not-found]  # the built-in part of signal
import marshal
import posix
import sys


def restore_and_execute(directory: str) -> None:
    """Execute the program that ``spec`` in ``directory`` describes; say in ``failed`` why it cannot be."""
    with open(directory + "/spec", "rb") as file:
        spec = marshal.load(file)
    for number, saved in spec["streams"]:
        if saved is None:
            posix.close(number)
        else:
            posix.dup2(saved, number)
    for descriptor in spec["close"]:
        posix.close(descriptor)
    try:
        posix.setpgid(0, spec["process_group"])  # the job's, to which the terminal and Control-C belong
    except OSError:
        pass  # the group is gone, nobody is left to press Control-C
    for number, ignored in spec["signals"]:
        _signal.signal(number, _signal.SIG_IGN if ignored else _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, spec["mask"])
    note(directory + "/pid", str(posix.getpid()))
    try:
        execute(spec["path"], spec["argv"], spec["environment"])
    except OSError as error:
        note(directory + "/failed", error.strerror or "unknown error")
    posix._exit(127)


def note(path: str, text: str) -> None:
    """Leave a word for the launcher in a file that appears complete or not at all."""
    descriptor = posix.open(path + ".new", posix.O_WRONLY | posix.O_CREAT, 0o600)
    posix.write(descriptor, text.encode())
    posix.close(descriptor)
    posix.rename(path + ".new", path)


class Pairs:
    """An environment as ``execve`` takes it, in its own order and with whatever is in it twice."""

    def __init__(self, entries: "list[bytes]") -> None:
        split = [entry.index(b"=", 1) for entry in entries]
        self.names = [entry[:at] for entry, at in zip(entries, split)]
        self.contents = [entry[at + 1 :] for entry, at in zip(entries, split)]

    def __getitem__(self, name: bytes) -> bytes:
        raise KeyError(name)  # its being there makes this a mapping; nobody asks

    def __len__(self) -> int:
        return len(self.names)

    def keys(self) -> "list[bytes]":
        """Return the names."""
        return self.names

    def values(self) -> "list[bytes]":
        """Return what they hold."""
        return self.contents


def execute(path: bytes, argv: "list[bytes]", entries: "list[bytes]") -> None:
    """Call ``execve``. Raises OSError."""
    if all(b"=" in entry[1:] for entry in entries):
        posix.execve(path, argv, Pairs(entries))  # type: ignore[arg-type]  # all of a mapping that is asked for
    # Entries that are no "name=value" are legal for the kernel, and Python's execve refuses them.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.execve(
        path,
        (ctypes.c_char_p * (len(argv) + 1))(*argv, None),
        (ctypes.c_char_p * (len(entries) + 1))(*entries, None),
    )
    raise OSError(ctypes.get_errno(), posix.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    restore_and_execute(sys.argv[1])
