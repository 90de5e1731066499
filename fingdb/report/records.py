"""Records of `fingdb.model` to plain data for JSON, and back.

Addresses are ``"0x…"`` strings: they need all 64 bits, which readers in other languages do not give
to a JSON number.
"""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from functools import lru_cache
from typing import Any, Dict, List, Optional, Type, TypeVar, Union, cast, get_args, get_origin, get_type_hints

#: Field names whose integers are addresses (`RuntimeState.finalizing` is one, the others are flags).
ADDRESSES = frozenset({"address", "pc", "sp", "gil_holder", "finalizing", "requester"})

Record = TypeVar("Record")


def encode(value: object, name: str = "") -> Any:
    """Return a record (or a list of them) as dictionaries, lists, strings and numbers."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return hex(value) if name in ADDRESSES else value
    if isinstance(value, float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name), f.name) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [encode(item) for item in value]
    return str(value)


def dumps(data: object) -> str:
    """Return plain data as JSON text in ASCII, safe to print whatever the target's strings hold."""
    return json.dumps(data, indent=1, ensure_ascii=True).replace("\x7f", "\\u007f")


def decode(record: Type[Record], data: object) -> Record:
    """Return a record made of what ``encode`` gave, or of what some other program wrote.

    Tolerant: unknown keys are ignored, and a key that is missing or of the wrong type gets the
    field's default (an empty value of its type where it has none).
    """
    source: Dict[str, object] = data if isinstance(data, dict) else {}
    hints = _hints(cast(type, record))
    values: Dict[str, object] = {}
    for item in dataclasses.fields(record):  # type: ignore[arg-type]
        converted = _convert(hints[item.name], source[item.name]) if item.name in source else _BAD
        if converted is not _BAD:
            values[item.name] = converted
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            values[item.name] = _empty(hints[item.name])
    return record(**values)


@lru_cache(maxsize=None)
def _hints(record: type) -> Dict[str, Any]:
    # Each evaluates its annotations anew: a third of a millisecond a record.
    return get_type_hints(record)


_BAD = object()


def _empty(hint: Any) -> object:
    origin = get_origin(hint)
    if origin is Union:
        return None
    if origin in (list, dict):
        return origin()
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, {})
    return hint() if hint in (str, int, bool, float) else None


def _convert(hint: Any, value: object) -> object:
    """Return ``value`` as ``hint`` wants it, `_BAD` where it cannot be that."""
    if hint is int:  # these first: nearly all are numbers and texts
        return _integer(value)
    if hint is str or hint is bool:
        return value if isinstance(value, hint) else _BAD
    origin = get_origin(hint)
    if origin is Union:
        if value is None:
            return None
        inner: Optional[Any] = next((a for a in get_args(hint) if a is not type(None)), None)
        return _convert(inner, value)
    if origin is list:
        if not isinstance(value, list):
            return _BAD
        items: List[object] = [_convert(get_args(hint)[0], item) for item in value]
        return [item for item in items if item is not _BAD]
    if origin is dict:
        return dict(value) if isinstance(value, dict) else _BAD
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, value) if isinstance(value, dict) else _BAD
    return value


def _integer(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return _BAD
    return _BAD
