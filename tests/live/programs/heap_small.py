"""Some thousand objects of several kinds in all generations, then stop."""

import gc
import os
import signal

gc.disable()
KEEP = [[n, {n: str(n)}, (n, [])] for n in range(4000)]
gc.collect()
KEEP += [[n] for n in range(3000)]
gc.collect(0)
KEEP += [{n: []} for n in range(2000)]
os.kill(os.getpid(), signal.SIGSTOP)
