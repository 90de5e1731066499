"""The rooms of the house: each file imports only from rooms below its own, and only one room knows gdb."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import pytest

from tests.support.gdbrun import ROOT

PACKAGE = ROOT / "fingdb"

#: From top to bottom. Rooms of one line do not see each other.
FLOORS: Tuple[Tuple[str, ...], ...] = (
    ("init", "__main__"),
    ("commands", "cli"),
    ("report",),
    ("findings",),
    ("finalization",),
    ("cpython",),
    ("layout",),
    ("memory",),
    ("debugger",),
    ("elf",),
    ("model",),
    ("__init__",),
)
LEVEL: Dict[str, int] = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first[:-3] if first.endswith(".py") else first


def imports(path: Path) -> Iterator[Tuple[int, str]]:
    """Yield (line, dotted name) of every import in a file, those inside functions included, made absolute."""
    package = ["fingdb", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                yield node.lineno, ".".join([*module, alias.name])


def imported_room(name: str) -> Optional[str]:
    """Return the room that an imported name belongs to, None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "fingdb":
        return None
    # `from fingdb import __version__` is the package itself.
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL else "__init__"


def test_every_file_is_in_a_known_room() -> None:
    assert {room_of(path) for path in FILES} <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_rooms_below(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        # The front door shows what scripts use; it names types for type checkers only (see the last tests).
        return
    own = room_of(path)
    wrong: List[str] = []
    for line, name in imports(path):
        room = imported_room(name)
        if room is not None and room != own and LEVEL[room] <= LEVEL[own]:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {own} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_debugger_room_imports_a_debugger(path: Path) -> None:
    found = {name.split(".")[0] for _line, name in imports(path)} & {"gdb", "lldb"}
    if found:
        assert path.is_relative_to(PACKAGE / "debugger" / "gdb_backend"), f"{path} imports {found}"


def test_the_interface_of_debuggers_does_not_import_a_back_end() -> None:
    names = [name for _line, name in imports(PACKAGE / "debugger" / "interface.py")]
    assert not [name for name in names if "backend" in name]


def test_model_and_elf_import_nothing_of_ours() -> None:
    for path in FILES:
        if room_of(path) in ("model", "elf"):
            rooms = {imported_room(name) for _line, name in imports(path)}
            assert rooms <= {None, room_of(path)}, path


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import fingdb; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fingdb']"


def test_the_program_starts_without_what_it_does_not_need() -> None:
    """Before gdb starts the user waits: nothing heavy is imported on the way there."""
    code = (
        "import sys, fingdb.cli.command_run, fingdb.cli.tracing, fingdb.cli.session, fingdb.cli.light;"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    heavy = {"subprocess", "tempfile", "shutil", "inspect", "pygments", "tabulate", "numpy", "difflib"}
    assert not heavy & set(done.stdout.split())
