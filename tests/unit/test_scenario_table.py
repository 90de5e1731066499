"""The table of scenarios has a row for each, and each has a README."""

from __future__ import annotations

import re
from pathlib import Path

from tests.live.check_scenarios import PROGRAMS

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"


def test_every_scenario_has_its_row_and_readme() -> None:
    rows = re.findall(r"^\| \[([\w-]+)\]\(\1/README\.md\) \|", (SCENARIOS / "README.md").read_text(), re.MULTILINE)
    directories = sorted(path.name for path in SCENARIOS.iterdir() if path.is_dir())
    assert rows == directories
    assert all((SCENARIOS / name / "README.md").is_file() for name in directories)


def test_what_check_is_tested_on_says_so() -> None:
    for program in PROGRAMS:
        row = next(r for r in (SCENARIOS / "README.md").read_text().splitlines() if r.startswith(f"| [{program.name}]"))
        assert "check" in row.rsplit("|", 2)[1]
