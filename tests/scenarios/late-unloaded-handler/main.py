import ctypes
import sys

plugin = ctypes.CDLL(sys.argv[1])
plugin.plugin_start()
ctypes.CDLL(None).dlclose(ctypes.c_void_p(plugin._handle))
