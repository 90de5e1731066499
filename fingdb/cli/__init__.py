"""The ``fingdb`` program outside the debugger: finds gdb, starts it, passes its verdict on.

One file per subcommand, imported only when that subcommand was asked for: the time before gdb
starts is time the user waits.
"""

from __future__ import annotations

import sys
from typing import List, Optional


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the program with these arguments (those of the process if None) and return its exit status.

    The statuses are those of the table in ``fingdb --help``. ``fingdb run`` may instead end the process
    by the signal that ended the debuggee.
    """
    from .dispatch import dispatch

    return dispatch(sys.argv[1:] if arguments is None else arguments)
