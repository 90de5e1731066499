"""A thread that nobody tells to stop."""
import threading

stop = threading.Event()


def serve_forever():
    while not stop.is_set():
        stop.wait()


threading.Thread(target=serve_forever, name="server").start()
print("ready", flush=True)
