"""Values of the `set pyfin …` settings."""

from __future__ import annotations

from typing import Any, Callable, Dict

from .registry import SETTINGS

#: Filled at registration: name -> function that returns the current value.
VALUES: Dict[str, Callable[[], Any]] = {}


def value(name: str) -> Any:
    """Return the value of a setting of the registry, its default where settings are not registered with a debugger."""
    getter = VALUES.get(name)
    return next(setting.default for setting in SETTINGS if setting.name == name) if getter is None else getter()
