"""Prints addresses of things of every kind, one `name 0x…` a line, and stays."""

import ctypes
import sys
import threading
import time


class Victim:
    __slots__ = tuple(f"member_{number}" for number in range(37))


class Plain:
    pass


keep = []
text = sys.intern("a text for whatis")
table = {"one": 1}
point = Plain()
keep += [text, table, point]
print("null", hex(0))
print("dict", hex(id(table)))
print("text", hex(id(text)))
print("none", hex(id(None)))
print("heap_type", hex(id(Plain)))
print("static_type", hex(id(dict)))
print("instance", hex(id(point)))
print("module", hex(id(threading)))
victims = [Victim() for _ in range(64)]
print("freed", hex(id(victims[32])))
print("code", hex(ctypes.cast(ctypes.pythonapi.PyLong_FromLong, ctypes.c_void_p).value))
print("fill", hex(0xDDDDDDDDDDDDDDDD))
print("unmapped", hex(0x10000))
print("ready", flush=True)
victims[32] = None  # nothing else is of that size
time.sleep(1000)
