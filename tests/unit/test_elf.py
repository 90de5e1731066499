"""ELF files: whose fault it is when one cannot be read."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from pathlib import Path

import pytest

from fingdb.elf import ElfError, ElfFile


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EMFILE])
def test_used_up_resources_are_not_taken_for_a_file_that_is_no_elf_file(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Who asks whether a file holds a Python would get a no."""

    def refuse(*_words: object, **_named: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(OSError) as caught:
        ElfFile(sys.executable)
    assert caught.value.errno == number


def test_other_files_are_no_elf_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path(__file__)):
        with pytest.raises(ElfError):
            ElfFile(str(path))
