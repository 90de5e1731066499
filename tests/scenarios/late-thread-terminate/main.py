import ctypes
import threading
import time

import monitor


class SlowToDie:
    """Keeps finalization busy until the daemon thread comes back; PyDLL holds the GIL's place."""

    def __init__(self):
        self.sleep = ctypes.CDLL(None).usleep

    def __del__(self):
        for _ in range(10):
            self.sleep(100000)


thread = threading.Thread(target=monitor.watch, daemon=True)
thread.start()
time.sleep(0.1)
keep = SlowToDie()
