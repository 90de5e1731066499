"""An object that took its lock for good, and wants it again when it dies."""
import threading


class Journal:
    def __init__(self):
        self.lock = threading.Lock()

    def begin(self):
        self.lock.acquire()

    def __del__(self):
        with self.lock:
            pass


journal = Journal()
journal.begin()
print("ready", flush=True)
