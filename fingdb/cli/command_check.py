"""``fingdb check``: run a program and report what it touched too late."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional

from .arguments import Parser, add_gdb_option, need_program, seconds, split_program
from .errors import CliError

if TYPE_CHECKING:
    from .children import Family
    from .tracing import ProgramEnd

_VALUES = ("--output", "-o", "--timeout", "--gdb")

_USAGE = "[--json] [--output FILE] [--timeout S] [--leaks] [--follow-children] [--gdb PATH] -- PROGRAM [ARGUMENTS]"

_DESCRIPTION = """\
Run a program and report everything that ran after what it needs was gone: calls of a subsystem of CPython
after its end, calls of the C API after Py_FinalizeEx, threads that ask for the GIL too late.

Each finding is blamed on a function and a library. The report goes to standard error, or to FILE.

With --leaks what survives the last collection is a finding too: objects that a C variable keeps, references that
were never given back, cycles that a tp_traverse hides.

With --follow-children every Python that the program forks or executes is checked as well, by a gdb of its own.
Such a process is stopped for a moment when it begins, which its parent sees as a SIGCHLD. What still runs a
minute after the program has ended (or when the time of --timeout is over) is let go, and the report says so."""

_EPILOG = """\
exit status:
  1 when there is a finding of severity warning or error, such as a hang of the shutdown when the time of --timeout
  is over;  2, with one sentence on standard error, when fingdb could not do the job, or the program was killed for
  its time with nothing found;  otherwise that of the program."""


def run(arguments: List[str]) -> int:
    """Run ``fingdb check`` with these words and return the exit status (or end by the program's signal)."""
    own, program = split_program(arguments, _VALUES)
    parser = Parser("check", _USAGE, _DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument("--json", action="store_true", help="the report as a JSON document (fingdb-report/1)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report there; - is standard output")
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="after S seconds say what the program waits for, and kill it"
    )
    parser.add_argument("--leaks", action="store_true", help="report objects that survive the last collection too")
    parser.add_argument("--follow-children", action="store_true", help="check the Pythons that the program starts too")
    add_gdb_option(parser)
    options = parser.parse_args(own)
    need_program(program, "check")

    from .tracing import run_traced

    def traced(family: "Optional[Family]") -> "ProgramEnd":
        return run_traced("check", program, options.gdb, options.timeout, options.output, options.json, family, options.leaks)

    if options.follow_children:
        from .children import Family
        from .temporary import temporary_directory

        with temporary_directory() as directory:
            end = traced(Family(directory, options.gdb, options.timeout))
    else:
        end = traced(None)
    if end.error:
        raise CliError(end.error)
    if end.found:
        return 1
    return end.pass_on()
