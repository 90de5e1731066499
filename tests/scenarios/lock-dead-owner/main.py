import threading
import time

import cache

threading.Thread(target=cache.refresh, daemon=True).start()
time.sleep(0.1)
print("ready", flush=True)
