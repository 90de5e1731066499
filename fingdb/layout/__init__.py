"""Where the members of CPython's structures lie in the target.

`fields` is the table of what the readers need, `Layout` answers from debug information, from the
cache of an earlier look at the same build, or from ``_Py_DebugOffsets``.
"""
