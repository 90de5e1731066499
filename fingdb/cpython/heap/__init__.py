"""The whole heap at once: all objects of the collector, and all blocks of pymalloc in use.

Nothing is imported here: a run wants one list followed, and not what is read of whole heaps.
"""
