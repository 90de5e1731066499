"""Which word on the command line is which subcommand."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from typing import Dict, List, Tuple

from .errors import CliError

#: Subcommand -> (module that has ``run(arguments: List[str]) -> int``, what it does in one line).
COMMANDS: Dict[str, Tuple[str, str]] = {
    "check": ("command_check", "run a program and report what it touched after its end"),
    "run": ("command_run", "run a program and print every step of its shutdown"),
    "core": ("command_core", "say why a process crashed or hung, from the core file it left"),
    "attach": ("command_attach", "say why a running process does not end"),
    "heap": ("command_heap", "count the objects of a core or a running process by type"),
    "gdb": ("command_gdb", "open a gdb session on a program with the `pyfin` commands ready"),
    "plan": ("command_plan", "list the shutdown steps of a Python interpreter without running it"),
    "compare": ("command_compare", "put the steps of two interpreters, or of two recorded runs, side by side"),
    "demo": ("command_demo", "show fingdb at its job on a small program"),
    "doctor": ("command_doctor", "say what this machine has, lacks, and how to mend it"),
}

USAGE_STATUS = 2


def dispatch(arguments: List[str]) -> int:
    """Run the subcommand that the first word names and return the exit status of the process."""
    if sys.stdout is None:
        sys.stdout = _NoOutput()
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()  # while somebody can still be told that it was in vain
        return status
    except CliError as error:
        _complain(str(error))
        return USAGE_STATUS
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away: no traceback, and none from the flush at exit either.
        _close(1)
        return 141
    except OSError as error:
        if os.environ.get("FINGDB_DEBUG"):
            raise
        _close(1)
        _complain(f"cannot go on: {error.strerror or error}" + (f" ({error.filename})" if error.filename else ""))
        return USAGE_STATUS
    except MemoryError:
        _complain("there is not enough memory for it here (`ulimit -v` tells a limit)")
        return USAGE_STATUS
    except Exception as error:  # noqa: BLE001 - never a traceback for the user
        if os.environ.get("FINGDB_DEBUG"):
            raise
        _complain(f"fingdb failed: {type(error).__name__}: {error} (set FINGDB_DEBUG=1 for the traceback)")
        return USAGE_STATUS
    finally:
        if "FINGDB_ENVIRON" in os.environ:
            from .surroundings import discard_copy

            discard_copy()


def _dispatch(arguments: List[str]) -> int:
    if not arguments:
        raise CliError("say what to do, for example `fingdb run -- python3 app.py` (`fingdb --help` tells more)")
    word = arguments[0]
    if word in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return 0
    if word in ("-V", "--version"):
        from .. import __version__

        sys.stdout.write(f"fingdb {__version__}\n")
        return 0
    if word not in COMMANDS:
        raise CliError(_unknown(word))
    try:
        os.getcwd()
    except FileNotFoundError:
        raise CliError("the directory that you are in does not exist any more, and gdb needs one: go to another") from None
    module = import_module(f"{__package__}.{COMMANDS[word][0]}")
    try:
        status: int = module.run(arguments[1:])
    except SystemExit:  # argparse, when it has printed the help
        sys.stdout.flush()
        raise
    return status


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    if word.startswith("-"):
        return f"there is no option {word!r} before the command (`fingdb --help` lists what there is)"
    close = get_close_matches(word, COMMANDS, 1)
    hint = f"did you mean `fingdb {close[0]}`?" if close else "`fingdb --help` lists the commands"
    return f"there is no command {word!r}; {hint}"


def help_text() -> str:
    """Return the text of ``fingdb --help``."""
    lines = ["usage: fingdb COMMAND [OPTIONS] [-- PROGRAM ARGUMENTS]", ""]
    lines += ["See what CPython does while it shuts down.", "", "commands:"]
    lines += [f"  {name:<8} {what}" for name, (_module, what) in COMMANDS.items()]
    lines += [
        "",
        "`fingdb COMMAND --help` tells the options of a command; `fingdb --version` the version.",
        "",
        "exit status:",
        "  2        fingdb could not do the job; one sentence on standard error says why",
        "  1        there are findings of severity warning or error",
        "  0        otherwise",
        "  `fingdb run` passes on the status of the program itself, in place of 0 and 1; `fingdb compare` is like diff:",
        "  1 says that the order of the steps differs",
        "",
        "environment:",
        "  FINGDB_GDB     the gdb to use (default: the first `gdb` on PATH)",
        "  FINGDB_DEBUG   when set, failures of fingdb itself show a traceback",
    ]
    return "\n".join(lines) + "\n"


class _NoOutput(io.TextIOBase):
    """What stands in for a standard output that was closed when we were started."""

    def write(self, _text: str) -> int:
        raise OSError(errno.EBADF, "there is no standard output to write to")


def _close(descriptor: int) -> None:
    """Send what a stream still has to write nowhere: nobody can be told that it fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _complain(sentence: str) -> None:
    if not sentence.isprintable():
        from ..report.escape import printable

        sentence = printable(sentence)  # names of files and the words of others are in it
    try:
        sys.stderr.write(f"fingdb: {sentence}\n")
        sys.stderr.flush()
    except (ValueError, AttributeError):
        pass  # no standard error to say it on: the exit status has to do
    except OSError:
        _close(2)
