"""Prints where some objects lie and what they are, and stops. One line of JSON: name -> facts."""

import gc
import json
import os
import signal
import sys


class Point:
    """An instance with two attributes, one of them hostile to terminals."""

    def __init__(self):
        self.x = [1, -2.5, None, True]
        self.label = "\x1b[31mred\u202e"


def function(argument, other=("default",)):
    return argument, other


POINT = Point()
NESTED = {"a": [[[[1]]]], 2: (3,), b"c": {4}}
SELF = []
SELF.append(SELF)
HUGE = [None] * 1000
FROZEN = frozenset(["only"])
MODULE = os
#: The module has the only reference to it: what is counted beyond that are the references of the call.
ONLY = object()


def facts(one):
    return {
        "address": hex(id(one)),
        "type": type(one).__name__,
        "refcount": sys.getrefcount(one),
        "tracked": gc.is_tracked(one),
        "repr": ascii(one),
    }


def main():
    names = ["POINT", "Point", "function", "NESTED", "SELF", "HUGE", "FROZEN", "MODULE"]
    gc.collect()
    told = {}
    for name in names:
        told[name] = facts(globals()[name])
        told[name]["refcount"] -= facts(globals()["ONLY"])["refcount"] - 1
    old = {id(o) for o in gc.get_objects(generation=2)}
    for name in names:
        told[name]["generation"] = 2 if int(told[name]["address"], 16) in old else -1
    print(json.dumps(told), flush=True)
    os.kill(os.getpid(), signal.SIGTRAP)


main()
