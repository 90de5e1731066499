"""Findings as they come in: the same site again is the same finding, counted."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ..model.report import Finding

Site = Tuple[str, Optional[str], str, Optional[str], Optional[str], str]


class TouchLog:
    """Keeps findings in the order in which they first came."""

    def __init__(self) -> None:
        self._by_site: Dict[Site, Finding] = {}

    def add(self, finding: Finding) -> bool:
        """Add a finding, or count it to the one of the same site; tell whether it is new."""
        site = _site(finding)
        known = self._by_site.get(site)
        if known is not None:
            known.count += finding.count
            return False
        self._by_site[site] = finding
        return True

    def known(self, finding: Finding) -> Finding:
        """Return the finding to which one like this is counted."""
        return self._by_site.get(_site(finding), finding)

    def __len__(self) -> int:
        return len(self._by_site)

    def findings(self) -> List[Finding]:
        """Return the findings, errors first, then warnings, then notes; each group in order of arrival."""
        order = {"error": 0, "warning": 1, "note": 2}
        return sorted(self._by_site.values(), key=lambda finding: order.get(finding.severity, 3))


def _site(finding: Finding) -> Site:
    culprit = finding.culprit
    return (
        finding.kind, finding.subsystem, finding.function,
        culprit.function if culprit else None, culprit.library if culprit else None, finding.severity,
    )  # fmt: skip
