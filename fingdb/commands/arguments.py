"""Options of commands: argparse that speaks in sentences. Apart from the rest, for what needs none starts sooner."""

from __future__ import annotations

import argparse
from typing import NoReturn, Optional, Sequence

from ..debugger.interface import DebuggerError
from .base import HelpShown, current_session


class ArgumentParser(argparse.ArgumentParser):
    """argparse whose errors are sentences for the user and which never exits gdb."""

    def error(self, message: str) -> NoReturn:
        raise DebuggerError(f"{self.prog}: {message}")

    def exit(self, status: int = 0, message: Optional[str] = None) -> NoReturn:
        raise HelpShown()


def parser(name: str) -> ArgumentParser:
    """Return a parser for the command ``name``; its help is gdb's own help text."""
    from .registry import COMMANDS

    doc = next(entry.doc for entry in COMMANDS if entry.name == name)
    made = ArgumentParser(prog=f"pyfin {name}", add_help=False, allow_abbrev=False)
    made.add_argument("-h", "--help", action=_HelpAction, doc=doc)
    return made


class _HelpAction(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, doc: str) -> None:
        super().__init__(option_strings, dest, nargs=0)
        self._doc = doc

    def __call__(self, *_arguments: object) -> None:
        current_session().print(self._doc)
        raise HelpShown()
