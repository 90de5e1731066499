"""A finalizer that takes a lock which the code it interrupted holds."""
import atexit
import threading

lock = threading.Lock()


class Connection:
    def __init__(self):
        self.me = self

    def __del__(self):
        self.close()

    def close(self):
        with lock:
            pass


@atexit.register
def shut_down():
    global connection
    with lock:
        connection.me = None
        del connection


connection = Connection()
print("ready", flush=True)
