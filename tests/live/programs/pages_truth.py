"""Say the truth about objects that many threads made, freed for each other and left behind, and stop at each stage.

    python pages_truth.py RESULT.json

For free-threaded builds. The list of all objects is kept until after the stop: it is the only tracked object made in
between (its Counter is made afterwards). ``sys.getallocatedblocks()`` is the first thing after the stop. Other
threads wait for locks or are gone.
"""

import _thread
import collections
import gc
import json
import os
import signal
import sys
import threading
import weakref

RECORDS = []


class Slots:
    __slots__ = ("first", "second")


class Attributes:
    """A header before the object: managed dict and weak references."""

    def __init__(self, number):
        self.number = number


class Words(dict):
    pass


class Row(tuple):
    pass


class Shouting:
    """Is resurrected by its finalizer."""

    def __del__(self):
        HEARD.append(self)


HEARD = []


def counted(n):
    yield n


def make(count):
    """Objects of the collector in many sizes, and others."""
    kept = [Slots() for _ in range(count)]
    kept += [Attributes(n) for n in range(count)]
    kept += [Words({n: n, str(n): []}) for n in range(count // 10)]
    kept += [Row([n] * (n % 60)) for n in range(count // 2)]
    kept += [([], n) for n in range(count)]
    kept += [{str(k): [k] for k in range(n)} for n in (0, 1, 5, 6, 30, 100, 1000)]
    kept += [(lambda: kept) for _ in range(count // 5)] + [counted(n) for n in range(count // 10)]
    kept += [type("Made", (), {"number": n}) for n in range(20)] + [weakref.ref(kept[count])]
    # Pages of one block each, and (24 MB) segments of their own.
    kept += [(None, []) * n for n in (100, 1000, 5000, 20000, 300000)] + [(kept,) * 3000000]
    kept += [float(n) for n in range(500)] + [bytes(n) for n in range(600)] + [1 << n for n in range(300)]
    del kept[3 : count // 2 : 2], kept[-3000:-1100:3]
    return kept


def stop(label):
    kill, me, stopped, blocks = os.kill, os.getpid(), signal.SIGSTOP, sys.getallocatedblocks
    objects = gc.get_objects()
    kill(me, stopped); allocated = blocks()  # noqa: E702
    types = collections.Counter(type(o).__name__ for o in objects)
    types["list"] += 1  # the list of them
    RECORDS.append({
        "label": label, "types": dict(types), "objects": len(objects) + 1, "allocated": allocated,
        "frozen": gc.get_freeze_count(), "addresses": sorted(map(id, objects)),
    })


def work(into, ready, gate):
    mine = make(2000)
    mine.append(mine)
    into.append(mine)
    ready.release()
    gate.acquire()


def start(count, into, gate):
    threads = []
    for _ in range(count):
        ready = _thread.allocate_lock()
        ready.acquire()
        threads.append(threading.Thread(target=work, args=(into, ready, gate)))
        threads[-1].start()
        ready.acquire()
    return threads


def end(threads, gate):
    for _ in threads:
        gate.release()
        for thread in threads:
            thread.join(0.02)
    for thread in threads:
        thread.join()


def main():
    gc.set_threshold(1000000, 7, 3)
    own = make(3000)
    stop("one thread")
    gate = _thread.allocate_lock()
    gate.acquire()
    shared = []
    threads = start(4, shared, gate)
    stop("four threads")
    # What others made is freed here: into lists of their pages, and of their heaps where those are full.
    for made in shared:
        del made[::2], made[1 : len(made) // 2]
    stop("freed for others")
    end(threads, gate)
    stop("threads ended")
    more = make(500)
    stop("their memory taken over")
    later = start(3, shared, gate)
    end(later, gate)
    del shared[::2]
    HEARD.clear()
    gc.collect()
    stop("collected")
    gc.freeze()
    fresh = [[] for _ in range(1234)] + [Shouting() for _ in range(5)]
    del fresh[-5:]
    stop("frozen")
    gc.unfreeze()
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(RECORDS, file)
    assert own and more


if __name__ == "__main__":
    main()
