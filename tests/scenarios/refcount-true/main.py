import sys

import flags

flags.forget(True, sys.getrefcount(True) - 30 if sys.version_info < (3, 12) else 5)
