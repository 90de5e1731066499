"""gdb's side of the debugger interface. Nothing outside this folder imports gdb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import GdbDebugger

__all__ = ["GdbDebugger"]


def __getattr__(name: str) -> Any:
    # Registering the commands needs one small file; the back end is loaded with the first command.
    if name == "GdbDebugger":
        from .backend import GdbDebugger

        return GdbDebugger
    raise AttributeError(name)
