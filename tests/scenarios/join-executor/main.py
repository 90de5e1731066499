"""An executor's worker that waits for something that does not come."""
import concurrent.futures
import queue
import time

jobs = queue.Queue()


def consume():
    return jobs.get()


executor = concurrent.futures.ThreadPoolExecutor(2)
executor.submit(consume)
time.sleep(0.2)
print("ready", flush=True)
