import atexit
import time

import pool

atexit.register(pool.drain)
pool.start()
time.sleep(0.1)
print("ready", flush=True)
