import threading
import time

import cache

threading.Thread(target=cache.refresh, daemon=True).start()
while not cache.is_held():
    time.sleep(0.01)
print("ready", flush=True)
