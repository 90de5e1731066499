"""What was learned about a build, kept from one session to the next.

One JSON file per build (by its build-id) and section below ``$XDG_CACHE_HOME/fingdb``. The cache
is a convenience: what cannot be written or read is no error, and what is read is not trusted
(whoever asks for a section checks what it gets, and each says of which code it was learned: a file
that was put under the build-id of another build tells nothing of that).
"""

from __future__ import annotations

import json
import os
import re
import zlib
from typing import Optional

from ..elf import ElfError, open_elf

#: Goes up whenever the meaning of any cached section changes.
FORMAT = 2
#: No section of ours comes near this; a larger file is not ours.
_LARGEST = 32 << 20
#: Bytes of code that are compared: two builds differ long before that, in one of these or in size.
_MOST_CODE = 1 << 18
_BUILD_ID = re.compile(r"[0-9a-f]{8,128}\Z")
_SECTION = re.compile(r"[a-z][a-z0-9-]{0,40}\Z")


def cache_directory() -> Optional[str]:
    """Return the directory of the cache (it need not exist), None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # the XDG specification: other values are to be ignored
        return os.path.join(base, "fingdb")
    home = os.path.expanduser("~")
    return os.path.join(home, ".cache", "fingdb") if os.path.isabs(home) else None


def code_of(path: str) -> Optional[str]:
    """Return what tells the code of a build's file from that of others, the same when it is stripped; None if unreadable."""
    try:
        elf = open_elf(path)
        section = elf.section(".text")
        if section is None or not section.present:
            return None
        code = elf.read(section.address, min(section.size, _MOST_CODE))
        return f"{zlib.crc32(code):08x}-{section.address:x}-{section.size:x}"
    except ElfError:
        return None


class Cache:
    """The cached sections of one build. Without a build-id it holds nothing and forgets all.

    ``path`` is the file with the build's code. Where it cannot be read (a core of another machine) the build-id is
    all there is to go by.
    """

    def __init__(self, build_id: Optional[str], path: Optional[str] = None) -> None:
        self._path_of_code = path
        directory = cache_directory()
        usable = build_id is not None and _BUILD_ID.match(build_id.lower()) is not None
        self._build_id = build_id.lower() if build_id is not None and usable else None
        self._directory = os.path.join(directory, self._build_id) if directory and self._build_id else None

    def file_of(self, section: str) -> Optional[str]:
        """Return the file of a section (it need not exist), None where there can be none."""
        return self._path(section)

    def get(self, section: str) -> Optional[object]:
        """Return what was put under ``section``, None when there is nothing to be had."""
        path = self._path(section)
        if path is None:
            return None
        try:
            if os.stat(path).st_size > _LARGEST:
                return None
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        if document.get("format") != FORMAT or document.get("build_id") != self._build_id:
            return None
        if document.get("section") != section:
            return None
        code = self._code()
        if code is not None and document.get("code") != code:
            return None
        data: object = document.get("data")
        return data

    def put(self, section: str, data: object) -> bool:
        """Keep ``data`` (what JSON can hold) under ``section``; tell whether it was kept."""
        path = self._path(section)
        if path is None:
            return False
        document = {
            "format": FORMAT, "build_id": self._build_id, "code": self._code(), "section": section, "data": data,
        }
        temporary = None
        try:
            text = json.dumps(document, separators=(",", ":"))
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            # Written beside its place and moved there: a reader sees all of it or none.
            temporary = f"{path}.{os.getpid()}.tmp"
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
            return True
        except (OSError, ValueError, TypeError, RecursionError):
            if temporary is not None:
                try:
                    os.unlink(temporary)
                except OSError:
                    pass
            return False

    def _code(self) -> Optional[str]:
        return code_of(self._path_of_code) if self._path_of_code else None

    def _path(self, section: str) -> Optional[str]:
        if self._directory is None or _SECTION.match(section) is None:
            return None
        return os.path.join(self._directory, f"{section}.json")
