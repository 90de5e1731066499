"""``fingdb compare``: the order of finalization of two interpreters, or of two recorded runs, side by side."""

from __future__ import annotations

from typing import List

from .arguments import Parser, add_gdb_option
from .output import Destination
from .waiting import progress_on_stderr

_USAGE = "[--json] [--all] [-o FILE] [--gdb PATH] A B"

_DESCRIPTION = """\
Put the shutdown steps of A and B side by side: which moved (and which others they now run before or after), are new,
are gone, changed their phase or their name. Neither is run.

A and B are interpreters, as `fingdb plan` takes them (a path, a name on PATH, a version such as 3.12), or traces
(the files that `fingdb run --json --output FILE` writes). Traces also tell how often each step ran, and the numbers
of objects by type when each was last counted."""

_EPILOG = """\
A step is the same on both sides if it has the same task, whatever its name; as few steps as can be count as moved.

exit status, as diff(1) has it:
  0  the same steps in the same order and phases (names, counts and numbers of objects may differ)
  1  the order differs
  2  fingdb could not do the job; one sentence on standard error says why"""


def run(arguments: List[str]) -> int:
    """Run ``fingdb compare`` with these words and return the exit status."""
    parser = Parser("compare", _USAGE, _DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument("a", metavar="A", help="an interpreter, or a trace")
    parser.add_argument("b", metavar="B", help="another one")
    parser.add_argument("--json", action="store_true", help="as a JSON document (fingdb-compare/1)")
    parser.add_argument("--all", action="store_true", help="list the steps that stayed where they were, too")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="write there (default: standard output)")
    add_gdb_option(parser)
    options = parser.parse_args(arguments)
    destination = Destination(options.output, options.json)

    from .comparing import compare

    with progress_on_stderr("reading the code of the interpreters, seconds:") as progress:
        comparison = compare(options.a, options.b, options.gdb, progress.update)

    from ..report.comparison_text import comparison_to_dict, render_comparison
    from ..report.records import dumps
    from ..report.style import Style

    if options.json:
        destination.write_text(dumps(comparison_to_dict(comparison)) + "\n")
    else:
        styling, width = destination.terminal()
        destination.write_text(render_comparison(comparison, Style(styling), width, options.all) + "\n")
    return 1 if comparison.differs else 0
