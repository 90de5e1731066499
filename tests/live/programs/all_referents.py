"""Writes what gc.get_referents says of every object to a file, and stops.

The file (its name is the argument) holds numbers of eight bytes: for each object its address, how many referents
it has, and their addresses. Nothing that the collector knows is made or changed between the first and the stop.
"""

import array
import asyncio
import collections
import contextvars
import datetime
import decimal
import functools
import gc
import io
import itertools
import json
import os
import re
import signal
import sys
import threading
import types
import weakref


class Plain:
    """Attributes in a split table or inline."""

    def __init__(self):
        self.first = [1, 2]
        self.second = {"key": ()}


class Slotted:
    __slots__ = ("left", "right", "__weakref__")


class SlottedChild(Slotted):
    __slots__ = ("more", "__dict__")


class Meta(type):
    """A metaclass whose classes have attributes of their own."""


class WithMeta(metaclass=Meta):
    attribute = ["of the class"]


class TupleChild(tuple):
    """Items and a dict behind them."""


class DictChild(dict):
    """A dict with attributes."""


class ListChild(list):
    """A list with attributes."""


class IntChild(int):
    """A dict behind the digits."""


class Problem(Exception):
    """An exception of our own."""


def generator(argument):
    value = [argument]
    other = yield value
    return other


async def coroutine(argument):
    await asyncio.sleep(argument)


async def asynchronous(argument):
    yield [argument]


def closure():
    cell = [1]

    def inner(x=(), *, y=None):
        return cell, x, y

    return inner


def raised():
    try:
        raise Problem("with a traceback")
    except Problem as error:
        return error


def chained():
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise OSError(2, "no such file", "name") from error
    except OSError as error:
        return error


def many():
    """Return one or more of each."""
    plain = Plain()
    materialized = Plain()
    kept_dict = materialized.__dict__
    keyed = Plain()
    keyed.third = []
    del keyed.first
    slotted, child = Slotted(), SlottedChild()
    slotted.left = []
    child.more, child.right, child.free = [], {}, ()
    mixed = {1: [], "a": {}, None: ()}
    searched = {"only": [], "strings": {}}
    searched.get(5)
    removed = {f"k{i}": [] for i in range(20)}
    for i in range(0, 20, 3):
        del removed[f"k{i}"]
    numbers = {i: [i] for i in range(500)}
    del numbers[250]
    deque = collections.deque([[i] for i in range(200)])
    for _ in range(77):
        deque.popleft()
    started = generator("started")
    next(started)
    finished = generator("finished")
    list(finished)
    names = set("abcdefgh")
    names.discard("c")
    compiled = re.compile("a(b)c")
    tup = TupleChild(([], {}))
    tup.attribute = []
    dic = DictChild(a=[])
    dic.attribute = []
    lis = ListChild([[], []])
    lis.attribute = {}
    num = IntChild(1 << 100)
    num.attribute = []
    not_started = coroutine(1)
    not_started_2 = asynchronous(1)
    exhausted = iter([1])
    list(exhausted)
    ordered = collections.OrderedDict([("a", []), ("b", {})])
    stream = io.TextIOWrapper(io.BufferedReader(io.FileIO(os.devnull)))
    local = threading.local()
    local.value = []
    return [
        plain, materialized, kept_dict, keyed, slotted, child, mixed, searched, removed, numbers, deque, started,
        finished, names, compiled, tup, dic, lis, num, not_started, not_started_2, exhausted, ordered, stream, local,
        WithMeta(), frozenset([(1, 2), "x"]), closure(), generator("new"), raised(), chained(),
        [].append, plain.__init__, Plain.__init__, str.join, "".join, dict.fromkeys, object.__init__,
        [1].__init__, types.MappingProxyType({"a": []}), types.SimpleNamespace(a=[]), property(closure(), doc="text"),
        classmethod(closure()), staticmethod(closure()), super(Plain, plain), slice([], {}, ()), iter([[]]),
        iter(([],)), iter({"a": []}), iter({"a": []}.values()), iter({"a": []}.items()), {"a": []}.keys(),
        {"a": []}.values(), {"a": []}.items(), iter({(1,)}), reversed([[]]), enumerate([[]]), zip([[]], [{}]),
        map(closure(), [[]]), filter(closure(), [[]]), iter(closure(), []), functools.partial(closure(), [], a={}),
        functools.lru_cache(closure()), itertools.chain([[]], [{}]), itertools.cycle([[]]), itertools.count([].__len__()),
        weakref.ref(plain), weakref.ref(plain, closure()), weakref.proxy(plain), weakref.WeakKeyDictionary({plain: []}),
        weakref.WeakValueDictionary({"a": plain}), collections.defaultdict(list, a=[]), collections.Counter("aab"),
        contextvars.ContextVar("variable", default=()), contextvars.copy_context(), datetime.datetime.now(datetime.timezone.utc),
        decimal.Decimal("1.5"), json.JSONDecoder(), io.StringIO("x"), io.BytesIO(b"x"), memoryview(bytearray(b"x")),
        os.stat("/"), sys.flags, sys.version_info, threading.Thread(target=closure()), range(10 ** 30),
        StopIteration([]), SystemExit([]), ImportError("x", name="n", path=[]), UnicodeDecodeError("x", b"", 0, 1, "y"),
        types.ModuleType("new"), types.MethodType(closure(), []), sys._getframe(), Exception([], {}),
    ]


def record(numbers, found, everything):
    for one in everything:
        if one is everything or one is numbers:
            continue
        numbers.append(id(one))
        place = len(numbers)
        numbers.append(0)
        for found in gc.get_referents(one):
            numbers.append(id(found))
        numbers[place] = len(numbers) - place - 1


def main():
    gc.disable()
    numbers, kept = array.array("Q"), many()
    everything = gc.get_objects()
    # What the collector does not have in its lists has referents as well.
    everything.extend(o for o in kept)
    with open(sys.argv[1], "wb", buffering=0) as file:
        record(numbers, None, everything)
        file.write(numbers)
    os.kill(os.getpid(), signal.SIGTRAP)


main()
