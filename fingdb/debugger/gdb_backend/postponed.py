"""Symbols that are read only when something asks for what they tell.

Symbols and debug information take gdb most of its start, and with debug information each breakpoint at an address
takes milliseconds, for gdb then reads all of the unit that has the place. A run that knows its build needs neither
as long as nobody wants names for a stack. So gdb gets the executable without symbols and leaves those of the
libraries alone (but those of the C library, which it always reads, without their debug file); what is mapped where
ld.so tells (see `link_map`), also when it changes.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Set, Tuple

import gdb

from ...elf import ElfError, open_elf
from .. import link_map
from ..interface import DebuggerError, Hit, Module
from .breakpoints import Breakpoints, Handle
from .memory import RawMemory


class Postponed(RawMemory, Breakpoints):
    """Whether gdb has read the symbols of what it runs, and the list of files when it has not."""

    def __init__(self) -> None:
        super().__init__()
        #: The executable whose symbols are not read yet, None when gdb reads symbols as it always does.
        self.postponed: Optional[str] = None
        #: Told of each file that is mapped while symbols are postponed.
        self.mapped_listeners: List[Callable[[str], None]] = []
        #: True while gdb reads symbols at our request: nothing has changed in the target.
        self.reading_symbols = False
        #: What ld.so calls the files that the listeners know.
        self._known: Set[str] = set()
        #: The process and what its ld.so told when it was last done with a change; None when that is to be read again.
        self._told: Optional[Tuple[int, link_map.Loader]] = None
        #: True from a beginning of a change that adds files, and does nothing else, to its end.
        self._adding = False
        #: The modules of the last listing, by process, name and bias: to look at a file again takes most of a listing.
        self._listed: Dict[Tuple[int, str, int], Optional[Module]] = {}
        #: Where ld.so of the process that is watched tells what it does.
        self._loader_at = 0
        self._armed_for = 0
        self._watching: List[Handle] = []
        #: Where gdb looks for debug files when symbols are not postponed.
        self._debug_directories: Optional[str] = None
        gdb.events.new_objfile.connect(self._process_noticed)
        gdb.events.clear_objfiles.connect(self._process_noticed)

    def take(self, executable: str) -> None:
        """Take an executable to run. Raises DebuggerError."""
        try:
            gdb.execute(f"file {quoted(executable)}", to_string=True)
        except gdb.error as error:
            raise DebuggerError(f"gdb cannot read {executable}: {error}") from None

    def postpone_symbols(self, executable: str) -> None:
        """Take an executable to run, without its symbols. Raises DebuggerError."""
        try:
            gdb.execute("set auto-solib-add off")
            self._debug_directories = str(gdb.parameter("debug-file-directory") or "")
            gdb.execute("set debug-file-directory")
            gdb.execute(f"exec-file {quoted(executable)}", to_string=True)
        except gdb.error as error:
            raise DebuggerError(f"gdb cannot read {executable}: {error}") from None
        self.postponed = os.path.realpath(executable)  # as gdb names it

    def need_symbols(self) -> None:
        """Read the symbols now, if they were postponed. Breakpoints stay where they are."""
        executable, self.postponed = self.postponed, None
        if executable is None:
            return
        self._stop_watching()
        self.reading_symbols = True
        try:
            self._as_always()
            bias = self._bias_of(executable)
            gdb.execute(f"symbol-file -o {bias:#x} {quoted(executable)}", to_string=True)
            if gdb.selected_inferior().pid:
                gdb.execute("sharedlibrary", to_string=True)
        except gdb.error:
            pass  # names will be missing, nothing else
        finally:
            self.reading_symbols = False
        self.files_changed()

    def _as_always(self) -> None:
        """Let gdb read symbols by itself again, debug files too; those of the files that it has without come now."""
        gdb.execute("set auto-solib-add on")
        directories, self._debug_directories = self._debug_directories, None
        gdb.execute(f"set debug-file-directory {directories or ''}")
        for objfile in gdb.objfiles():
            if objfile.owner is None and objfile.is_valid():
                for path in separate_debug_files(objfile.build_id, directories):
                    try:
                        objfile.add_separate_debug_file(path)
                    except gdb.error:
                        # Read it is. What fails is to insert breakpoints again, those of a program that is no more when
                        # another was executed: they are deleted a moment later.
                        pass

    def files_changed(self) -> None:
        """Note that other files are in the target now; overridden where that is of interest."""

    # -- the process ------------------------------------------------------------------------------
    def _process_noticed(self, _event: object) -> None:
        """Something was read: gdb has a process by now, or the process executes another program."""
        pid = gdb.selected_inferior().pid
        if self.postponed is None or self.reading_symbols or not pid:
            return
        space = gdb.current_progspace()
        if space is not None and space.filename is not None:
            # Another program was executed, and gdb has read its symbols: from here on as always.
            self.postponed = None
            self._stop_watching()
            self.reading_symbols = True
            try:
                self._as_always()
            finally:
                self.reading_symbols = False
        elif self._armed_for != pid:
            self._armed_for = pid
            self._wait_for(link_map.entry_point(pid), self._program_begins)

    def _wait_for(self, address: Optional[int], reached: Callable[[Hit], bool]) -> None:
        if address:
            try:
                self._watching.append(self.breakpoint(address, reached))
            except DebuggerError:
                pass

    def _stop_watching(self) -> None:
        for handle in self._watching:
            handle.delete()
        self._watching.clear()
        self._told = None

    def _program_begins(self, _hit: Hit) -> bool:
        """All that the executable is linked with is mapped: no code of the program has run yet."""
        self._stop_watching()
        loader = self._loader()
        if loader is not None and self.postponed is not None:
            self._loader_at = loader.place
            self._wait_for(loader.changed, self._files_change)
            self._keep(loader)
        self._tell_new()
        return False

    def _files_change(self, _hit: Hit) -> bool:
        """ld.so maps files (it is called at the beginning and at the end of that)."""
        try:
            state = link_map.read_state(self.read, self._loader_at)
        except DebuggerError:
            self._told = None
            return False
        if state == link_map.CONSISTENT:
            self._read_again()
            self._tell_new()
        elif state != link_map.ADDING:
            self._told = None
        self._adding = state == link_map.ADDING
        return False

    def _read_again(self) -> None:
        """Read the list of files at the end of a change: only what is new, if nothing was taken away."""
        told, self._told = self._told, None
        try:
            if told is not None and self._adding and told[0] == gdb.selected_inferior().pid:
                self._keep(link_map.read_added(self.read, told[1]))
        except DebuggerError:
            pass
        if self._told is None:
            self._keep(self._loader())

    def _keep(self, loader: Optional[link_map.Loader]) -> None:
        if loader is not None and self._watching:
            self._told = int(gdb.selected_inferior().pid), loader

    def _tell_new(self) -> None:
        self.files_changed()
        for name, _bias in self._files():
            if name not in self._known:
                self._known.add(name)
                path = link_map.path_of(name)
                if path is not None:
                    for listener in self.mapped_listeners:
                        listener(path)

    # -- the files --------------------------------------------------------------------------------
    def _loader(self) -> Optional[link_map.Loader]:
        executable = self.postponed
        pid = gdb.selected_inferior().pid
        if executable is None or not pid:
            return None
        if self._told is not None and self._told[0] == pid:
            return self._told[1]
        try:
            return link_map.read_loader(self.read, executable, self._bias_of(executable))
        except DebuggerError:
            return None

    def mapped(self) -> List[Module]:
        """Return the executable whose symbols were postponed and the libraries in the process, in their order."""
        pid = int(gdb.selected_inferior().pid)
        before, self._listed = self._listed, {}
        for name, bias in self._files():
            key = pid, name, bias
            if key not in self._listed:
                self._listed[key] = before[key] if key in before else self._module(link_map.path_of(name), bias)
        return [module for module in self._listed.values() if module is not None]

    def _files(self) -> List[Tuple[str, int]]:
        """Return (name as ld.so has it, bias) of the executable and of the libraries."""
        executable = self.postponed
        if executable is None:
            return []
        loader = self._loader()
        return [(executable, self._bias_of(executable)), *(loader.files[1:] if loader is not None else ())]

    def _module(self, path: Optional[str], bias: int) -> Optional[Module]:
        if path is None:
            return None
        try:
            build_id = open_elf(path).build_id
        except ElfError:
            return None
        return Module(path, bias, build_id, (path, *separate_debug_files(build_id, self._debug_directories)))

    @staticmethod
    def _bias_of(executable: str) -> int:
        """Return what to add to an executable's addresses to get those of the process."""
        pid = gdb.selected_inferior().pid
        begins = link_map.entry_point(pid) if pid else None
        try:
            return begins - open_elf(executable).entry if begins is not None else 0
        except ElfError:
            return 0

    def mapped_symbol(self, name: str) -> Optional[int]:
        """Return the address of a symbol by the symbol tables of the files, the executable's first, None if unknown."""
        for module in self.mapped():
            for path in module.symbol_files:
                try:
                    symbol = open_elf(path).find(name)
                except ElfError:
                    continue
                if symbol is not None and symbol.address:
                    return symbol.address + module.bias
        return None


def separate_debug_files(build_id: Optional[str], directories: Optional[str]) -> List[str]:
    """Return the file with a build's debug information that gdb would find by its build-id in these directories."""
    if build_id:
        for directory in (directories or "").split(":"):
            path = os.path.join(directory, ".build-id", build_id[:2], f"{build_id[2:]}.debug")
            if directory and os.path.isfile(path):
                return [path]
    return []


def quoted(path: str) -> str:
    """Return a path as a word for commands of gdb that split their words like a shell."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
