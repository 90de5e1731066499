"""Values of the `set pyfin …` settings."""

from __future__ import annotations

from typing import Any, Callable, Dict

#: Filled at registration: name -> function that returns the current value.
VALUES: Dict[str, Callable[[], Any]] = {}


def value(name: str, default: Any = None) -> Any:
    """Return the value of a setting, ``default`` when there is no such setting."""
    getter = VALUES.get(name)
    return default if getter is None else getter()
