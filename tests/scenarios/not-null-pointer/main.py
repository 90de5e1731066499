"""A null pointer, long before the end."""
import ctypes


def read_header(address):
    header = ctypes.create_string_buffer(4)
    ctypes.memmove(header, address, 4)
    return header.raw


read_header(8)
