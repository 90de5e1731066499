"""Reading the words after a subcommand."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Collection, List, NoReturn, Optional, Tuple

from .errors import CliError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class Parser(argparse.ArgumentParser):
    """argparse that complains in one sentence and accepts no abbreviated options."""

    def __init__(self, command: str, usage: str, description: str) -> None:
        super().__init__(
            prog=f"fingdb {command}",
            usage=f"fingdb {command} {usage}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def print_help(self, file: "Optional[SupportsWrite[str]]" = None) -> None:
        """Print the help; argparse itself takes it for no failure, from 3.13 on, when that cannot be written."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Raise CliError with argparse's message."""
        raise CliError(f"{self.prog.split(' ', 1)[1]}: {message} (`{self.prog} --help` tells the options)")


def split_program(words: List[str], options_with_value: Collection[str]) -> Tuple[List[str], List[str]]:
    """Return (our own words, the program with its arguments).

    The program starts after the first ``--``, or at the first word that is neither an option nor an
    option's value. Nothing of the program's own words is interpreted.
    """
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return words[:index], words[index + 1 :]
        if not word.startswith("-") or word == "-":
            break
        index += 2 if word in options_with_value else 1
    return words[:index], words[index:]


def need_program(program: List[str], command: str) -> None:
    """Raise CliError when there is no program to run."""
    if not program:
        raise CliError(f"say which program, for example `fingdb {command} -- python3 app.py`")
    if not program[0]:
        raise CliError("the program's name is empty")


def add_gdb_option(parser: Parser) -> None:
    """Add ``--gdb PATH`` to a parser."""
    parser.add_argument("--gdb", metavar="PATH", help="the gdb to use (default: $FINGDB_GDB, or the first one on PATH)")


def seconds(text: str) -> float:
    """Return a positive number of seconds. Raises argparse.ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value
