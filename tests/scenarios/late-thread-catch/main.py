import ctypes
import time

import mailbox_pump  # noqa: F401 - starts a native thread that nobody stops


class SlowToDie:
    """Keeps finalization busy until the native thread comes back."""

    def __init__(self):
        self.sleep = ctypes.CDLL(None).usleep

    def __del__(self):
        for _ in range(10):
            self.sleep(100000)


time.sleep(0.1)
keep = SlowToDie()
