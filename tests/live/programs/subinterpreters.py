"""Ends a subinterpreter, and leaves another one for finalization if asked to ("leave")."""

import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

first = interpreters.create()
interpreters.run_string(first, "import json")
second = interpreters.create()
interpreters.destroy(first)
if sys.argv[1:] != ["leave"]:
    interpreters.destroy(second)
