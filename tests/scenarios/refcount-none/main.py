import atexit
import sys

import nothing


@atexit.register
def close():
    # Leaves a few references, which the clearing of modules uses up.
    count = sys.getrefcount(None)
    for _ in range(count - 30 if count < 1 << 30 else 0):  # immortal from 3.12 on
        nothing.nothing()
