import atexit
import time

import bus

atexit.register(bus.close)
bus.start()
time.sleep(0.1)
print("ready", flush=True)
