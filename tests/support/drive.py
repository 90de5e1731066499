"""A gdb session typed command by command: what each command said, and where the program stood then."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Union

from .gdbrun import ROOT, run_gdb

DRIVER = ROOT / "tests" / "live" / "programs" / "drive.py"
_HEAD = re.compile(r"^step (\d+) of (\d+) · ([a-z-]+)(.*)$|^(?:finalization|step out of its place) · ([a-z-]+)(.*)$", re.M)


@dataclass
class Typed:
    """One command with what it said (``error`` in place of gdb's error message), and the place afterwards."""

    command: str
    output: str
    error: Optional[str]
    pid: int
    pc: Optional[int]
    sp: Optional[int]
    frames: List[Optional[str]] = field(default_factory=list)

    @property
    def step(self) -> Optional[str]:
        """The function that the stop block is about, None when the command printed no block."""
        head = _HEAD.search(self.output)
        if head is None:
            return None
        return self.output[head.end() :].split()[0]

    @property
    def k(self) -> Optional[int]:
        """The k of "step k of n", None where there is none."""
        head = _HEAD.search(self.output)
        return int(head.group(1)) if head is not None and head.group(1) else None

    @property
    def n(self) -> Optional[int]:
        """The n of "step k of n", None where there is none."""
        head = _HEAD.search(self.output)
        return int(head.group(2)) if head is not None and head.group(2) else None

    @property
    def phase(self) -> Optional[str]:
        """The phase in the stop block, None when the command printed no block."""
        head = _HEAD.search(self.output)
        return (head.group(3) or head.group(5)) if head is not None else None

    @property
    def head(self) -> str:
        """The first line of the stop block, "" when the command printed none."""
        head = _HEAD.search(self.output)
        return head.group(0) if head is not None else ""

    @property
    def ended(self) -> bool:
        """Whether the block says that the step has returned."""
        return "has returned" in self.output

    @property
    def blocks(self) -> int:
        """How many stop blocks were printed."""
        return len(_HEAD.findall(self.output))

    @property
    def changed(self) -> List[str]:
        """What the block says has changed, one text each."""
        lines = self.output.splitlines()
        found: List[str] = []
        for line in lines:
            if line.startswith("  changed  "):
                found.append(line[11:].strip())
            elif found and line.startswith(" " * 11):
                found.append(line.strip())
            elif found:
                break
        return found


@dataclass
class Session:
    """All commands of a session in order, and what gdb and the program wrote outside of them."""

    typed: List[Typed]
    output: str

    def __getitem__(self, index: int) -> Typed:
        return self.typed[index]

    def of(self, command: str) -> List[Typed]:
        """Return what was typed that begins with ``command``."""
        return [typed for typed in self.typed if typed.command.startswith(command)]


def drive(
    program: Union[str, Path, None],
    args: Sequence[Union[str, Path]],
    commands: Sequence[str],
    before: Sequence[str] = (),
    timeout: float = 90,
    env: Optional[Mapping[str, str]] = None,
    width: int = 200,
    input: bytes = b"",
) -> Session:
    """Type ``commands`` in a gdb with fingdb on a program; gdb's own words ``before`` run first.

    Raises GdbTimeout. No traceback of Python may be in what was said: an AssertionError otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="fingdb-drive-") as directory:
        wanted, out = Path(directory) / "commands.json", Path(directory) / "out.json"
        wanted.write_text(json.dumps(list(commands)), encoding="utf-8")
        values = {"FINGDB_TEST_COMMANDS": str(wanted), "FINGDB_TEST_OUT": str(out), "FINGDB_DEBUG": "1", **(env or {})}
        first = [f"set width {width}", "set confirm off", "unset env FINGDB_TEST_COMMANDS", "unset env FINGDB_TEST_OUT"]
        result = run_gdb(
            program, args, [*first, *before, f"source {DRIVER}"], timeout=timeout, env=values, input=input
        )
        assert out.exists(), result.output
        typed = [Typed(**record) for record in json.loads(out.read_text(encoding="utf-8"))]
    said = result.output + "".join(t.output + (t.error or "") for t in typed)
    for bad in ("Traceback (most recent call last)", "Python Exception", "fingdb failed"):
        assert bad not in said, said
    assert len(typed) == len(commands), said
    return Session(typed, result.output)
