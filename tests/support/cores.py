"""Real core files of real programs, each made once per test run, and programs that hang while a test looks."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence

import pytest

from .interpreters import Interpreter
from .shared import locked

PATTERN = Path("/proc/sys/kernel/core_pattern")
#: Variables that would change a program's behaviour.
_NOT_FOR_PROGRAMS = ("PYTHON", "FINGDB_", "MALLOC_", "LD_PRELOAD")
#: Seconds that a program gets to crash, or to say that it is ready.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Core:
    """A core file. ``made_by`` is ``kernel`` or ``gcore``; ``output`` is what the program had printed."""

    path: str
    pid: int
    made_by: str
    signal: Optional[str]
    output: str

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return os.path.getsize(self.path)


class NoCore(AssertionError):
    """The program ended, or did something else, without leaving a core; the text says what it did."""


def why_no_kernel_dump() -> Optional[str]:
    """Return why the kernel leaves no core file in the working directory here, None if it does."""
    pattern = PATTERN.read_text(encoding="utf-8", errors="replace").strip() if PATTERN.exists() else ""
    if pattern.startswith("|"):
        return f"the kernel pipes cores to a program ({pattern})"
    if "/" in pattern or not pattern:
        return f"the kernel puts cores elsewhere ({pattern})"
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return "the hard limit of `ulimit -c` is 0"
    return None


def need_kernel_dump() -> None:
    """Skip the test visibly where the kernel leaves no core file."""
    problem = why_no_kernel_dump()
    if problem:
        pytest.skip(problem)


def crash_core(
    python: Interpreter, name: str, words: Sequence[str], environment: Optional[Mapping[str, str]] = None
) -> Core:
    """Return the core of a program that crashes; the kernel dumps it, or gdb where the kernel does not.

    ``name`` says what the program is, ``words`` start it, ``environment`` is added to ours. Raises NoCore when
    the program does not crash.
    """
    return _made_once(python, name, words, environment, _crash)


def hang_core(
    python: Interpreter,
    name: str,
    words: Sequence[str],
    environment: Optional[Mapping[str, str]] = None,
    settle: float = 1.0,
) -> Core:
    """Return a core of a program that runs on, taken by gdb ``settle`` seconds after it printed "ready".

    Raises NoCore when the program ends.
    """

    def hang(directory: Path, words: Sequence[str], full: Dict[str, str]) -> Core:
        with running(words, full, directory, settle) as process:
            return _gcore(process.pid, directory)

    return _made_once(python, name, words, environment, hang)


def program_environment(more: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """Return our environment without what would change the behaviour of a program, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_PROGRAMS)}
    kept.update(more or {})
    return kept


@contextmanager
def running(
    words: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    settle: float = 1.0,
    ready: bytes = b"ready",
) -> "Iterator[subprocess.Popen[bytes]]":
    """Start a program and yield it ``settle`` seconds after it printed the line ``ready``.

    Its output goes to the file ``output`` in ``directory``. At the end it is killed with all its children.
    Raises NoCore when it ends before.
    """
    output = directory / "output"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=str(directory),
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while ready not in output.read_bytes().split(b"\n"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoCore(_what_it_did(words, process.poll(), output))
            time.sleep(0.02)
        time.sleep(settle)
        if process.poll() is not None:
            raise NoCore(_what_it_did(words, process.returncode, output))
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def write_sparse(path: Path, data: bytes) -> None:
    """Write a file with holes where there are only zeros: gdb, unlike the kernel, dumps pages that were never used."""
    step = 1 << 16
    with open(path, "wb") as file:
        for at in range(0, len(data), step):
            part = data[at : at + step]
            if part.count(0) == len(part):
                file.seek(len(part), os.SEEK_CUR)
            else:
                file.write(part)
        file.truncate(len(data))


# -- making them ----------------------------------------------------------------------------------
_Maker = Callable[[Path, Sequence[str], Dict[str, str]], Core]


def _made_once(
    python: Interpreter,
    name: str,
    words: Sequence[str],
    environment: Optional[Mapping[str, str]],
    make: _Maker,
) -> Core:
    key = hashlib.sha256(repr((list(words), sorted((environment or {}).items()))).encode())
    for word in words[1:]:
        if os.path.isfile(word):
            key.update(Path(word).read_bytes())
    with locked(f"core-{name}-{python.label}-{key.hexdigest()[:12]}") as directory:
        told = directory / "told.json"
        if not told.exists():
            try:
                said: Dict[str, object] = asdict(make(directory, words, program_environment(environment)))
            except NoCore as problem:
                said = {"problem": str(problem)}
            told.write_text(json.dumps(said))
        found = json.loads(told.read_text())
    if "problem" in found:
        raise NoCore(found["problem"])
    return Core(**found)


def _crash(directory: Path, words: Sequence[str], environment: Dict[str, str]) -> Core:
    if why_no_kernel_dump():
        return _crash_under_gdb(directory, words, environment)
    before = set(os.listdir(directory))
    output = directory / "output"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=str(directory),
            start_new_session=True,
            preexec_fn=_allow_cores,
        )
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    found = [directory / name for name in os.listdir(directory) if name not in before and name != "output"]
    cores = [path for path in found if path.is_file() and path.open("rb").read(4) == b"\x7fELF"]
    if not cores or process.returncode >= 0:
        raise NoCore(_what_it_did(words, process.returncode, output))
    path = max(cores, key=lambda path: path.stat().st_mtime)
    return Core(str(path), process.pid, "kernel", signal.Signals(-process.returncode).name, _text(output))


def _allow_cores() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def _crash_under_gdb(directory: Path, words: Sequence[str], environment: Dict[str, str]) -> Core:
    output, core = directory / "output", directory / "core"
    script = "python print('stopped', gdb.selected_inferior().pid, gdb.parse_and_eval('$_siginfo.si_signo'))"
    run = f"run {shlex.join(words[1:])} >{shlex.quote(str(output))} 2>&1"
    commands = ["set disable-randomization off", run, f"generate-core-file {core}", script]
    done = _gdb([*(word for line in commands for word in ("-ex", line)), words[0]], directory, environment)
    if not core.exists():
        raise NoCore(_what_it_did(words, None, output))
    said = next(line.split() for line in done.splitlines() if line.startswith("stopped "))
    return Core(str(core), int(said[1]), "gcore", signal.Signals(int(said[2])).name, _text(output))


def _gcore(pid: int, directory: Path) -> Core:
    core = directory / "core"
    said = _gdb(["-p", str(pid), "-ex", f"generate-core-file {core}", "-ex", "detach"], directory, dict(os.environ))
    if not core.exists():
        raise NoCore(f"gdb left no core of process {pid}: {said}")
    write_sparse(core, core.read_bytes())
    return Core(str(core), pid, "gcore", None, _text(directory / "output"))


def _gdb(words: List[str], directory: Path, environment: Dict[str, str]) -> str:
    command = [os.environ.get("FINGDB_TEST_GDB", "gdb"), "-nx", "-q", "-batch", "-readnever"]
    command += ["-iex", "set debuginfod enabled off", "-iex", "set auto-load python-scripts off"]
    done = subprocess.run(
        [*command, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=str(directory),
        timeout=2 * _PATIENCE,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


def _what_it_did(words: Sequence[str], status: Optional[int], output: Path) -> str:
    how = "did not end" if status is None else f"ended with status {status}"
    return f"{' '.join(words)} {how}; it printed: {_text(output)[-2000:]}"


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
