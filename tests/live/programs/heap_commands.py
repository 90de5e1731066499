"""A few objects of a type of its own, then a stop; with "damage", one with a wrong back link and one with a wrong type;
with "short", one that counts two references of three and one that counts none too few."""

import ctypes
import gc
import os
import signal
import sys


class Marker:
    def __init__(self, number):
        self.number = [number]


gc.collect()
gc.disable()
KEEP = [Marker(number) for number in range(123)]
VICTIM, OTHER = ["victim"], {"other": []}
if sys.argv[1:] == ["damage"]:
    ctypes.c_size_t.from_address(id(VICTIM) - 8).value = 0x1230
    ctypes.c_size_t.from_address(id(OTHER) + object.__basicsize__ - 8).value = 0x40
    print(hex(id(VICTIM)), hex(id(OTHER)), flush=True)
if sys.argv[1:] == ["short"]:
    HOLDERS = {"held": VICTIM}, (VICTIM, OTHER)
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(VICTIM))
    print(hex(id(VICTIM)), sys.getrefcount(VICTIM) - 1, hex(id(HOLDERS[0])), hex(id(HOLDERS[1])), flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
