"""``fingdb core``: why a process crashed or hung, from the core file that it left."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional, Tuple

from ..model.report import NO_COMPLAINT
from .arguments import Parser, add_gdb_option, seconds
from .core_examine import TIMEOUT, CoreOptions, examine
from .core_file import is_core
from .core_program import add_surroundings_options, surroundings_of
from .decompress import first_bytes
from .errors import CliError
from .gdb_program import find_gdb, which
from .output import Destination
from .temporary import tidy_end
from .waiting import waiting

_USAGE = """[--json] [--output FILE] [--sysroot DIR] [--solib-path DIR[:DIR]]
                   [--timeout S] [--jobs N] [--gdb PATH] CORE... [EXECUTABLE]"""

_DESCRIPTION = """\
Say why a process crashed or hung while it shut down, from its core file: what ran, in which phase, after which
step, whose code it is, what to change.

CORE may be compressed (gzip, xz, zstd, lz4), or a directory: all cores in it. Several cores are reported in one
line each, grouped by what went wrong and whose code it was. The executable is found by what the core says."""

_EPILOG = """\
exit status:
  0 when nothing is wrong with the shutdown, or nobody can tell;  1 when something is;  2, with one sentence on
  standard error, when a core could not be read."""


def run(arguments: List[str]) -> int:
    """Run ``fingdb core`` with these words and return the exit status."""
    parser = Parser("core", _USAGE, _DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument("words", metavar="CORE", nargs="+", help="core files, directories of them, an executable")
    parser.add_argument("--json", action="store_true", help="the report as a JSON document, one a line for several")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report there (default: standard output)")
    add_surroundings_options(parser)
    parser.add_argument("--timeout", metavar="S", type=seconds, default=TIMEOUT, help="give up a core after S seconds")
    parser.add_argument("-j", "--jobs", metavar="N", type=int, default=0, help="so many cores at once")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    if options.jobs < 0:
        raise CliError("core: --jobs needs a number of 1 or more")
    cores, executable, many = _sorted_out(options.words)
    where = surroundings_of(options)
    about = CoreOptions(find_gdb(options.gdb), where, executable, options.timeout)
    with tidy_end():
        if many:
            from .core_batch import examine_all

            return examine_all(cores, about, options.jobs, options.output, options.json)
        destination = Destination(options.output or "-", options.json)
        with waiting("looking into the core", destination.prepare) as meanwhile:
            document = examine(cores[0], about, meanwhile=meanwhile)
        destination.write(document)
        return exit_status(document)


def exit_status(document: Mapping[str, object]) -> int:
    """Return 1 when a report complains about the shutdown, 0 otherwise."""
    findings = document.get("findings")
    for finding in findings if isinstance(findings, list) else ():
        if isinstance(finding, dict) and finding.get("severity") in ("warning", "error"):
            return 1
    verdict = document.get("verdict")
    return 1 if isinstance(verdict, dict) and verdict.get("kind") not in NO_COMPLAINT else 0


def _sorted_out(words: List[str]) -> Tuple[List[str], Optional[str], bool]:
    """Return (core files, the executable or None, whether many were asked for). Raises CliError."""
    kinds: Dict[str, List[str]] = {"core": [], "directory": [], "program": []}
    for word in words:
        kinds[_kind(word, alone=len(words) == 1)].append(word)
    if len(kinds["program"]) > 1:
        raise CliError(f"core: {' and '.join(kinds['program'])} are programs, and only one can have left the cores")
    if not kinds["core"] and not kinds["directory"]:
        raise CliError(f"core: {kinds['program'][0]} is a program: name the core file that it left, too")
    cores = list(kinds["core"])
    for directory in kinds["directory"]:
        cores += _cores_below(directory)
    if not cores:
        raise CliError(f"there is no core file in {' or '.join(kinds['directory'])}")
    executable = kinds["program"][0] if kinds["program"] else None
    return list(dict.fromkeys(cores)), executable, len(words) - len(kinds["program"]) > 1 or bool(kinds["directory"])


def _kind(word: str, alone: bool) -> str:
    if os.path.isdir(word):
        return "directory"
    if alone or not os.path.lexists(word):
        return "program" if not alone and "/" not in word and which(word) else "core"
    head = first_bytes(word, packed=True)
    program = head[:2] == b"#!" or (head[:4] == b"\x7fELF" and len(head) >= 18 and not is_core(head))
    return "program" if program else "core"


def _cores_below(directory: str) -> List[str]:
    """Return the core files in a directory and those below it, in the order of their names."""
    found = []
    for here, below, names in os.walk(directory):
        below.sort()
        for name in sorted(names):
            path = os.path.join(here, name)
            if os.path.isfile(path) and _looks_like_core(path):
                found.append(path)
    return found


def _looks_like_core(path: str) -> bool:
    try:
        return is_core(first_bytes(path))
    except CliError:
        return True  # compressed with what is not installed: `examine` says with what
