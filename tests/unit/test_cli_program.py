"""Which executable a command line starts, and the sentences when it starts none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from fingdb.cli.errors import CliError
from fingdb.cli.program import Launch, refuse_privileged, resolve

REAL = os.path.realpath(sys.executable)


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "snake").symlink_to(REAL)
    return directory


@pytest.fixture
def environment(bin_directory: Path) -> Dict[bytes, bytes]:
    return {b"PATH": os.fsencode(bin_directory)}


def write(path: Path, text: "str | bytes", mode: int = 0o755) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def words(launch: Launch) -> List[str]:
    return [os.fsdecode(word) for word in launch.argv]


def test_a_name_is_searched_on_the_programs_path(bin_directory: Path, environment: Dict[bytes, bytes]) -> None:
    launch = resolve(["snake", "-c", "pass"], environment)
    assert os.fsdecode(launch.path) == str(bin_directory / "snake")
    assert words(launch) == ["snake", "-c", "pass"]
    # The link itself: what a virtual environment is made of must not be resolved away.
    assert launch.elf == str(bin_directory / "snake")


def test_an_empty_element_of_path_is_the_current_directory(
    bin_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bin_directory)
    assert resolve(["snake"], {b"PATH": b"/nowhere::/bin"}).path == b"./snake"


def test_a_directory_and_a_file_that_cannot_run_do_not_hide_the_program(tmp_path: Path, bin_directory: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "snake").mkdir(parents=True)
    second.mkdir()
    write(second / "snake", "x", 0o644)
    search = os.fsencode(f"{first}:{second}:{bin_directory}")
    assert os.fsdecode(resolve(["snake"], {b"PATH": search}).path) == str(bin_directory / "snake")


def test_a_script_is_left_to_the_kernel(tmp_path: Path, environment: Dict[bytes, bytes]) -> None:
    script = write(tmp_path / "script", f"#! {REAL}  -I -u \nprint(1)\n")
    launch = resolve([str(script), "a"], environment)
    assert os.fsdecode(launch.path) == str(script)
    assert words(launch) == [str(script), "a"]
    assert launch.elf == REAL
    assert [os.fsdecode(word) for word in launch.elf_argv] == [REAL, "-I -u", str(script), "a"]


@pytest.mark.parametrize("line", ["snake", "-S snake", "-Ssnake", "--split-string=snake"])
def test_env_is_followed(tmp_path: Path, bin_directory: Path, environment: Dict[bytes, bytes], line: str) -> None:
    script = write(tmp_path / "script", f"#!/usr/bin/env {line}\n")
    launch = resolve([str(script), "a b"], environment)
    assert os.fsdecode(launch.path) == str(bin_directory / "snake")
    assert words(launch) == ["snake", str(script), "a b"]


def test_env_splits_words_only_with_s(tmp_path: Path, environment: Dict[bytes, bytes]) -> None:
    script = write(tmp_path / "script", "#!/usr/bin/env -S snake -I  -u\n")
    assert words(resolve([str(script)], environment)) == ["snake", "-I", "-u", str(script)]
    script = write(tmp_path / "script", "#!/usr/bin/env snake -I\n")
    with pytest.raises(CliError, match="no program snake -I on PATH .asked for by the first line of .*script"):
        resolve([str(script)], environment)


@pytest.mark.parametrize("line", ["-S X=1 snake", "-i snake", "-S snake -c 'x y'", "-S -u HOME snake"])
def test_an_env_that_does_more_runs_itself(tmp_path: Path, environment: Dict[bytes, bytes], line: str) -> None:
    script = write(tmp_path / "script", f"#!/usr/bin/env {line}\n")
    launch = resolve([str(script)], environment)
    assert os.fsdecode(launch.path) == str(script)
    assert os.path.basename(launch.elf) == "env"


def test_a_script_whose_interpreter_is_a_script(tmp_path: Path, environment: Dict[bytes, bytes]) -> None:
    inner = write(tmp_path / "inner", f"#!{REAL}\n")
    outer = write(tmp_path / "outer", f"#!{inner} x\n")
    launch = resolve([str(outer), "a"], environment)
    assert [os.fsdecode(word) for word in launch.elf_argv] == [REAL, str(inner), "x", str(outer), "a"]
    assert words(launch) == [str(outer), "a"]


def complaint(program: str, environment: Dict[bytes, bytes]) -> str:
    with pytest.raises(CliError) as caught:
        resolve([program], environment)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_programs_get_one_sentence(tmp_path: Path, environment: Dict[bytes, bytes]) -> None:
    assert complaint("nothing", environment) == "there is no program nothing on PATH"
    assert complaint("/no/such/file", environment) == "there is no file /no/such/file"
    assert complaint(str(tmp_path), environment) == f"{tmp_path} is a directory, not a program"
    assert complaint("/dev/null", environment) == "/dev/null is not a regular file"
    path = write(tmp_path / "file", "x", 0o644)
    assert complaint(str(path), environment) == f"{path} is not executable (chmod +x makes it so)"
    assert complaint(f"{path}/x", environment) == f"there is no file {path}/x"
    path = write(tmp_path / "text", "hello")
    assert complaint(str(path), environment) == f"{path} is neither an ELF program nor a script with a `#!` line"
    path = write(tmp_path / "empty", "")
    assert complaint(str(path), environment) == f"{path} is empty"
    path = write(tmp_path / "bare", "#! \n")
    assert complaint(str(path), environment) == f"the first line of {path} names no interpreter"
    path = write(tmp_path / "lost", "#!/no/python\n")
    assert complaint(str(path), environment) == f"there is no file /no/python (asked for by the first line of {path})"
    path = write(tmp_path / "windows", f"#!{REAL}\r\n")
    assert complaint(str(path), environment).startswith(f"there is no file '{REAL}\\r' (asked for")
    loop = tmp_path / "loop"
    write(loop, f"#!{loop}\n")
    assert "more of them than the kernel follows" in complaint(str(loop), environment)
    path = write(tmp_path / "new\nline", "x")
    assert "\\n" in complaint(str(path), environment)


def test_programs_of_other_machines(tmp_path: Path, environment: Dict[bytes, bytes]) -> None:
    head = bytearray(Path(REAL).read_bytes()[:64])
    head[18:20] = (40).to_bytes(2, "little")
    head[4] = 1
    path = write(tmp_path / "arm", bytes(head))
    assert complaint(str(path), environment) == f"{path} is a 32-bit program for ARM, which fingdb cannot run here"


def test_rights_that_a_traced_program_would_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes them away: the program would do something else than in a bare run."""
    program = tmp_path / "program"
    shutil.copy(sys.executable, program)
    launch = resolve([str(program)], {})
    for user in (0, os.getuid() + 1):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        program.chmod(0o755)
        refuse_privileged(launch)
        program.chmod(0o4755)
        if not user:
            refuse_privileged(launch)
        else:
            with pytest.raises(CliError, match="is setuid"):
                refuse_privileged(launch)
