import sys

import tidy

tidy.tidy_at_exit()
sys.exit()
