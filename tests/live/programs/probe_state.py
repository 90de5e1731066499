"""Reads the runtime's numbers with gdb's own expressions, for comparison with what a stop says has changed.

Sourced in gdb; defines probe(), which prints one line of JSON. Nothing of fingdb is used.
"""

import json

import gdb


def value(*expressions):
    """Return the first of some expressions that this version has, as a number; None if it has none."""
    for expression in expressions:
        try:
            return int(gdb.parse_and_eval(expression))
        except (gdb.error, gdb.MemoryError):
            continue
    return None


def probe():
    """Print modules, counts, thread states and flags of the main interpreter."""
    head = value("(long)_PyRuntime.interpreters.head")
    found = {"interpreter": bool(head), "initialized": bool(value("_PyRuntime.initialized"))}
    if head:
        main = "_PyRuntime.interpreters.head"
        dictionary = value("(long)%s->modules" % main, "(long)%s->imports.modules" % main)
        found["modules"] = value("((PyDictObject*)%d)->ma_used" % dictionary) if dictionary else None
        found["counts"] = [
            value("%s->gc.generations[%d].count" % (main, i), "_PyRuntime.gc.generations[%d].count" % i)
            for i in range(3)
        ]
        thread, threads = value("(long)%s->tstate_head" % main, "(long)%s->threads.head" % main), 0
        while thread:
            threads += 1
            # Free-threaded builds: each thread adds what it has made to the count from time to time.
            if found["counts"][0] is not None:
                found["counts"][0] += value("((_PyThreadStateImpl*)%d)->gc.alloc_count" % thread) or 0
            thread = value("(long)((PyThreadState*)%d)->next" % thread)
        found["threads"] = threads
    print("PROBE " + json.dumps(found))
