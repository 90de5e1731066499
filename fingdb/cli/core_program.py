"""Which files on this machine belong to a core: its executable and its libraries.

A core names the files as the process saw them; here they may lie elsewhere (below --sysroot, in --solib-path),
be another build, or be missing. A debugger asks for libraries by the names that the dynamic linker used; where
those do not lead to the right file, a directory of links shows it the way.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Sequence

from ..elf import ElfError, open_elf
from ..report.escape import printable
from .core_file import CoreFile, CoreModule
from .errors import CliError
from .gdb_program import which
from .program import resolve

#: So many missing or different libraries are named, the others counted.
_NAMED = 3


@dataclass
class Surroundings:
    """Where to look, as the user says: a copy of the root directory, and directories of libraries."""

    sysroot: Optional[str] = None
    solib_path: Sequence[str] = ()

    def __post_init__(self) -> None:
        for what, directory in (("--sysroot", self.sysroot), *(("--solib-path", d) for d in self.solib_path)):
            if directory is not None and not os.path.isdir(directory):
                raise CliError(f"{what} names {printable(directory)!r}, which is not a directory")
        if self.sysroot is not None:
            self.sysroot = os.path.abspath(self.sysroot)
        self.solib_path = [os.path.abspath(directory) for directory in self.solib_path]

    def candidates(self, path: str, name: str = "") -> List[str]:
        """Return the files that may stand for ``path`` of the process, the likeliest first.

        ``name`` is another name of the same file: a link that leads to it.
        """
        found = []
        for directory in self.solib_path:
            found += [directory + path, os.path.join(directory, os.path.basename(path))]
            if name:
                found.append(os.path.join(directory, os.path.basename(name)))
        found.append((self.sysroot or "") + path)
        return [candidate for candidate in found if os.path.isfile(candidate)]


def add_surroundings_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--sysroot`` and ``--solib-path`` to a parser; `surroundings_of` reads them."""
    parser.add_argument("--sysroot", metavar="DIR", help="copy of the root directory of the core's machine")
    parser.add_argument(
        "--solib-path", metavar="DIR", action="append", default=[], help="where to look for the core's libraries first"
    )


def surroundings_of(options: argparse.Namespace) -> Surroundings:
    """Return what the options say. Raises CliError for what is no directory."""
    return Surroundings(options.sysroot, [d for text in options.solib_path for d in text.split(":") if d])


@dataclass
class CoreFiles:
    """The files of a core. ``gdb_options`` let a gdb that is started in directory ``start`` find them.

    ``notes`` are sentences for the report; ``doubts`` those among them that make any verdict less certain.
    ``damaged``: memory of the process is missing, so that nothing is more than possible.
    """

    executable: str
    notes: List[str] = field(default_factory=list)
    doubts: List[str] = field(default_factory=list)
    gdb_options: List[str] = field(default_factory=list)
    start: str = ""
    damaged: bool = False


class _Found(NamedTuple):
    module: CoreModule
    #: None when there is no such file here.
    file: Optional[str]
    same_build: Optional[bool]


def find_files(core: CoreFile, given: Optional[str], where: Surroundings, directory: str) -> CoreFiles:
    """Return the files of a core. ``given`` is the user's executable, ``directory`` a private place for links.

    Raises CliError when there is no executable to be had.
    """
    links = {core.module_at(dynamic): name for name, dynamic in core.links()}
    modules = [_look_for(module, where, links.get(module, "")) for module in core.modules()]
    own = core.executable()
    program = next((found for found in modules if found.module.path == own), None)
    files = CoreFiles("")
    files.executable = _executable(core, given, where, program, files)
    lost = core.lost()
    if core.missing:
        lost.insert(0, f"the core is cut short: {core.missing:,} of its {core.expected:,} bytes are missing")
    if lost:
        about = "" if core.missing else "memory of the process is not in the core: "
        _doubt(files, about + ", ".join(lost[:_NAMED]) + (f", and {len(lost) - _NAMED} more" if lost[_NAMED:] else ""))
        files.damaged = True
    libraries = [found for found in modules if found is not program]
    _tell_differences(libraries, files)
    names = _Links(directory)
    for library in libraries:
        if library.file is not None:
            names.add(links.get(library.module, ""), library.file)
            if library.module.start == core.linker_address:
                names.add(core.interpreter(), library.file)
    files.gdb_options, files.start = names.options(where), names.start
    return files


def _look_for(module: CoreModule, where: Surroundings, name: str) -> _Found:
    best = _Found(module, None, None)
    for candidate in where.candidates(module.path, name):
        same = _same_build(candidate, module.build_id)
        if same:
            return _Found(module, candidate, True)
        if best.file is None:
            best = _Found(module, candidate, same)
    return best


def _same_build(path: str, build_id: Optional[str]) -> Optional[bool]:
    """Tell whether a file has that build-id, None when that cannot be told."""
    if build_id is None:
        return None
    try:
        here = open_elf(path).build_id
    except ElfError:
        return False
    return None if here is None else here == build_id


# -- the executable -------------------------------------------------------------------------------
def _executable(
    core: CoreFile, given: Optional[str], where: Surroundings, program: Optional[_Found], files: CoreFiles
) -> str:
    build_id = program.module.build_id if program is not None else None
    if given is not None:
        path = _given_executable(given)
        if _same_build(path, build_id) is not False:
            return path
        if program is not None and program.file is not None and program.same_build:
            files.notes.append(
                f"{printable(given)} is not the program that left the core;"
                f" {printable(program.file)} is, and was used in its place"
            )
            return program.file
        _doubt(files, _other_build(path, build_id))
        return path
    if program is not None:
        if program.file is not None:
            if program.same_build is False:
                _doubt(files, _other_build(program.file, build_id))
            return program.file
        raise CliError(_nowhere(core, program.module.path, where))
    return _guessed_executable(core, where, files)


