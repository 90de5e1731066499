"""What all tests share: the interpreters they run on, and a directory for what is built once."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest

from tests.support import shared
from tests.support.interpreters import Interpreter, available

_OURS = pytest.StashKey[str]()

#: What a run without --pythons and --everything tests on builds without a GIL.
WITHOUT_GIL = ("test_free_threaded.py", "test_plan.py", "test_summaries.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pythons",
        metavar="TEXT[,TEXT]",
        default="",
        help="run on interpreters whose label starts with one of these (3.8, 3.11.2-debian)",
    )
    parser.addoption(
        "--everything",
        action="store_true",
        help="run tests marked heavy, pair, wide or spread on every interpreter, not only the newest (wide: and the oldest and"
        " Debian's; pair: and one of these in turn; spread: and a third of all others, another third for each test)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    if config.getoption("--everything"):
        return
    by_age = sorted(chosen(config), key=lambda python: (not python.free_threaded, not python.debug, python.version))
    newest = by_age[-1].label  # of the release builds with a GIL, if there are any
    by_age.sort(key=lambda python: (python.version, python.free_threaded, python.debug))
    wide = {by_age[0].label, newest, *(python.label for python in by_age if python.label.endswith("-debian"))}
    in_turn: Dict[str, Dict[Tuple[object, ...], List[pytest.Item]]] = {"spread": {}, "pair": {}}
    for item in items:
        python = _parameters(item).get("python")
        if python is None:
            continue
        if python.free_threaded and not config.getoption("--pythons") and item.path.name not in WITHOUT_GIL:
            item.add_marker(pytest.mark.skip(reason=f"free-threaded: --pythons {python.label} or --everything runs it there"))
            continue
        for mark, groups in in_turn.items():
            if item.get_closest_marker(mark):
                others = tuple((name, repr(value)) for name, value in _parameters(item).items() if name != "python")
                groups.setdefault((item.path, getattr(item, "originalname", item.name), others), []).append(item)
        for mark, labels in (("heavy", {newest}), ("wide", wide)):
            if item.get_closest_marker(mark) and python.label not in labels:
                _skip(item, mark, labels)
    for mark, groups in in_turn.items():
        for turn, same in enumerate(groups.values()):
            first = sorted(wide - {newest})
            labels = shares(same, newest, turn) if mark == "spread" else {newest, *first[turn % max(1, len(first)) :][:1]}
            for item in same:
                if _parameters(item)["python"].label not in labels:
                    _skip(item, mark, labels)


def _parameters(item: pytest.Item) -> Dict[str, Any]:
    return getattr(getattr(item, "callspec", None), "params", {})


def _skip(item: pytest.Item, mark: str, labels: Set[str]) -> None:
    on = ", ".join(sorted(labels))
    item.add_marker(pytest.mark.skip(reason=f"{mark}: on {on} only; --everything runs it on all interpreters"))


def shares(items: List[pytest.Item], newest: str, turn: int) -> Set[str]:
    """Return the labels of the interpreters on which a test marked spread runs, of which ``items`` has one for each.

    The newest, a third of the others, whose turn it is, and those of which it expects what it does of none of these: the
    mark's ``expected`` tells, from the test's parameters (None: the test does nothing there, and another has its turn).
    """
    others = [item for item in items if _parameters(item)["python"].label != newest]
    share = max(1, len(others) // 3)
    start = turn * share % len(others) if others else 0
    labels = {newest}
    seen = [_expected(item) for item in items if item not in others]
    for item in (*others[start:], *others[:start]):
        expected = _expected(item)
        if expected is not None and (share > 0 or expected not in seen):
            share -= 1
            labels.add(_parameters(item)["python"].label)
            seen.append(expected)
    return labels


def _expected(item: pytest.Item) -> object:
    mark = item.get_closest_marker("spread")
    tell = mark.kwargs.get("expected") if mark is not None else None
    return tell(**_parameters(item)) if tell is not None else True


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it runs in the background with SIGINT ignored, nohup with SIGHUP: and so it would be in all
    # that we start.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    _leave_an_orphaned_group()
    # Before the workers start: they inherit the variable.
    if shared.VARIABLE not in os.environ:
        directory = tempfile.mkdtemp(prefix="fingdb-tests-")
        os.environ[shared.VARIABLE] = directory
        config.stash[_OURS] = directory
    if not chosen(config):
        raise pytest.UsageError("there is no CPython 3.8 or newer to test on (see FINGDB_TEST_PYTHONS)")


def _leave_an_orphaned_group() -> None:
    """Make a process group of our own where no shell with a terminal has made one for us.

    Programs of the tests stop themselves. The kernel hangs up (SIGHUP) a group that has such a process when another of the
    group ends whose parent, gdb, was its last tie to the session: unless our own parent is such a tie.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        if os.getpgrp() != os.getpid() and "PYTEST_XDIST_WORKER" not in os.environ:
            os.setpgid(0, 0)


def pytest_unconfigure(config: pytest.Config) -> None:
    directory = config.stash.get(_OURS, None)
    if directory:
        os.environ.pop(shared.VARIABLE, None)
        shutil.rmtree(directory, ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    names = [p.label + ("" if p.has_debug_info else " (no debug information)") for p in chosen(config)]
    return "interpreters: " + ", ".join(names)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "python" in metafunc.fixturenames:
        pythons = chosen(metafunc.config)
        metafunc.parametrize("python", pythons, ids=[python.label for python in pythons], scope="session")


def chosen(config: pytest.Config) -> List[Interpreter]:
    """Return the interpreters of this run.

    "3.13" means builds with a GIL; "3.13t", or a label from its beginning, those without. Of the latter a debug build is
    taken only when asked for, or for everything.
    """
    wanted = tuple(text for text in config.getoption("--pythons").split(",") if text)
    if not wanted:
        everything = bool(config.getoption("--everything"))
        return [p for p in available() if everything or not (p.free_threaded and p.debug)]
    return [python for python in available() if any(_is_meant(python, text) for text in wanted)]


def _is_meant(python: Interpreter, text: str) -> bool:
    if not python.free_threaded:
        return python.label.startswith(text)
    short = f"{python.version[0]}.{python.version[1]}t{'d' * python.debug}"
    return text == short or ("t" in text and python.label.startswith(text))


@pytest.fixture(scope="session")
def pythons(request: pytest.FixtureRequest) -> List[Interpreter]:
    """All interpreters of this run."""
    return chosen(request.config)


@pytest.fixture(scope="session")
def any_python(pythons: List[Interpreter]) -> Interpreter:
    """One interpreter, with debug information and a GIL if any has them: for tests that are about something else."""
    with_debug = [python for python in pythons if python.has_debug_info]
    usual = [python for python in with_debug if not python.free_threaded and not python.debug]
    return (usual or with_debug or pythons)[-1]


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests see neither the caller's settings for fingdb nor those for Python."""
    for name in list(os.environ):
        if name.startswith("PYTHON") or (name.startswith("FINGDB_") and not name.startswith("FINGDB_TEST_")):
            monkeypatch.delenv(name)
    yield
