"""The report as JSON (schema ``fingdb-report/1``), and back."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Union

from ..model.report import SCHEMA, GarbageCollector, Report
from .escape import printable
from .records import decode, dumps, encode


class ReportFormatError(ValueError):
    """A document is not a report; the text is one sentence."""


def to_dict(report: Report) -> Dict[str, Any]:
    """Return the report as plain data: the keys of the schema, and some more.

    Addresses are ``"0x…"`` strings, types come most frequent first, steps in the order in which
    they ran.
    """
    document: Dict[str, Any] = {"schema": SCHEMA}
    document.update(encode(report))
    for interpreter in document["interpreters"]:
        if interpreter["gc"] is not None:
            interpreter["gc"]["types"].sort(key=lambda entry: -entry["count"])
    return document


def to_json(report: Report) -> str:
    """Return the report as JSON text, ASCII only, without a newline at its end."""
    return dumps(to_dict(report))


def from_dict(document: Mapping[str, Any]) -> Report:
    """Return the report that a document of schema ``fingdb-report/1`` describes.

    What is missing or malformed inside becomes empty; raises ReportFormatError when the document
    as a whole is not such a report.
    """
    if not isinstance(document, Mapping):
        raise ReportFormatError("a fingdb report is a JSON object, and this is not one")
    schema = document.get("schema")
    if schema != SCHEMA:
        found = "none" if schema is None else printable(str(schema), 40)
        raise ReportFormatError(f"a fingdb report has the schema {SCHEMA}, and this document has {found}")
    report = decode(Report, dict(document))
    for interpreter in report.interpreters:
        if interpreter.gc is not None:
            _most_frequent_first(interpreter.gc)
    return report


def _most_frequent_first(gc: GarbageCollector) -> None:
    gc.types.sort(key=lambda entry: -entry.count)


def from_json(document: Union[str, bytes, Mapping[str, Any]]) -> Report:
    """Return the report of a JSON text or of a document already parsed. Raises ReportFormatError."""
    if not isinstance(document, (str, bytes)):
        return from_dict(document)
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ReportFormatError(f"this is not JSON: {printable(str(error), 200)}") from None
    return from_dict(parsed)
