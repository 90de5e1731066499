import codecs
import socket
import tempfile

log = tempfile.TemporaryFile("wb", buffering=0)
peer, other = socket.socketpair()


class Keeper:
    """Something that a C library keeps for ever: nobody ever drops its reference."""


keeper = Keeper()
keeper.resources = (log, peer)

import ctypes  # noqa: E402

ctypes.pythonapi.Py_IncRef(ctypes.py_object(keeper))
other.close()
