"""Names that a terminal, or a file of the kernel's, does not take as they are."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from fingdb.cli.dispatch import dispatch
from fingdb.cli.process import mapped_files
from fingdb.debugger.interface import TargetInfo, TargetKind
from fingdb.debugger.mappings import Mappings

STRANGE = "a\nb\r \x1b[31m.so"


@pytest.mark.parametrize("words", [["run", "--\x1b[31m", "--", "x"], ["core", "a\nb\x1b"], ["plan", "\x1b[31m"], ["\x1b\udcff"]])
def test_a_sentence_is_one_line_without_control_characters(capsys: pytest.CaptureFixture[str], words: "list[str]") -> None:
    assert dispatch(words) == 2
    out, err = capsys.readouterr()
    assert err.endswith("\n") and err[:-1].isprintable() and not out


def test_mapped_files_have_their_names(tmp_path: Path) -> None:
    file = tmp_path / STRANGE
    file.write_bytes(b"x" * 4096)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ):
        assert str(file) in mapped_files(os.getpid())
        assert str(file) in {m.name for m in Mappings.of(TargetInfo(TargetKind.LIVE, None, os.getpid())).ranges}
