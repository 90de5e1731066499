import sys

import hoard

hoard.fill(500)
print(sys.getallocatedblocks())
