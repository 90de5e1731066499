"""Registration of commands and settings with gdb. Kept light: `source fingdb/init.py` loads it."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence

import gdb

#: Its Python API has what is needed from here on.
OLDEST_GDB = 12


def refuse_old_gdb() -> bool:
    """Say so, and return true, in a gdb that is too old. A version that nobody can read is taken for a new one."""
    major = gdb.VERSION.split(".")[0]
    if not major.isdigit() or int(major) >= OLDEST_GDB:
        return False
    gdb.write(f"fingdb needs gdb {OLDEST_GDB} or newer; this is {gdb.VERSION}\n", gdb.STDERR)
    return True


def register_command(
    name: str,
    doc: str,
    run: Callable[[str], None],
    complete: Optional[Callable[[str, str], Sequence[str]]] = None,
    prefix: bool = False,
) -> None:
    """Make ``name`` (with blanks for subcommands) a gdb command.

    ``run`` gets the words after the name. A DebuggerError becomes gdb's one-line error, and
    Control-C gdb's own "Quit".
    """

    class Command(gdb.Command):
        __doc__ = doc

        def invoke(self, argument: str, from_tty: bool) -> None:
            from ..interface import DebuggerError

            try:
                run(argument)
            except DebuggerError as error:
                raise gdb.GdbError(str(error)) from None

        def complete(self, text: str, word: str) -> List[str]:
            return list(complete(text, word)) if complete is not None else []

    # The class attribute must be set by hand: a docstring cannot be a variable.
    Command.__doc__ = doc
    Command(name, gdb.COMMAND_RUNNING, gdb.COMPLETE_NONE, True) if prefix else Command(name, gdb.COMMAND_RUNNING)


def register_setting(name: str, doc: str, kind: str, default: Any, choices: Sequence[str] = ()) -> Callable[[], Any]:
    """Make ``set/show name`` a setting; return a function that tells its value.

    ``kind`` is ``boolean``, ``enum`` (with ``choices``) or ``integer``. ``doc`` completes the
    phrases "Set …" and "Show …".
    """
    title, _, rest = doc.partition("\n")

    class Setting(gdb.Parameter):
        set_doc = "Set " + title
        show_doc = "Show " + title
        value: Any

        def get_set_string(self) -> str:
            return ""

        def get_show_string(self, svalue: str) -> str:
            return f"{title[:1].upper()}{title[1:].rstrip('.')}: {svalue}."

    Setting.__doc__ = rest.strip() or doc
    if kind == "enum":
        setting = Setting(name, gdb.COMMAND_RUNNING, gdb.PARAM_ENUM, list(choices))
    elif kind == "integer":
        setting = Setting(name, gdb.COMMAND_RUNNING, gdb.PARAM_ZINTEGER)
    else:
        setting = Setting(name, gdb.COMMAND_RUNNING, gdb.PARAM_BOOLEAN)
    setting.value = default
    return lambda: setting.value


def register_prefix(kind: str, name: str, doc: str) -> None:
    """Make ``set name`` or ``show name`` a prefix of settings (``kind`` is ``set`` or ``show``)."""

    class Prefix(gdb.Command):
        def invoke(self, argument: str, from_tty: bool) -> None:
            gdb.execute(f"help {kind} {name}")

    Prefix.__doc__ = doc
    Prefix(f"{kind} {name}", gdb.COMMAND_RUNNING, gdb.COMPLETE_NONE, True)
