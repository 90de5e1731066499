"""What gdb sources: ``source fingdb/init.py`` or ``gdb -x fingdb/init.py``.

Puts the package on gdb's Python path and registers the commands. Nothing else: no setting of the
user's is changed, and each command loads its code when it is first used.
"""

import os
import sys


def _register():  # type: ignore[no-untyped-def]  # the file must parse on any Python, to say it is too old
    if sys.version_info < (3, 9):
        print("fingdb needs a gdb whose Python is 3.9 or newer; this one has %d.%d" % sys.version_info[:2])
        return
    here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if here not in sys.path:
        sys.path.append(here)
    from fingdb.commands import register

    register()


_register()  # type: ignore[no-untyped-call]
