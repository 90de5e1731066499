"""A daemon thread is in the middle of a write to stdout, whose lock it holds, when Python ends."""
import atexit
import os
import sys
import threading
import time

reader, writer = os.pipe()
os.dup2(writer, 1)
go = threading.Event()


def log():
    go.wait()
    sys.stdout.buffer.write(b"x" * (1 << 20))


threading.Thread(target=log, daemon=True).start()


@atexit.register
def last_words():
    go.set()
    time.sleep(0.3)
