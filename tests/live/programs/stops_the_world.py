"""Three threads that run all the time; a stop (SIGSTOP), a collection in the main thread, and the end."""

import gc
import os
import signal
import threading
import time

RUNNING = [0, 0, 0]


def busy(number):
    while True:
        RUNNING[number] += 1


for number in range(3):
    threading.Thread(target=busy, args=(number,), daemon=True, name=f"busy{number}").start()
while not all(RUNNING):
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGSTOP)
gc.collect()
