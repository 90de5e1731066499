"""Say the truth about this very process, and stop where a debugger can be asked the same.

    python truth.py RESULT.json

At each stop (SIGSTOP, raised by the program) the process is in a state that the program itself
measures exactly; when it goes on it measures the rest, and at its end it writes one record per
stop to RESULT.json. What can be measured after the stop is: nothing but the program's own next
line runs in between, since all other threads wait for locks and the switch interval is endless.

What must be measured before the stop, and why the numbers are still exact:

- The objects of each generation. ``gc.get_objects(generation=n)`` leaves out the list it returns,
  and the three lists are kept in local variables until after the stop: they are the only objects
  made in between, tracked, in generation 0. So generation 0 of the stopped process holds exactly
  three lists more than ``young``, and the others what their lists say. Keeping the lists keeps
  every object alive, so no type count can change either.
- No collection may run between measuring and stopping: the threshold of generation 0 is set
  beyond what the program allocates (which the debugger must see as well).

A free-threaded build has one generation, whatever ``gc.get_objects`` is asked for: all objects are the first one's. Each
thread counts for itself what it makes until ``gc.get_count()`` is called in it, so that the threads that wait call it
(twice: the first tuple that they get may be new, and counts).

``gc.get_count()`` is called as the first thing after the stop: it reads the counts before it makes
its tuple, and nothing was allocated since the stop. The Python stack is taken in the same source
line that stops, so that the line numbers agree.
"""

import _thread
import collections
import functools
import gc
import json
import os
import signal
import sys
import threading
import types

RECORDS = []
#: Built with --disable-gil.
FREE_THREADED = "t" in sys.abiflags


def describe(frame):
    """The stack as CPython itself tells it, innermost first."""
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return stack


def stop(label):
    # os.kill keeps the GIL (signal.raise_signal lets go of it in some versions).
    kill, me, stopped = os.kill, os.getpid(), signal.SIGSTOP
    get_count, get_objects, get_frame = gc.get_count, gc.get_objects, sys._getframe
    young = get_objects(generation=0)
    middle = [] if FREE_THREADED else get_objects(generation=1)
    old = [] if FREE_THREADED else get_objects(generation=2)
    kill(me, stopped); count = get_count(); stack = describe(get_frame())  # noqa: E702
    record(label, (young, middle, old), count, stack)


def record(label, generations, count, stack):
    young, middle, old = generations
    kinds = collections.Counter(type(o).__name__ for group in generations for o in group)
    kinds["list"] += 3  # the three lists themselves
    frames = sys._current_frames()
    me = threading.get_ident()
    RECORDS.append({
        "label": label,
        "version": "%d.%d.%d" % sys.version_info[:3],
        "count": list(count),
        "threshold": list(gc.get_threshold()),
        "enabled": gc.isenabled(),
        "frozen": gc.get_freeze_count(),
        "objects": [len(young) + 3, len(middle), len(old)],
        "types": dict(kinds),
        "modules": list(sys.modules),
        "threads": [
            {"ident": t.ident, "native_id": t.native_id, "name": t.name, "daemon": t.daemon}
            for t in threading.enumerate()
        ],
        "idents": sorted(frames),
        "stacks": {str(ident): stack if ident == me else describe(frame) for ident, frame in frames.items()},
    })


# -- things that are hard to read ------------------------------------------------------------------
class Ünïcödé:
    """A type whose name is not ASCII."""


class Slots:
    __slots__ = ("first", "__weakref__")


class Same:
    """Two types of the same name count together."""


OTHER_SAME = type("Same", (), {})
DOTTED = type("dotted.name", (dict,), {})
BIG = type("名" * 3 + "\U0001F40D", (list,), {})

KEEP = [
    Ünïcödé(), Slots(), Same(), OTHER_SAME(), DOTTED(a=1), BIG([1]), types.SimpleNamespace(x=1),
    {i: [i] for i in range(400)}, {str(i): (i, []) for i in range(70000)}, functools.partial(print, 1),
    [{i} for i in range(10)], (c for c in "ab"), lambda: KEEP,
]
KEEP.append(KEEP)


class Worker(threading.Thread):
    """A thread with attributes of its own, one of them before Thread's."""

    def __init__(self, name, daemon, gate):
        self.extra = name
        super().__init__(name=name, daemon=daemon)
        self.gate = gate
        self.ready = _thread.allocate_lock()
        self.ready.acquire()

    def run(self):
        self.inner(1)

    def inner(self, depth):
        if depth < 3:
            return self.inner(
                depth
                + 1
            )
        gc.get_count()
        gc.get_count()
        # With an endless switch interval this thread runs on until it waits for the gate.
        self.ready.release()
        return self.gate.acquire()


def raw_thread(ready, gate):
    """A thread that the threading module knows nothing of."""
    gc.get_count()
    gc.get_count()
    ready.release()
    gate.acquire()


def start_threads(gate):
    named = (("plain", False), ("dæmon", True), ("线程\U0001F40D", True))
    workers = [Worker(name, daemon, gate) for name, daemon in named]
    workers[1].__dict__["more"] = 1  # its attributes now live in a dict object
    for worker in workers:
        worker.start()
        worker.ready.acquire()
    ready = _thread.allocate_lock()
    ready.acquire()
    _thread.start_new_thread(raw_thread, (ready, gate))
    ready.acquire()
    return workers


# -- a stack with every kind of frame --------------------------------------------------------------
def generator(label):
    yield 1
    yield (
        1,
        2,
        through_c(label),
    )


def through_c(label):
    # sorted() calls back from C: a new evaluation loop, an entry or shim frame from 3.11 on.
    return sorted([1], key=lambda item: closure(label)(
        item))


def closure(label):
    cell = label

    def inner(item):
        return [method_call(cell) for _ in (item,)]

    return inner


class Klass:
    @classmethod
    def method(cls, label):
        try:
            raise ValueError(label)
        except ValueError:
            namespace = {"stop": stop, "label": label}
            source = "def ünïcödé(x):\n\n    return stop(\n        x)\n" + "\n" * 300 + "ünïcödé(label)\n"
            exec(source, namespace)


def method_call(label):
    return Klass.method(label=label)


def deep(depth, label):
    if depth:
        deep(depth - 1, label)
    else:
        for _ in generator(label):
            pass


def main():
    sys.setswitchinterval(1e6)
    gc.set_threshold(1000000, 7, 3)
    gate = _thread.allocate_lock()
    gate.acquire()
    workers = start_threads(gate)
    sys.modules["an.entry.set.to.none"] = None
    cleared = types.ModuleType("cleared")
    for key in list(cleared.__dict__):
        cleared.__dict__[key] = None
    sys.modules["cleared"] = cleared
    sys.modules["no_module"] = Same()
    deep(40, "deep")
    gc.collect(0)
    garbage = [[] for _ in range(5000)]
    gc.collect(1)
    gc.freeze()
    gc.disable()
    del garbage[:]
    stop("frozen")
    gc.enable()
    gc.collect()
    stop("collected")
    sys.setswitchinterval(0.005)
    del sys.modules["an.entry.set.to.none"], sys.modules["cleared"], sys.modules["no_module"]
    for _ in range(4):
        gate.release()
        for worker in workers:
            if worker.is_alive():
                worker.join(0.05)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(RECORDS, file)


if __name__ == "__main__":
    main()
