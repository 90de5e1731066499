"""A multiprocessing queue that nobody reads: its feeder thread waits for room in the pipe."""
import multiprocessing

queue = multiprocessing.Queue()
queue.put(b"x" * (1 << 22))
print("ready", flush=True)
