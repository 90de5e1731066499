"""Renderers of the records: text for people, JSON for scripts. Knows no debugger.

The functions below are what scripts use; each imports its renderer when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Union

if TYPE_CHECKING:
    from ..model.report import Report

__all__ = ["from_json", "render", "to_dict", "to_json"]


def render(report: "Report", styling: bool = False, width: int = 0) -> str:
    """Return the report as text for people (see `text_report.render`)."""
    from .text_report import render as render_text

    return render_text(report, styling, width)


def to_dict(report: "Report") -> Dict[str, Any]:
    """Return the report as plain data of schema ``fingdb-report/1``."""
    from .json_report import to_dict as report_to_dict

    return report_to_dict(report)


def to_json(report: "Report") -> str:
    """Return the report as JSON text."""
    from .json_report import to_json as report_to_json

    return report_to_json(report)


def from_json(document: Union[str, bytes, Mapping[str, Any]]) -> "Report":
    """Return the report of a JSON text or parsed document. Raises ValueError with a sentence."""
    from .json_report import from_json as report_from_json

    return report_from_json(document)
