"""The functions of a stripped build that lead from where finalization starts to steps with a name.

A stripped file names what it exports, nothing else: ``_Py_Finalize`` and ``finalize_modules`` are nameless code
between ``Py_FinalizeEx`` and ``PyGC_Collect``. Where each function begins and ends the unwinding table still says, and
calls tell their targets. Probes (`python:gc__start`) give the function around them a name.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import Counter
from typing import Dict, Iterable, Iterator, List, Set, Tuple

from ..elf import ElfError, ElfFile, ElfSymbol, open_elf
from . import catalogue

#: So many functions without a name may lie on the way to a step.
DEEPEST = 5
#: A function that more functions than this call is a helper.
MOST_CALLERS = 6
#: The function in which a pair of probes lies, if only one function has both (Include/pydtrace.d).
PROBED: Dict[str, Iterable[str]] = {"gc_collect_main": ("gc__start", "gc__done")}

#: A function that does nothing but call another has less code than this.
_WRAPPER = 64
_KINDS = {0xE8: "call", 0xE9: "jump"}
#: call, jmp and conditional jumps with a distance of 32 bits (x86-64).
_BRANCH = re.compile(rb"[\xe8\xe9]|\x0f[\x80-\x8f]")


def unnamed_functions(path: str) -> List[ElfSymbol]:
    """Return the functions without a name on a way to a step, named by their address; those with probes by what they are.

    Empty for a file without an unwinding table, or that cannot be read.
    """
    try:
        elf = open_elf(path)
        return _Search(elf).found()
    except (ElfError, struct.error):
        return []


class _Search:
    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._ranges = elf.unwind_ranges()
        self._starts = [start for start, _size in self._ranges]
        self._sizes = dict(self._ranges)
        self._names: Dict[int, str] = {}
        for symbol in elf.exported().values():
            if symbol.function:
                self._names.setdefault(symbol.address, symbol.name)
                if catalogue.is_step(symbol.name) or symbol.name in catalogue.roots():
                    self._names[symbol.address] = symbol.name
        self._branched = list(self._branches())
        self._unlikely = self._unlikely_parts()
        self._probed = self._functions_with_probes()
        self._names.update(self._probed)
        stubs = elf.linkage_stubs()
        #: Where a call may go: a function's beginning, or a stub, which stands for the function.
        by_name = {name: address for address, name in self._names.items()}
        self._targets: Dict[int, int] = {start: start for start in self._starts}
        self._targets.update({stub: by_name[name] for stub, name in stubs.items() if name in by_name})

    def found(self) -> List[ElfSymbol]:
        """Return the functions on a way from a root or a step to another step."""
        calls = self._calls()
        callers: Dict[int, Set[int]] = {}
        for caller, targets in calls.items():
            for target in targets:
                callers.setdefault(target, set()).add(caller)
        steps = {address for address, name in self._names.items() if catalogue.is_step(name)}
        leading: Set[int] = set()
        edge = set(steps)
        for _ in range(DEEPEST):
            edge = {c for target in edge for c in callers.get(target, ()) if c not in self._names} - leading
            # The allocator, say, can print its statistics: what everything calls is no part of finalization.
            edge = {function for function in edge if len(callers.get(function, ())) <= MOST_CALLERS}
            leading |= edge
        roots = {address for address, name in self._names.items() if name in catalogue.roots()}
        reached: Set[int] = set()
        waiting = list(steps | roots)
        while waiting:
            for target in calls.get(waiting.pop(), ()):
                if target in leading and target not in reached:
                    reached.add(target)
                    waiting.append(target)
        split = self._split_roots(calls, reached, steps)
        reached -= set(split)
        symbols = [ElfSymbol(hex(start), start, self._sizes[start], True, True) for start in sorted(reached)]
        symbols += [ElfSymbol(name, start, self._sizes[start], True, True) for start, name in split.items()]
        symbols += [ElfSymbol(name, start, self._sizes[start], True, True) for start, name in self._probed.items()]
        whole = {start: hex(start) for start in reached}
        whole.update({address: self._names[address] for address in steps | roots})
        whole.update(split)
        for start, owner in self._unlikely.items():
            if owner in whole and start not in self._names and start not in reached:
                symbols.append(ElfSymbol(f"{whole[owner]}.cold", start, self._sizes[start], True, True))
        return symbols

    def _split_roots(self, calls: Dict[int, Set[int]], reached: Set[int], steps: Set[int]) -> Dict[int, str]:
        """Return the functions that do all the work of a root, named as the compiler names the parts of a function.

        From 3.13 on Py_FinalizeEx does nothing but jump to a static function, so only that is on the stack.
        """
        found: Dict[int, str] = {}
        for root in sorted(address for address, name in self._names.items() if name in catalogue.roots()):
            work = {target for target in calls.get(root, ()) if target in reached or target in steps}
            if len(work) == 1 and self._sizes.get(root, _WRAPPER) < _WRAPPER:
                (only,) = work
                if only in reached:
                    found.setdefault(only, f"{self._names[root]}.part.0")
        return found

    def _unlikely_parts(self) -> Dict[int, int]:
        """Return the stretches of code that jumps of one function lead to, and no calls, with that function.

        Compilers move what is unlikely away from its function. A jump to the beginning alone may be a call in disguise:
        one into the middle, or a conditional one, is not. What looks like a jump may be the middle of another
        instruction: a few from elsewhere do not count.
        """
        called: Set[int] = set()
        jumping: Dict[int, "Counter[int]"] = {}
        sure: Set[int] = set()
        for place, target, kind in self._branched:
            index = bisect_right(self._starts, target) - 1
            start = self._starts[index] if index >= 0 else 0
            if not start <= target < start + self._sizes.get(start, 0) or start <= place < start + self._sizes[start]:
                continue
            if kind == "call":
                if target == start:
                    called.add(start)
                continue
            owner = self._starts[max(0, bisect_right(self._starts, place) - 1)]
            jumping.setdefault(start, Counter())[owner] += 1
            if kind == "branch" or target != start:
                sure.add(start)
        found: Dict[int, int] = {}
        for start, owners in jumping.items():
            owner, times = owners.most_common(1)[0]
            if start in sure and start not in called and times * 4 > sum(owners.values()) * 3:
                found[start] = owner
        return found

    def _calls(self) -> Dict[int, Set[int]]:
        """Return function -> functions that its code seems to call or jump to; disassembling will tell for sure."""
        calls: Dict[int, Set[int]] = {}
        for place, address, _kind in self._branched:
            target = self._targets.get(address)
            if target is not None:
                caller = self._owner(self._starts[max(0, bisect_right(self._starts, place) - 1)])
                if caller != target and target not in self._unlikely:
                    calls.setdefault(caller, set()).add(target)
        return calls

    def _branches(self) -> Iterator[Tuple[int, int, str]]:
        """Yield (address, target, ``call``, ``jump`` or ``branch``) of what looks like one."""
        section = self._elf.section(".text")
        code = self._elf.section_bytes(".text")
        if section is None or not self._starts:
            return
        unpack = struct.Struct("<i").unpack_from
        for match in _BRANCH.finditer(code, 0, len(code) - 4):
            end = match.end()
            if end <= len(code) - 4:
                target = section.address + end + 4 + unpack(code, end)[0]
                yield section.address + match.start(), target, _KINDS.get(code[match.start()], "branch")

    def _functions_with_probes(self) -> Dict[int, str]:
        places: Dict[str, Set[int]] = {}
        for provider, name, address in self._elf.probes():
            if provider == "python" and self._starts:
                start = self._starts[max(0, bisect_right(self._starts, address) - 1)]
                if start <= address < start + self._sizes[start]:
                    places.setdefault(name, set()).add(start)
        found: Dict[int, str] = {}
        for function, probes in PROBED.items():
            both = [places.get(name, set()) for name in probes]
            if all(len(each) == 1 for each in both) and len(set.union(*both)) == 1:
                (start,) = both[0]
                owner = self._owner(start)
                if owner not in self._names:
                    found[owner] = function
        return found

    def _owner(self, start: int) -> int:
        """Return the function that a stretch of code is the unlikely part of, itself if it is none."""
        return self._unlikely.get(start, start)
