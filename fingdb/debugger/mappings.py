"""The target's memory map: which addresses are mapped, and what for."""

from __future__ import annotations

import bisect
import re
from typing import List, NamedTuple, Optional, Tuple

from ..elf import ElfError, open_elf
from .interface import TargetInfo, TargetKind

#: "7f0c1a000000-7f0c1a021000 rw-p 00000000 00:00 0    [heap]"
_LINE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$")
#: More are not kept (the kernel's own limit is 65530).
_MOST = 1 << 17
#: Mappings of these files are not read: it may be a device that answers.
_DEVICES = ("/dev/dri", "/dev/nvidia", "/dev/mem", "/dev/vfio", "/dev/infiniband", "/dev/kfd", "/dev/uio")


class Mapping(NamedTuple):
    """A mapped range; ``name`` is a path, ``[stack]`` and the like, "" if unknown or for no file.

    ``accessible`` is false for guard pages, ``executable`` where no code can be, ``writable`` where nothing can
    be written; None where it is not known.
    """

    start: int
    end: int
    name: str = ""
    accessible: Optional[bool] = None
    executable: Optional[bool] = None
    writable: Optional[bool] = None


class Mappings:
    """All mapped ranges of the target, in order; none when they cannot be had."""

    def __init__(self, ranges: List[Mapping]) -> None:
        self.ranges = sorted(ranges, key=lambda m: m.start)
        self._starts = [m.start for m in self.ranges]

    @classmethod
    def of(cls, target: TargetInfo) -> "Mappings":
        """Read them: from the core file's segments, or from the kernel. Never raises."""
        if target.kind is TargetKind.CORE and target.core:
            return cls(_of_core(target.core))
        if target.kind is TargetKind.LIVE and target.pid:
            return cls(_of_process(target.pid))
        return cls([])

    def at(self, address: int) -> Optional[Mapping]:
        """Return the mapping that holds ``address``, None if there is none."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index >= 0 and address < self.ranges[index].end:
            return self.ranges[index]
        return None

    def may_hold_code(self, address: int) -> bool:
        """Tell whether there can be code at ``address``: true as well when the map is not known."""
        if not self.ranges:
            return True
        holding = self.at(address)
        return holding is not None and holding.executable is not False

    def written(self) -> List[Tuple[int, int]]:
        """Return the ranges that a program can have written to, without the memory of devices."""
        return [
            (m.start, m.end) for m in self.ranges
            if m.writable and m.accessible is not False and not m.name.startswith(_DEVICES)
        ]

    def next_above(self, address: int) -> Optional[Mapping]:
        """Return the first mapping that begins above ``address``."""
        index = bisect.bisect_right(self._starts, address)
        return self.ranges[index] if index < len(self.ranges) else None

    def is_mapped(self, address: int) -> Optional[bool]:
        """Tell whether ``address`` is mapped, None when the map is not known."""
        return self.at(address) is not None if self.ranges else None


def _of_core(path: str) -> List[Mapping]:
    found: List[Mapping] = []
    try:
        for start, size, in_file, flags in open_elf(path).mappings():
            if size and len(found) < _MOST:
                # Guard pages have a header without any flag, and no bytes.
                accessible = bool(flags & 4) or bool(in_file)
                found.append(Mapping(start, start + size, "", accessible, bool(flags & 1), bool(flags & 2)))
    except ElfError:
        pass
    return found


def _of_process(pid: int) -> List[Mapping]:
    found: List[Mapping] = []
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                match = _LINE.match(line.rstrip("\n"))
                if match and len(found) < _MOST:
                    start, end, flags, name = match.groups()
                    name = name.replace("\\012", "\n")  # the one character that the kernel escapes
                    found.append(Mapping(int(start, 16), int(end, 16), name, flags[0] == "r", flags[2] == "x", flags[1] == "w"))
    except OSError:
        pass
    return found
