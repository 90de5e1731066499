import threading
import time


def poll():
    while True:
        time.sleep(0.0005)


for _ in range(2):
    threading.Thread(target=poll, daemon=True).start()
time.sleep(0.05)
