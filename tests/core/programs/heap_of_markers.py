"""So many objects of a type of its own, and then nothing more."""

import time


class Marker:
    pass


KEEP = [Marker() for _ in range(77)]
print("ready", flush=True)
time.sleep(300)
