"""``fingdb run``: a whole run with its shutdown traced, nobody at the keyboard."""

from __future__ import annotations

from typing import List

from .arguments import Parser, add_gdb_option, need_program, seconds, split_program
from .errors import CliError

_VALUES = ("--output", "-o", "--timeout", "--gdb")

_USAGE = "[--json] [--output FILE] [--timeout S] [--gdb PATH] -- PROGRAM [ARGUMENTS]"

_DESCRIPTION = """\
Run a program, follow every step of CPython's finalization in it, and print the trace when it has ended.

The program runs as it would without fingdb: same standard streams, arguments, environment, files and signals.
The trace goes to standard error, or to FILE."""

_EPILOG = """\
exit status:
  that of the program; when a signal ended the program, fingdb ends by the same signal
  (a shell shows 128 + its number).  2, with one sentence on standard error: fingdb could not do the job."""


def run(arguments: List[str]) -> int:
    """Run ``fingdb run`` with these words and return the exit status (or end by the program's signal)."""
    own, program = split_program(arguments, _VALUES)
    parser = Parser("run", _USAGE, _DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument("--json", action="store_true", help="the report as a JSON document (fingdb-report/1)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report there; - is standard output")
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="stop the program after S seconds and say where it was"
    )
    add_gdb_option(parser)
    options = parser.parse_args(own)
    need_program(program, "run")

    from .tracing import ProgramEnd, run_traced

    end: ProgramEnd = run_traced("run", program, options.gdb, options.timeout, options.output, options.json)
    if end.error:
        raise CliError(end.error)
    return end.pass_on()
