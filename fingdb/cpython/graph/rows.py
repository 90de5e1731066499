"""Which structure the objects of a type are, and which of its members the collector visits.

A row is for one type, by its ``tp_name``. Members that point to objects are found in the debug information; a row
names those that are not like the others. A new CPython with a new type needs a row, a new member needs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple

#: A reference that the type's tp_traverse visits.
VISITED = "visited"
#: A reference that the object owns and its tp_traverse does not visit.
HELD = "held"
#: A pointer that owns nothing: no reference is counted for it.
BORROWED = "borrowed"
#: A reference that the collector sees here although another object owns it.
SHOWN = "shown"
#: A reference of a frame that is not counted and yet keeps its object: builds without a GIL, to what is counted late.
LATE = "late"
#: A reference of a type of C whose tp_traverse is not known here: owned, and visited if the type does as it should.
ASSUMED = "assumed"
#: A word that happens to be the address of an object, in a structure that nobody describes.
GUESSED = "guessed"


@dataclass(frozen=True)
class Row:
    """How to read the objects of a type: ``structs`` in which DWARF may know it, the first that is there counts.

    ``held`` and ``borrowed`` are members (by the end of their path) that are not visited; ``untyped`` are ``void *``
    members that point to an object; ``special`` names further parts that `referents` reads.
    """

    structs: Tuple[str, ...]
    held: Tuple[str, ...] = ()
    borrowed: Tuple[str, ...] = ()
    untyped: Tuple[str, ...] = ()
    special: Tuple[str, ...] = ()
    #: The only members that are visited, where those are few.
    only: Tuple[str, ...] = ()
    #: Members that some versions visit and others do not.
    unsure: Tuple[str, ...] = ()
    #: Members that are not set in objects of this type.
    ignored: Tuple[str, ...] = ()
    #: Whether instances visit their type where it is a heap type.
    visits_type: bool = True


#: Lists of weak references and links between objects: nowhere do they own anything.
ALWAYS_BORROWED = ("weakreflist", "weaklist", "weakrefs", "wr_prev", "wr_next", "weakref_list", "tp_weaklist",
                   "md_weaklist", "in_weakreflist", "od_weakreflist", "dict_weakreflist")  # fmt: skip


#: Members of the interpreter frame inside a generator, which is read as such.
_IN_FRAME = ("f_executable", "f_funcobj", "f_globals", "f_builtins", "f_locals", "frame_obj")


def _generator(prefix: str, struct: str, *ignored: str) -> Row:
    return Row(
        (struct,), (f"{prefix}_origin",), (f"{prefix}_weakreflist",), special=("generator",), ignored=(*ignored, *_IN_FRAME)
    )


_DESCRIPTOR = ("d_name", "d_qualname")

ROWS: Dict[str, Row] = {
    "object": Row(()),
    "function": Row(("PyFunctionObject",), borrowed=("func_weakreflist",)),
    "builtin_function_or_method": Row(("PyCFunctionObject",), borrowed=("m_weakreflist",)),
    "builtin_method": Row(("PyCMethodObject",), borrowed=("func.m_weakreflist",)),
    "method": Row(("PyMethodObject",), borrowed=("im_weakreflist",)),
    "instancemethod": Row(("PyInstanceMethodObject",)),
    "classmethod": Row(("classmethod",)),
    "staticmethod": Row(("staticmethod",)),
    "cell": Row(("PyCellObject",)),
    "property": Row(("propertyobject",)),
    "slice": Row(("PySliceObject",)),
    "traceback": Row(("PyTracebackObject",)),
    "super": Row(("superobject",)),
    "mappingproxy": Row(("mappingproxyobject",)),
    "method-wrapper": Row(("wrapperobject",)),
    "wrapper_descriptor": Row(("PyWrapperDescrObject",), held=_DESCRIPTOR),
    "method_descriptor": Row(("PyMethodDescrObject",), held=_DESCRIPTOR),
    "classmethod_descriptor": Row(("PyMethodDescrObject",), held=_DESCRIPTOR),
    "member_descriptor": Row(("PyMemberDescrObject",), held=_DESCRIPTOR),
    "getset_descriptor": Row(("PyGetSetDescrObject",), held=_DESCRIPTOR),
    "weakref": Row(("PyWeakReference",), borrowed=("wr_object",)),
    "weakref.ReferenceType": Row(("PyWeakReference",), borrowed=("wr_object",)),
    "weakproxy": Row(("PyWeakReference",), borrowed=("wr_object",)),
    "weakref.ProxyType": Row(("PyWeakReference",), borrowed=("wr_object",)),
    "weakcallableproxy": Row(("PyWeakReference",), borrowed=("wr_object",)),
    "weakref.CallableProxyType": Row(("PyWeakReference",), borrowed=("wr_object",)),
    "module": Row(
        ("PyModuleObject",), held=("md_name",), borrowed=("md_weaklist", "md_def", "md_token"), special=("module-state",)
    ),
    "type": Row(
        ("PyHeapTypeObject",),
        held=("ht_name", "ht_qualname", "ht_slots", "tp_subclasses"),
        borrowed=("tp_weaklist", "_spec_cache.getitem", "_spec_cache.init"),
        untyped=("tp_subclasses",),
        special=("type",),
    ),
    # Collected in free-threaded builds only.
    "code": Row(("PyCodeObject",), borrowed=("co_weakreflist",), only=("co_consts",)),
    "frame": Row(("PyFrameObject",), borrowed=("f_gen",), special=("frame",)),
    "generator": _generator("gi", "PyGenObject", "gi_origin_or_finalizer"),
    "coroutine": _generator("cr", "PyCoroObject"),
    "async_generator": _generator("ag", "PyAsyncGenObject"),
    "coroutine_wrapper": Row(("PyCoroWrapper",)),
    "dict": Row((), special=("dict",)),
    "frozendict": Row((), special=("dict",)),
    "list": Row((), special=("list",)),
    "tuple": Row((), special=("tuple",)),
    "set": Row((), special=("set",)),
    "frozenset": Row((), special=("set",)),
    "bytes": Row(()),
    "str": Row(()),
    "int": Row(()),
    "float": Row(()),
    "complex": Row(()),
    "NoneType": Row(()),
    "bytearray": Row(()),
    "range": Row(("rangeobject",)),
    "memoryview": Row(("PyMemoryViewObject",), borrowed=("view.obj", "weakreflist")),
    "managedbuffer": Row(("_PyManagedBufferObject",)),
    "PyCapsule": Row(()),
    "enumerate": Row(("enumobject",), borrowed=("one",)),
    "zip": Row(("zipobject",)),
    "map": Row(("mapobject",)),
    "filter": Row(("filterobject",)),
    "reversed": Row(("reversedobject",)),
    "iterator": Row(("seqiterobject",)),
    "callable_iterator": Row(("calliterobject",)),
    "list_iterator": Row(("listiterobject", "_PyListIterObject")),
    "list_reverseiterator": Row(("listreviterobject",)),
    "tuple_iterator": Row(("tupleiterobject", "_PyTupleIterObject")),
    "set_iterator": Row(("setiterobject",)),
    "dict_keyiterator": Row(("dictiterobject",)),
    "dict_valueiterator": Row(("dictiterobject",)),
    "dict_itemiterator": Row(("dictiterobject",)),
    "dict_keys": Row(("_PyDictViewObject",)),
    "dict_values": Row(("_PyDictViewObject",)),
    "dict_items": Row(("_PyDictViewObject",)),
    "types.SimpleNamespace": Row(("_PyNamespaceObject",)),
    "types.GenericAlias": Row(("gaobject",)),
    "types.UnionType": Row(("unionobject",)),
    "collections.deque": Row(("dequeobject",), special=("deque",)),
    "collections.defaultdict": Row(("defdictobject",), special=("dict",)),
    "collections.OrderedDict": Row(("PyODictObject",), special=("dict", "odict")),
    "functools._lru_cache_wrapper": Row(("lru_cache_object",), borrowed=("prev", "next"), special=("lru-cache",)),
    "functools._lru_list_elem": Row(("lru_list_elem",), borrowed=("prev", "next")),
    "functools.partial": Row(("partialobject",), borrowed=("placeholder",)),
    "BaseException": Row(("PyBaseExceptionObject",)),
    "StopIteration": Row(("PyStopIterationObject",)),
    "SystemExit": Row(("PySystemExitObject",)),
    "ImportError": Row(("PyImportErrorObject",)),
    "OSError": Row(("PyOSErrorObject",)),
    "SyntaxError": Row(("PySyntaxErrorObject",)),
    "UnicodeError": Row(("PyUnicodeErrorObject",)),
    "UnicodeEncodeError": Row(("PyUnicodeErrorObject",)),
    "UnicodeDecodeError": Row(("PyUnicodeErrorObject",)),
    "AttributeError": Row(("PyAttributeErrorObject", "PyBaseExceptionObject")),
    "NameError": Row(("PyNameErrorObject", "PyBaseExceptionObject")),
    "BaseExceptionGroup": Row(("PyBaseExceptionGroupObject",)),
    "_io.TextIOWrapper": Row(("textio",)),
    "_io.BufferedReader": Row(("buffered",)),
    "_io.BufferedWriter": Row(("buffered",)),
    "_io.FileIO": Row(("fileio",)),
    "_io.StringIO": Row(("stringio",), unsure=("readnl",)),
    "_io.BytesIO": Row(("bytesio",), unsure=("buf",)),
    "_io._IOBase": Row(("iobase",)),
}
