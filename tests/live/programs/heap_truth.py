"""Say the truth about the objects of this very process, and stop where a debugger can be asked the same.

    python heap_truth.py RESULT.json

As in truth.py: the three lists of objects are kept until after the stop, so nothing that they name can go away, and
they are the only tracked objects made in between. ``sys.getallocatedblocks()`` is called as the first thing after the
stop: it counts before it makes its result, and nothing was allocated since. Sizes are measured after the stop: they
are of the objects that the lists keep.
"""

import collections
import functools
import gc
import json
import os
import signal
import sys
import sysconfig

WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class Slots:
    __slots__ = ("first", "second", "__weakref__")


class Attributes:
    def __init__(self, number):
        self.number = number


class More(Attributes):
    """Instances keep a dict of their own."""

    def __init__(self, number):
        self.__dict__["more than a name"] = number


class Words(dict):
    pass


class Row(tuple):
    pass


class Numbers(list):
    def __init__(self, *words):
        list.__init__(self, *words)
        self.extra = 1


def counted(n):
    yield n


def make():
    """Objects of all sorts and sizes, more of them than a gdb.Value walk would like."""
    kept = [range(n) for n in range(2345)]  # not objects of the collector, and nobody else keeps one
    kept += [Slots() for _ in range(321)]
    kept += [Attributes(n) for n in range(1234)]
    kept += [More(n) for n in range(99)]
    kept += [Words({n: n, str(n): 1}) for n in range(77)]
    kept += [Row(range(n % 5)) for n in range(88)]
    kept += [Numbers(range(n % 7)) for n in range(66)]
    kept += [(n, [n]) for n in range(2000)]
    kept += [{str(k): [] for k in range(n)} for n in (0, 1, 5, 6, 10, 11, 30, 100, 1000, 5000)]
    kept += [{k: k for k in range(n)} for n in (1, 5, 6, 100, 1000)]
    kept += [{(k, [k][0]) for k in range(n)} for n in (0, 1, 4, 5, 8, 20, 100, 1000)]
    kept += [frozenset((k, str(k)) for k in range(n)) for n in (1, 4, 5, 8, 20, 1000)]
    kept += [[] for _ in range(10)] + [list(range(n)) for n in (1, 2, 9, 1000)]
    kept += [collections.deque(range(n)) for n in (0, 1, 200)]
    kept += [functools.partial(make), collections.OrderedDict(a=1, b=2), (c for c in "ab"), lambda: kept, type("Made", (), {})]
    kept += [counted(n) for n in range(5)] + [collections.defaultdict(list), memoryview(b"abc"), iter([1]), property()]
    kept += [float(n) for n in range(500)] + [bytes(n) for n in range(600)] + ["x" * n + "é" for n in range(600)]
    kept += [(1 << n) - 1 for n in range(300)] + [-(1 << 70), bytearray(b"abc"), "\u2028" * 9, "\U00010000" * 9]
    for entry in kept:
        if type(entry) is dict and len(entry) > 500:
            for key in list(entry)[::3]:
                del entry[key]
    return kept


def stop():
    # os.kill keeps the GIL; threads there are none.
    kill, me, stopped, blocks = os.kill, os.getpid(), signal.SIGSTOP, sys.getallocatedblocks
    if WITHOUT_GIL:  # no generations
        young, middle, old = gc.get_objects(), [], []
    else:
        young = gc.get_objects(generation=0)
        middle = gc.get_objects(generation=1)
        old = gc.get_objects(generation=2)
    kill(me, stopped); allocated = blocks()  # noqa: E702
    return (young, middle, old), allocated


def main():
    gc.set_threshold(1000000, 7, 3)
    gc.freeze()
    frozen = gc.get_freeze_count()
    kept = make()
    gc.collect(0)
    middle = make()
    gc.collect(1)
    gc.collect(0)
    young = [[{}] for _ in range(2500)]
    with open(sys.argv[1] + ".chosen", "w", encoding="utf-8") as file:
        json.dump([str(id(o)) for o in kept[::3] if type(o) in (int, str, bytes, float, bytearray, range, tuple)], file)
    (groups, allocated) = stop()
    counts = [dict(collections.Counter(type(o).__name__ for o in group)) for group in groups]
    counts[0]["list"] = counts[0].get("list", 0) + 3
    sizes = collections.Counter()
    for group in groups:
        for entry in group:
            sizes[type(entry).__name__] += sys.getsizeof(entry)
    for group in groups:
        sizes["list"] += sys.getsizeof(group)
    chosen = {str(id(o)): [sys.getsizeof(o), type(o).__name__] for o in kept}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({
            "generations": counts, "frozen": frozen, "allocated": allocated, "sizes": dict(sizes), "chosen": chosen,
            "ranges": sum(type(o) is range for o in kept + middle), "young": len(young),
        }, file)


if __name__ == "__main__":
    main()
