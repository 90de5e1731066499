"""The `pyfin` commands: one small file each, loaded when the command is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, List, Sequence

from .registry import COMMANDS, PREFIX_DOC, SETTINGS, Entry

if TYPE_CHECKING:
    from .base import Command


def register() -> None:
    """Register all commands and settings with the debugger that runs this Python.

    A debugger that is too old is told so, and gets none. Raises ImportError outside a debugger.
    """
    from ..debugger.gdb_backend.command import refuse_old_gdb, register_command, register_prefix, register_setting
    from . import settings

    if refuse_old_gdb():
        return

    register_command("pyfin", PREFIX_DOC, _no_subcommand, prefix=True)
    for entry in COMMANDS:
        register_command(f"pyfin {entry.name}", entry.doc, _runner(entry), _completer(entry))
    register_prefix("set", "pyfin", "Settings of fingdb.")
    register_prefix("show", "pyfin", "Settings of fingdb.")
    for setting in SETTINGS:
        value = settings.value(setting.name)  # the user's own where this is sourced again
        getter = register_setting(f"pyfin {setting.name}", setting.doc, setting.kind, value, setting.choices)
        settings.VALUES[setting.name] = getter


def load(entry: Entry) -> "Command":
    """Return the command's object, importing its module at first use."""
    from importlib import import_module

    from .base import Command, current_session

    module = import_module(f"{__name__}.{entry.module}")
    command = module.COMMAND
    assert isinstance(command, Command)
    command.session = current_session()
    return command


def _runner(entry: Entry) -> Callable[[str], None]:
    def run(words: str) -> None:
        from .base import guarded

        guarded(lambda: load(entry).run(words))

    return run


def _completer(entry: Entry) -> Callable[[str, str], Sequence[str]]:
    def complete(text: str, word: str) -> Sequence[str]:
        try:
            return load(entry).complete(text, word)
        except Exception:  # noqa: BLE001 - a completion that fails must not disturb the line being typed
            return []

    return complete


def _no_subcommand(words: str) -> None:
    from ..debugger.interface import DebuggerError
    from .base import nearest

    names: List[str] = [entry.name for entry in COMMANDS]
    if words.strip():
        name = words.split()[0]
        raise DebuggerError(f'"{name}" is not a pyfin command{nearest(name, names)}; "help pyfin" lists them')
    raise DebuggerError('"pyfin" must be followed by a command: ' + ", ".join(n for n in names if n != "batch"))
