"""The words on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

import pytest

from fingdb.cli import main
from fingdb.cli.arguments import split_program
from fingdb.cli.dispatch import COMMANDS
from fingdb.cli.surroundings import with_underscore
from fingdb.cli.tracing import _signal_number


@pytest.mark.parametrize(
    "words, own, program",
    [
        (["--", "p", "--", "-x"], [], ["p", "--", "-x"]),
        (["--json", "-o", "f", "p", "--json"], ["--json", "-o", "f"], ["p", "--json"]),
        (["--output=f", "--", "p"], ["--output=f"], ["p"]),
        (["-o", "--", "p"], ["-o", "--"], ["p"]),
        (["--json"], ["--json"], []),
        (["-"], [], ["-"]),
        (["--"], [], []),
        ([], [], []),
    ],
)
def test_where_the_program_begins(words: List[str], own: List[str], program: List[str]) -> None:
    assert split_program(words, ("-o", "--output")) == (own, program)


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> Tuple[int, str, str]:
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    "words, sentence",
    [
        ([], "say what to do"),
        (["rum"], "there is no command 'rum'; did you mean `fingdb run`?"),
        (["xyzzy"], "`fingdb --help` lists the commands"),
        (["--json"], "there is no option '--json' before the command"),
        (["run"], "say which program"),
        (["run", "--"], "say which program"),
        (["run", "--", ""], "the program's name is empty"),
        (["run", "--jason", "--", "p"], "run: unrecognized arguments: --jason"),
        (["run", "--out", "x", "--", "p"], "unrecognized arguments"),
        (["run", "--output"], "expected one argument"),
        (["run", "--output", "", "--", "/bin/true"], "--output needs the name of a file"),
        (["run", "--output", "/no/where/x", "--", "/bin/true"], "cannot write /no/where/x: No such file"),
        (["run", "--output", "/", "--", "/bin/true"], "cannot write /: Is a directory"),
        (["run", "--timeout", "0", "--", "p"], "'0' is not a positive number of seconds"),
        (["run", "--timeout", "nan", "--", "p"], "'nan' is not a positive number of seconds"),
        (["run", "--timeout", "x", "--", "p"], "'x' is not a positive number of seconds"),
        (["run", "--gdb", "/no/gdb", "--", "/bin/true"], "--gdb names '/no/gdb', which is not a program"),
        (["run", "--", "/no/program"], "there is no file /no/program"),
        (["gdb"], "say which program"),
        (["gdb", "--", "/no/program"], "there is no file /no/program"),
        (["plan", "a", "b"], "plan: unrecognized arguments: b"),
        (["plan", "/no/python"], "there is no file /no/python"),
        (["demo", "/bin/true"], "/bin/true is not a CPython from 3.8 on"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], words: List[str], sentence: str
) -> None:
    status, out, err = outcome(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("fingdb: ") and err.count("\n") == 1
    assert sentence in err


def test_without_gdb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _out, err = outcome(capsys, "run", "--", "/bin/true")
    assert status == 2
    assert err == "fingdb: there is no gdb on PATH: install it (Debian: apt-get install gdb) or set FINGDB_GDB\n"
    monkeypatch.setenv("FINGDB_GDB", str(tmp_path / "gdb"))
    assert "FINGDB_GDB names" in outcome(capsys, "run", "--", "/bin/true")[2]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("-h", "--help", "help"):
        status, out, err = outcome(capsys, word)
        assert (status, err) == (0, "")
        assert all(f"  {name} " in out for name in COMMANDS)
        assert "exit status:" in out
    status, out, _err = outcome(capsys, "--version")
    assert status == 0 and out.startswith("fingdb ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: fingdb {command} ")


def test_a_failure_of_ours_is_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from fingdb.cli import command_run

    def broken(_arguments: List[str]) -> int:
        raise RuntimeError("oh")

    monkeypatch.setattr(command_run, "run", broken)
    status, _out, err = outcome(capsys, "run")
    assert status == 2
    assert err == "fingdb: fingdb failed: RuntimeError: oh (set FINGDB_DEBUG=1 for the traceback)\n"
    monkeypatch.setenv("FINGDB_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["run"])


def test_the_shells_underscore_becomes_the_programs() -> None:
    ours = ["/x/fingdb", None]
    assert with_underscore([b"A=1", b"_=/x/fingdb"], ours, b"/bin/p") == [b"A=1", b"_=/bin/p"]
    assert with_underscore([b"_=/usr/bin/make"], ours, b"/bin/p") == [b"_=/usr/bin/make"]


@pytest.mark.parametrize(
    "name, number",
    [("SIGSEGV", 11), ("SIG40", 40), ("signal 40", 40), (None, None), ("SIG", None), ("SIGNOTHING", None), ("x", None)],
)
def test_signal_names(name: "str | None", number: "int | None") -> None:
    assert _signal_number(name) == number


def test_the_cache_is_the_same_for_all_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    from fingdb.cli.light import cache_home
    from fingdb.layout.cache import cache_directory

    for value in ("/tmp/x", "", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_home() == (cache_directory() or "")
