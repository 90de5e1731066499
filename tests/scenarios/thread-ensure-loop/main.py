import time

import worker

time.sleep(0.1)
