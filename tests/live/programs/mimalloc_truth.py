"""Run with PYTHONMALLOC=mimalloc: say what is allocated, and what threads that have ended left, and stop.

    python mimalloc_truth.py RESULT.json

With a GIL CPython counts the blocks of the current thread only. That is the first thing done after the stop, and
nothing is allocated in between.
"""

import _thread
import json
import os
import signal
import sys

#: Sizes of blocks that nothing else in the threads asks for, and one (24 MB) that has a segment of its own.
SIZES = (3000, 6000, 40000, 400000)
HUGE = 24000000


def work(into, ended):
    """Leave every second object of each size."""
    for size in SIZES:
        made = [bytes(size) for _ in range(64)]
        into += made[::2]
        del made
    into.append(bytes(HUGE))
    ended.release()


def main():
    own = [[bytes(n) for n in range(1, 3000, 7)], [float(n) for n in range(5000)], bytes(HUGE)]
    del own[0][3:300:2], own[1][::3]
    left = []
    for _ in range(3):
        ended = _thread.allocate_lock()
        ended.acquire()
        _thread.start_new_thread(work, (left, ended))
        ended.acquire()
    # A thread leaves its memory when it ends, after all Python code of it.
    while len(os.listdir("/proc/self/task")) > 1:
        os.sched_yield()
    addresses = [[len(each), id(each)] for each in left]
    own_addresses = [id(each) for each in own[0]] + [id(own[2])]
    kill, me, stopped, blocks = os.kill, os.getpid(), signal.SIGSTOP, sys.getallocatedblocks
    kill(me, stopped); allocated = blocks()  # noqa: E702
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"allocated": allocated, "left": addresses, "own": own_addresses}, file)


if __name__ == "__main__":
    main()
