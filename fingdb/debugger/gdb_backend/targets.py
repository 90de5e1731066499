"""What gdb has in its hands: executable, process, core file, and the files mapped into it."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Sequence, Tuple

import gdb

from ...elf import ElfError, open_elf
from .. import link_map
from ..interface import DebuggerError, Module, TargetInfo, TargetKind
from .breakpoints import CallbackBreakpoint
from .postponed import Postponed

# "	0x0000555555554040 - 0x00005555555540ab is .text in /usr/lib/libx.so": the executable's own
# sections come without " in FILE". gdb has no call that tells where a file was loaded.
_SECTION = re.compile(r"^\s*(0x[0-9a-f]+) - 0x[0-9a-f]+ is (\S+)(?: in (.*))?$")


class Targets(Postponed):
    """The selected inferior and its program space."""

    def __init__(self) -> None:
        super().__init__()
        self._generation = 0
        self._modules: Optional[Tuple[object, List[Module]]] = None
        self.last_signal: Optional[str] = None
        gdb.events.cont.connect(lambda _event: self.target_changed())
        # A breakpoint that did not stop lets the target go on without a "cont" event.
        gdb.events.stop.connect(lambda _event: self.target_changed())
        gdb.events.exited.connect(lambda _event: self.target_changed())
        gdb.events.memory_changed.connect(lambda _event: self.target_changed())
        gdb.events.new_objfile.connect(lambda _event: self.files_changed())
        gdb.events.clear_objfiles.connect(lambda _event: self.files_changed())

    def target_changed(self) -> None:
        """Note that what was read before may no longer be true."""
        self._generation += 1

    def files_changed(self) -> None:
        """Note that other files are in the target now."""
        self._generation += 1
        self._modules = None

    @property
    def generation(self) -> int:
        """A number that changes whenever the target may have changed."""
        return self._generation + CallbackBreakpoint.asked

    def target(self) -> TargetInfo:
        """Return what is being debugged now."""
        inferior = gdb.selected_inferior()
        executable = self._executable_file()
        if inferior.pid == 0:
            if executable is None:
                return TargetInfo(TargetKind.NONE)
            return TargetInfo(TargetKind.STATIC, executable)
        core = self._core_path()
        kind = TargetKind.LIVE if core is None else TargetKind.CORE
        return TargetInfo(kind, executable, inferior.pid, core, self.last_signal or self._core_signal(core))

    def _executable_file(self) -> Optional[str]:
        space = gdb.current_progspace()
        return (space.filename if space is not None else None) or self.postponed

    def _core_path(self) -> Optional[str]:
        if hasattr(gdb.Inferior, "connection"):
            connection = gdb.selected_inferior().connection
            if connection is None or connection.type != "core":
                return None
        text = gdb.execute("info files", to_string=True)
        found = re.search(r"Local core dump file:\s*\n\s*[`'](.+)', file type", text)
        return found.group(1) if found else None

    @staticmethod
    def _core_signal(core: Optional[str]) -> Optional[str]:
        if core is None:
            return None
        number = gdb.convenience_variable("_siginfo")
        try:
            if number is None:
                number = gdb.parse_and_eval("$_siginfo")
            import signal

            return signal.Signals(int(number["si_signo"])).name
        except (gdb.error, ValueError, TypeError):
            return None

    def modules(self) -> Sequence[Module]:
        """Return the executable and the loaded libraries, in the order of their loading or gdb's."""
        key = (gdb.selected_inferior().num, gdb.selected_inferior().pid)
        if self._modules is None or self._modules[0] != key:
            self._modules = (key, self.mapped() if self.postponed is not None else self._read_modules())
        return self._modules[1]

    def _read_modules(self) -> List[Module]:
        debug_files: Dict[str, List[str]] = {}
        for objfile in gdb.objfiles():
            owner = objfile.owner
            if owner is not None and objfile.filename and owner.filename:
                debug_files.setdefault(owner.filename, []).append(objfile.filename)
        starts = self._section_starts()
        modules = []
        executable = self._executable_file()
        told: Optional[Dict[str, int]] = None
        for objfile in gdb.objfiles():
            path = objfile.filename
            if objfile.owner is not None or not path or not os.path.isfile(path):
                continue  # the vdso, JIT code, and separate debug files
            if not starts:
                # gdb 13 has no sections to tell of a child that it followed into: ld.so knows where the files are.
                told = self._told_by_loader(executable) if told is None else told
                bias = told.get(os.path.realpath(path))
                if bias is not None:
                    modules.append(Module(path, bias, objfile.build_id, (path, *debug_files.get(path, []))))
                continue
            names = starts.get(path) or starts.get(os.path.realpath(path))
            if names is None and executable and os.path.realpath(path) == os.path.realpath(executable):
                names = starts.get("")
            if names is None:
                continue
            bias = self._bias(path, names)
            if bias is not None:
                files = (path, *debug_files.get(path, []))
                modules.append(Module(path, bias, objfile.build_id, files))
        # gdb may have read a library's symbols before the executable's.
        return sorted(modules, key=lambda m: not executable or m.path != executable)

    def _told_by_loader(self, executable: Optional[str]) -> Dict[str, int]:
        """Return file -> bias for the files of a process, as ld.so lists them; nothing for one that does not run."""
        if executable is None or self._core_path() is not None or not gdb.selected_inferior().pid:
            return {}
        try:
            bias = self._bias_of(executable)
            loader = link_map.read_loader(self.read, executable, bias)
        except (ElfError, DebuggerError):
            return {}
        found = {os.path.realpath(executable): bias}
        for name, its in loader.files[1:] if loader is not None else ():
            path = link_map.path_of(name)
            if path is not None:
                found.setdefault(os.path.realpath(path), its)
        return found

    @staticmethod
    def _section_starts() -> Dict[str, Dict[str, int]]:
        """Return file -> section name -> address in the target; the executable's file is ""."""
        starts: Dict[str, Dict[str, int]] = {}
        for line in gdb.execute("info files", to_string=True).splitlines():
            found = _SECTION.match(line)
            if found and not found.group(2).startswith("load"):
                file = found.group(3) or ""
                starts.setdefault(file, {}).setdefault(found.group(2), int(found.group(1), 16))
        return starts

    @staticmethod
    def _bias(path: str, names: Dict[str, int]) -> Optional[int]:
        try:
            elf = open_elf(path)
        except ElfError:
            return None
        for wanted in (".text", ".init", ".data", ".dynamic"):
            section = elf.section(wanted)
            if section is not None and wanted in names:
                return names[wanted] - section.address
        return None

    def module_at(self, address: int) -> Optional[str]:
        """Return the path of the file that is mapped at ``address``, None if there is none."""
        space = gdb.current_progspace()
        name = space.solib_name(address) if space is not None else None
        if name:
            return str(name)
        for module in self.modules():
            try:
                for start, size, _offset, _length in open_elf(module.path).segments():
                    if start <= address - module.bias < start + size:
                        return module.path
            except ElfError:
                continue
        return None
