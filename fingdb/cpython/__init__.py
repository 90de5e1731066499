"""Readers of CPython's structures: plain records out of the target's memory.

A reader never raises on bad memory and never hangs on a corrupt list: it returns what it could
read and says what it could not.
"""
