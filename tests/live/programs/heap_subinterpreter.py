"""A subinterpreter (from 3.12 on with an allocator of its own) with 77 objects of its type; then a stop, and the count."""

import os
import signal
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

other = interpreters.create()
interpreters.run_string(other, "class Inner: pass\nkeep = [Inner() for _ in range(77)]")
kill, me, stopped, blocks = os.kill, os.getpid(), signal.SIGSTOP, sys.getallocatedblocks
kill(me, stopped); allocated = blocks()  # noqa: E702
print("allocated", allocated, flush=True)
