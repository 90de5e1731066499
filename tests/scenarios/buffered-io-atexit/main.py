"""An exit callback wants a buffered file whose lock a thread holds that waits for the callback's side of a pipe."""
import atexit
import os
import threading
import time

reader, writer = os.pipe()
stream = os.fdopen(writer, "wb")


def produce():
    stream.write(b"x" * (1 << 20))


@atexit.register
def finish():
    stream.flush()
    os.close(reader)


threading.Thread(target=produce, daemon=True).start()
time.sleep(0.3)
print("ready", flush=True)
