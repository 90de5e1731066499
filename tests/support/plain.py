"""Records as what JSON can hold, for the programs that tests run inside gdb."""

from __future__ import annotations

import dataclasses
from typing import Any


def plain(record: Any) -> Any:
    """Return a record, a dataclass or a NamedTuple, as a dict of its fields, with all that is in it made plain as well."""
    if dataclasses.is_dataclass(record):
        return {field.name: plain(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if hasattr(record, "_asdict"):
        return {name: plain(value) for name, value in record._asdict().items()}
    if isinstance(record, (list, tuple)):
        return [plain(part) for part in record]
    if isinstance(record, dict):
        return {key: plain(value) for key, value in record.items()}
    return record