def _given_executable(given: str) -> str:
    if "/" not in given and not os.path.isfile(given):
        found = which(given)
        if found is None:
            raise CliError(f"there is no program {printable(given)}, neither here nor on PATH")
        given = found
    if not os.access(given, os.X_OK):
        return os.path.abspath(given)  # a copy from another machine may have lost its mode
    return resolve([given], os.environb).elf


def _guessed_executable(core: CoreFile, where: Surroundings, files: CoreFiles) -> str:
    """Return the executable of a core without a list of mapped files, by the words it was started with."""
    for word in (core.command(), core.arguments.split(" ")[0]):
        if word and os.path.isabs(word):
            for candidate in where.candidates(word):
                try:
                    found = resolve([candidate], os.environb).elf
                except CliError:
                    continue
                _doubt(files, f"the core does not list its files; {printable(found)} is taken for its executable")
                return found
    who = f" ({printable(core.program)})" if core.program else ""
    raise CliError(
        f"{printable(core.path)} does not tell which program left it{who}: give the executable as the last word"
    )


def _nowhere(core: CoreFile, path: str, where: Surroundings) -> str:
    below = f" below {printable(where.sysroot)}" if where.sysroot else " on this machine"
    return (
        f"the program of {printable(core.path)}, {printable(path)}, is not{below}:"
        " give the executable as the last word, or a copy of its machine's files with --sysroot"
    )


def _other_build(path: str, build_id: Optional[str]) -> str:
    try:
        here = open_elf(path).build_id or "none"
    except ElfError:
        here = "none"
    return (
        f"{printable(path)} is not the build that left the core (build-id {here[:12]}…, the core's is"
        f" {(build_id or '')[:12]}…): names of functions and places may be wrong"
    )


# -- the libraries --------------------------------------------------------------------------------
def _tell_differences(libraries: List[_Found], files: CoreFiles) -> None:
    missing = [f.module.path for f in libraries if f.file is None and f.module.path.startswith("/")]
    if missing:
        _doubt(
            files,
            f"{_named(missing)} {_are(missing)} not on this machine (--sysroot or --solib-path tells where):"
            " stacks through it cannot be told" + ("" if len(missing) == 1 else ", nor through the others"),
        )
    other = [f.file for f in libraries if f.file is not None and f.same_build is False]
    if other:
        _doubt(files, f"{_named(other)} {_are(other)} of another build than in the core: names there may be wrong")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _named(paths: Sequence[str]) -> str:
    names = [printable(path, 200) for path in paths[:_NAMED]]
    if len(paths) > _NAMED:
        return f"{', '.join(names)} and {len(paths) - _NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _doubt(files: CoreFiles, sentence: str) -> None:
    files.notes.append(sentence)
    files.doubts.append(sentence)


class _Links:
    """Names that the dynamic linker used -> files here, as directories of links where gdb needs them.

    gdb looks for a library below its sysroot by the linker's name, then by the same name in the directory where
    it was started, then by the last part of the name in solib-search-path. The latter two follow links, so that
    gdb and its user see the real file.
    """

    def __init__(self, directory: str) -> None:
        self._top = os.path.join(directory, "files")
        # Some levels down, so that a relative name that goes up finds nothing.
        self.start = os.path.join(self._top, "1/2/3/4/5/6/7/8")
        self._names = os.path.join(directory, "names")
        self._empty = os.path.join(directory, "nothing")
        self._files: Dict[str, str] = {}
        for made in (self.start, self._names, self._empty):
            os.makedirs(made)

    def add(self, name: str, file: str) -> None:
        """Let ``name`` lead to ``file``."""
        if name:
            self._files.setdefault(name, os.path.abspath(file))

    def options(self, where: Surroundings) -> List[str]:
        """Return gdb's options, for a gdb that is started in ``start``; the links are made now."""
        root = where.sysroot or ""
        astray = [n for n, file in self._files.items() if not _leads_to(root + n if n[0] == "/" else n, file)]
        options = [] if not root else ["-iex", f"set sysroot {root}"]
        if not astray:
            return options
        if any(name[0] == "/" and os.path.exists(root + name) for name in astray):
            # There is a wrong file where gdb looks first: let it find nothing there.
            options = ["-iex", f"set sysroot {self._empty}"]
            astray = list(self._files)
        for name in astray:
            if name[0] == "/":
                self._link(os.path.join(self.start, name.lstrip("/")), name)
            else:
                self._link(os.path.join(self._names, os.path.basename(name)), name)
        return [*options, "-iex", f"set solib-search-path {self._names}"]

    def _link(self, link: str, name: str) -> None:
        try:
            if os.path.normpath(link).startswith((self._top + "/", self._names + "/")):
                os.makedirs(os.path.dirname(link), exist_ok=True)
                os.symlink(self._files[name], link)
        except (OSError, ValueError):
            pass  # gdb then misses this library


def _leads_to(path: str, file: str) -> bool:
    if not os.path.isabs(path):
        return False  # gdb would look where it was started, not where the process was
    try:
        return os.path.samefile(path, file)
    except (OSError, ValueError):
        return False
