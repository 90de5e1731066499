"""``fingdb heap``: the objects of a core or a running process by type."""

from __future__ import annotations

import argparse
from typing import Callable, Dict, List

from .arguments import Parser, add_gdb_option, seconds
from .command_attach import TIMEOUT as STANDSTILL
from .command_attach import look_at, process_of
from .core_examine import TIMEOUT, CoreOptions, examine
from .core_program import add_surroundings_options, surroundings_of
from .errors import CliError
from .gdb_program import find_gdb
from .output import Destination
from .temporary import tidy_end
from .waiting import waiting

_USAGE = """[--type TYPE] [--gen N|frozen] [--sort count|bytes|name] [--limit N] [--all]
                   [--json] [--output FILE] [--sysroot DIR] [--solib-path DIR[:DIR]]
                   [--timeout S] [--gdb PATH] CORE|PID [EXECUTABLE]"""

_DESCRIPTION = """\
Count the objects of a core file or a running process by type: how many, how large, in which generation of the
collector. A process is stopped for that moment, and goes on as if nothing had been.

A word of digits is a process (a core of such a name is ./1234); CORE may be compressed (gzip, xz, zstd, lz4)."""

_EPILOG = """\
exit status:
  0 when the heap was read;  2, with one sentence on standard error, when it could not be."""


def run(arguments: List[str]) -> int:
    """Run ``fingdb heap`` with these words and return the exit status."""
    parser = Parser("heap", _USAGE, _DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument("target", metavar="CORE|PID", help="a core file, or the id of a process")
    parser.add_argument("executable", metavar="EXECUTABLE", nargs="?", help="the program that left the core")
    parser.add_argument("--type", metavar="TYPE", help="only types of that name, its last part, or a pattern with *")
    parser.add_argument("--gen", choices=("0", "1", "2", "frozen"), help="only objects of that generation")
    parser.add_argument("--sort", choices=("count", "bytes", "name"), help="the order of the types (default: count)")
    parser.add_argument("--limit", metavar="N", type=_count, help="so many types, 0 for all (default: 20)")
    parser.add_argument("--all", action="store_true", help="also the allocator's blocks that no list of the collector has")
    parser.add_argument("--json", action="store_true", help="as a JSON document")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there (default: standard output)")
    add_surroundings_options(parser)
    parser.add_argument("--timeout", metavar="S", type=seconds, help="give up after S seconds")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    destination = Destination(options.output or "-", options.json)
    with tidy_end():
        with waiting("reading the heap") as meanwhile:
            answer = _answer(options, _job(options, destination), meanwhile)
        destination.write_text(str(answer.get("text", "")))
    return 0


def _answer(
    options: argparse.Namespace, job: Dict[str, object], meanwhile: Callable[[float], None]
) -> Dict[str, object]:
    if options.target.isdigit():
        if options.executable or options.sysroot or options.solib_path:
            raise CliError("heap: EXECUTABLE, --sysroot and --solib-path are for core files, not for a process")
        found = process_of(options.target, "heap")
        return look_at(found, find_gdb(options.gdb), options.timeout or STANDSTILL, meanwhile, job)
    where = surroundings_of(options)
    about = CoreOptions(find_gdb(options.gdb), where, options.executable, options.timeout or TIMEOUT, job)
    return examine(options.target, about, meanwhile=meanwhile)


def _job(options: argparse.Namespace, destination: Destination) -> Dict[str, object]:
    """Return the job for `pyfin batch`: the words of `pyfin heap`, and the terminal that its text is for."""
    words = [f"--{name}" for name in ("all", "json") if getattr(options, name)]
    for name in ("type", "gen", "sort", "limit"):
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}={value}"]
    styling, width = destination.terminal()
    return {"mode": "heap", "words": words, "json": options.json, "styling": styling, "width": width}


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of types")
    return int(text)
