"""Objects of many kinds that hold others, all counted properly, and one that never dies; stops itself then."""

import collections
import ctypes
import enum
import functools
import gc
import itertools
import os
import re
import signal
import socket
import sys
import threading
import types
import xml.etree.ElementTree as ElementTree


class Attributes:
    def __init__(self, number):
        self.first, self.second = f"value-{number}", [number] * 3


class Slots:
    __slots__ = ("one", "__weakref__")


class Color(enum.Enum):
    RED = "red-one"


def generator(given, more):
    other = given
    while True:
        other = yield (given, other, more)


def outer(given):
    def inner(more):
        return given, more, KEPT

    return inner


KEPT = []
for number in range(10):
    KEPT += [outer(Attributes(number)), functools.partial(outer, Attributes(number))]
    KEPT.append(generator(object(), str(number) * 5))
    next(KEPT[-1])
    KEPT[-1].send(Attributes(number))
    # The code of a class statement is dead at its end: what it had is on free lists.
    exec(f"class Made{number}:\n one = {number}\n def f(self): return __class__\nKEPT.append(Made{number}())")
KEPT += [collections.OrderedDict(a=Attributes(1)), collections.deque([Attributes(2)] * 3), frozenset({"xx-1", "yy-2"})]
KEPT += [collections.defaultdict(list, a=[1]), types.SimpleNamespace(a=Attributes(4)), functools.lru_cache(4)(outer)]
KEPT[-1](Attributes)
KEPT += [itertools.chain([Attributes(5)], generator(1, 2)), iter({"a": 1}), enumerate([Attributes(1)]), zip([1], [Attributes(2)])]
KEPT += [map(str, [Attributes(3)]), reversed([1, 2]), re.compile("a(b)c"), memoryview(bytearray(b"abc"))]
KEPT += [types.MappingProxyType({"a": Attributes(1)}), slice(Attributes(1), None)]
KEPT += [property(outer), staticmethod(outer), classmethod(outer), Slots()]
KEPT += [Attributes(1).__dict__, ElementTree.fromstring("<a><b c='d'/></a>")]
KEPT += [sys.intern("kept-by-a-list-%d" % 6), *socket.socketpair()]
try:
    try:
        raise ValueError
    except ValueError as error:
        raise KeyError(Attributes(9)) from error
except KeyError as error:
    KEPT.append(error)
READY, END = threading.Event(), threading.Event()


def work(*given, **more):
    local = [given, more]
    READY.set()
    END.wait()
    return local


threading.Thread(target=work, args=(Attributes(7),), kwargs={"z": Attributes(8)}, daemon=True).start()
READY.wait()


class Held(list):
    pass


class Immortal:
    def __init__(self):
        self.held = Held()


make_immortal = getattr(ctypes.pythonapi, "_Py_SetImmortal", None)
if make_immortal is not None:
    make_immortal.argtypes, make_immortal.restype = [ctypes.py_object], None
    make_immortal(Immortal())
    gc.collect()  # lets go of it
    print("with an immortal one", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
