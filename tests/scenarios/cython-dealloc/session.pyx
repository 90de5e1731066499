# cython: language_level=3
# A __dealloc__ that calls back into Python: what it imports is gone at shutdown.
from cpython.ref cimport PyObject, Py_INCREF


cdef class Session:
    cdef object name

    def __init__(self, name):
        self.name = name

    def __dealloc__(self):
        try:
            import json
            json.dumps("closed")
        except BaseException:
            pass
