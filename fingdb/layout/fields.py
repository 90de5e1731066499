"""The members that the readers need, under names of our own.

A row is a logical name and, for each spelling that a version of CPython used, a structure and a
path to the member. The first spelling that the build has is taken: members are probed, versions
are not asked for. A new CPython that renames a member needs one more spelling here.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple

#: A spelling: the structure's name in C and the path of the member inside it.
Spelling = Tuple[str, str]


class Row(NamedTuple):
    """The spellings of a logical field; ``scalar`` tells a number or pointer from an aggregate."""

    spellings: Tuple[Spelling, ...]
    scalar: bool = True


def _rows(structs: Tuple[str, ...], prefix: str, members: Dict[str, str], scalar: bool = True) -> Dict[str, Row]:
    """Return rows named ``prefix.key``; the members' paths are alternatives divided by blanks."""
    return {
        f"{prefix}.{key}": Row(tuple((s, path) for path in paths.split() for s in structs), scalar)
        for key, paths in members.items()
    }


ROWS: Dict[str, Row] = {}

# _PyRuntime. `finalizing`: a pointer in 3.8, an atomic struct up to 3.12, a pointer from 3.13.
ROWS.update(_rows(("_PyRuntimeState",), "runtime", {
    "initialized": "initialized",
    "core_initialized": "core_initialized",
    "preinitialized": "preinitialized",
    "finalizing": "_finalizing._value _finalizing finalizing._value finalizing",
    "finalizing_id": "_finalizing_id._value _finalizing_id",
    "main_thread": "main_thread",
    "interpreters.head": "interpreters.head",
    "interpreters.main": "interpreters.main",
    # Up to 3.11; later the current thread state is a thread-local variable.
    "current_thread": "gilstate.tstate_current._value gilstate.tstate_current",
}))
ROWS.update(_rows(("_PyRuntimeState",), "runtime", {
    "gc": "gc",  # 3.8; from 3.9 each interpreter has a collector
    "gil": "ceval.gil",  # up to 3.11
}, scalar=False))

ROWS.update(_rows(("PyInterpreterState",), "interp", {
    "next": "next",
    "id": "id",
    "initialized": "_initialized",
    "finalizing": "finalizing",
    "finalizing_thread": "_finalizing._value _finalizing",
    "threads.head": "threads.head tstate_head",
    "modules": "imports.modules modules",
    "sysdict": "sysdict",
    "interned": "cached_objects.interned_strings",  # from 3.12 on; a static variable before that
    "builtins": "builtins",
    "gil": "ceval.gil",  # a pointer, from 3.12
    "own_gil": "ceval.own_gil",
}))
ROWS.update(_rows(("PyInterpreterState",), "interp", {
    "atexit_callbacks": "atexit.callbacks",  # 3.10 and later
    "atexit_count": "atexit.ncallbacks",
}))
ROWS.update(_rows(("atexitmodule_state",), "atexit_module", {"callbacks": "atexit_callbacks", "count": "ncallbacks"}))
ROWS.update(_rows(("PyInterpreterState",), "interp", {
    "gc": "gc",
    # From 3.12 on the dicts of static types are each interpreter's own.
    "static_types": "types.builtins.initialized types.builtins",
}, scalar=False))
ROWS.update(_rows(("managed_static_type_state", "static_builtin_state", "struct managed_static_type_state"), "static_type", {
    "dict": "tp_dict",
}))

ROWS.update(_rows(("struct _gil_runtime_state",), "gil", {
    "locked": "locked._value locked",
    "last_holder": "last_holder._value last_holder",
    "enabled": "enabled",  # free-threaded builds
}))

ROWS.update(_rows(("struct _gc_runtime_state",), "gc", {
    "enabled": "enabled",
    "collecting": "collecting",
    "visited_space": "visited_space",
}))
# Three generations, or (incremental collector) one young and two old spaces.
ROWS.update(_rows(("struct _gc_runtime_state",), "gc", {
    "generations": "generations",
    "young": "young",
    "old": "old",
    "permanent": "permanent_generation",
}, scalar=False))
ROWS.update(_rows(("struct gc_generation",), "generation", {
    "next": "head._gc_next",
    "threshold": "threshold",
    "count": "count",
}))
ROWS.update(_rows(("PyGC_Head",), "gc_head", {"next": "_gc_next", "prev": "_gc_prev"}))

# pymalloc. Up to 3.11 its state is in static variables (`cpython.statics`), later in a structure: in each
# interpreter (3.12), or behind a pointer of each (from 3.13), which share the main one's unless they have a GIL of their own.
ROWS.update(_rows(("_PyRuntimeState",), "runtime", {"main_interpreter": "_main_interpreter"}, scalar=False))
ROWS.update(_rows(("PyInterpreterState",), "interp", {"obmalloc": "obmalloc"}))
ROWS.update(_rows(("PyInterpreterState",), "interp", {"own_obmalloc": "obmalloc"}, scalar=False))
ROWS.update(_rows(("struct _obmalloc_state",), "obmalloc", {
    "arenas": "mgmt.arenas",
    "maxarenas": "mgmt.maxarenas",
    "raw_allocated_blocks": "mgmt.raw_allocated_blocks",
}))
ROWS.update(_rows(("struct arena_object",), "arena", {
    "address": "address",
    "pool_address": "pool_address",
}))
ROWS.update(_rows(("struct pool_header",), "pool", {
    "count": "ref.count",
    "freeblock": "freeblock",
    "szidx": "szidx",
    "nextoffset": "nextoffset",
    "maxnextoffset": "maxnextoffset",
}))
# Objects that are kept to use their memory again, 3.14 and later: pairs of a first object and a count, of which a structure
# consists (Include/internal/pycore_freelist_state.h). Of an interpreter; without a GIL of each thread.
ROWS.update(_rows(("PyInterpreterState",), "interp", {"freelists": "object_state.freelists"}, scalar=False))
ROWS.update(_rows(("_PyThreadStateImpl",), "thread", {"freelists": "freelists"}, scalar=False))
ROWS.update(_rows(("struct _Py_freelist",), "freelist", {"first": "freelist", "count": "size"}))
# Free-threaded builds: Include/internal/pycore_interp.h (struct _stoptheworld_state), pycore_tstate.h, pycore_mimalloc.h.
ROWS.update(_rows(("_PyRuntimeState",), "runtime", {
    "stop.requested": "stoptheworld.requested",
    "stop.stopped": "stoptheworld.world_stopped",
    "stop.countdown": "stoptheworld.thread_countdown",
    "stop.requester": "stoptheworld.requester",
    "debug_allocator": "allocators.is_debug_enabled",
}))
ROWS.update(_rows(("PyInterpreterState",), "interp", {
    "stop.requested": "stoptheworld.requested",
    "stop.stopped": "stoptheworld.world_stopped",
    "stop.countdown": "stoptheworld.thread_countdown",
    "stop.requester": "stoptheworld.requester",
    "unique_ids.table": "unique_ids.table",  # from 3.14 on: what threads count for themselves
    "unique_ids.size": "unique_ids.size",
    "mimalloc.abandoned": "mimalloc.abandoned_pool.abandoned",  # mimalloc 2.1
    "mimalloc.abandoned_visited": "mimalloc.abandoned_pool.abandoned_visited",
    "mimalloc.subproc": "mimalloc.subproc",  # mimalloc 2.5
}))
ROWS.update(_rows(("_PyThreadStateImpl",), "thread", {
    "gc.alloc_count": "gc.alloc_count",
    "mimalloc.initialized": "mimalloc.initialized",
    "refcounts.values": "refcounts.values",
    "refcounts.size": "refcounts.size",
}))
ROWS.update(_rows(("_PyThreadStateImpl",), "thread", {"mimalloc.heaps": "mimalloc.heaps"}, scalar=False))

# mimalloc: Include/internal/mimalloc/mimalloc/types.h. `keys` are there where lists of free blocks are encoded. 2.1 came with
# 3.13, 2.5 with later releases of 3.14.
ROWS.update(_rows(("mi_heap_t",), "mi_heap", {"delayed_free": "thread_delayed_free"}))
ROWS.update(_rows(("mi_heap_t",), "mi_heap", {"queues": "pages", "keys": "keys"}, scalar=False))
ROWS.update(_rows(("mi_page_queue_t",), "mi_queue", {"first": "first"}))
ROWS.update(_rows(("mi_page_t",), "mi_page", {
    "slice_count": "slice_count",
    "slice_offset": "slice_offset",
    "tag": "tag heap_tag",
    "capacity": "capacity",
    "used": "used",
    "block_size": "xblock_size block_size",
    "start": "page_start",  # 2.5; before that it follows from the size of the blocks
    "free": "free",
    "local_free": "local_free",
    "thread_free": "xthread_free",
    "heap": "xheap",
    "next": "next",
}))
ROWS.update(_rows(("mi_page_t",), "mi_page", {"keys": "keys"}, scalar=False))
ROWS.update(_rows(("mi_segment_t",), "mi_segment", {
    "size": "segment_size",
    "slice_count": "segment_slices",
    "slice_entries": "slice_entries",
    "abandoned_next": "abandoned_next abandoned_os_next",
    "subproc": "subproc",
}))
ROWS.update(_rows(("mi_segment_t",), "mi_segment", {"slices": "slices"}, scalar=False))
ROWS.update(_rows(("mi_subproc_t",), "mi_subproc", {"abandoned": "abandoned_os_list"}))
ROWS.update(_rows(("mi_arena_t",), "mi_arena", {
    "start": "start",
    "block_count": "block_count",
    "blocks_abandoned": "blocks_abandoned",
}))

ROWS.update(_rows(("PyThreadState",), "thread", {
    "next": "next",
    "interp": "interp",
    "id": "id",
    "thread_id": "thread_id",
    "native_thread_id": "native_thread_id",
    "frame": "frame",  # up to 3.10
    "cframe": "cframe",  # 3.11 and 3.12 keep the frame behind it
    "current_frame": "current_frame",  # from 3.13
    "state": "state",
    "datastack": "datastack_chunk",  # from 3.11: where frames are
    "status.initialized": "_status.initialized",
    "status.bound": "_status.bound",
    "status.unbound": "_status.unbound",
    "status.active": "_status.active",
    "status.holds_gil": "_status.holds_gil",
    "status.finalizing": "_status.finalizing",
    "status.cleared": "_status.cleared",
    "status.finalized": "_status.finalized",
}))
ROWS.update(_rows(("_PyCFrame", "struct _PyCFrame", "CFrame"), "cframe", {"current_frame": "current_frame"}))

ROWS.update(_rows(("_PyStackChunk", "struct _stack_chunk"), "stack_chunk", {"previous": "previous", "size": "size"}))

# Frame objects, up to 3.10.
ROWS.update(_rows(("PyFrameObject",), "frame", {
    "back": "f_back",
    "code": "f_code",
    "lasti": "f_lasti",
    "lineno": "f_lineno",
    "trace": "f_trace",
    "valuestack": "f_valuestack",
    "stacktop": "f_stacktop",  # 3.8, 3.9: null while it runs
    "stackdepth": "f_stackdepth",  # 3.10
    "frame": "f_frame",  # from 3.11 a frame object is a handle on an interpreter frame
}))
ROWS.update(_rows(("PyFrameObject",), "frame", {"locals": "f_localsplus", "own": "_f_frame_data"}, scalar=False))
# Interpreter frames, from 3.11; from 3.14 the code object is behind a tagged reference.
ROWS.update(_rows(("struct _PyInterpreterFrame",), "iframe", {
    "code": "f_code f_executable.bits f_executable",
    "previous": "previous",
    "instruction": "instr_ptr prev_instr",
    "owner": "owner",
    "function": "f_funcobj.bits f_funcobj f_func",
    "locals_dict": "f_locals",
    "globals": "f_globals",
    "builtins": "f_builtins",
    "frame_obj": "frame_obj",
    "is_entry": "is_entry",
    "stacktop": "stacktop",
    "stackpointer": "stackpointer",  # from 3.14
    "tlbc_index": "tlbc_index",
}))

ROWS.update(_rows(("struct _PyInterpreterFrame",), "iframe", {"locals": "localsplus"}, scalar=False))

ROWS.update(_rows(("PyCodeObject",), "code", {
    "nlocals": "co_nlocals",
    "nlocalsplus": "co_nlocalsplus",  # from 3.11
    "stacksize": "co_stacksize",
    "localsplusnames": "co_localsplusnames",
    "varnames": "co_varnames",
    "cellvars": "co_cellvars",
    "freevars": "co_freevars",
    "filename": "co_filename",
    "name": "co_name",
    "qualname": "co_qualname",
    "firstlineno": "co_firstlineno",
    "lnotab": "co_lnotab",  # 3.8, 3.9
    "linetable": "co_linetable",  # pairs in 3.10, the location table from 3.11
    "exceptiontable": "co_exceptiontable",
    "firsttraceable": "_co_firsttraceable",
    "tlbc": "co_tlbc",
    "unique_id": "_co_unique_id",
}))
ROWS.update(_rows(("PyCodeObject",), "code", {"adaptive": "co_code_adaptive"}, scalar=False))

ROWS.update(_rows(("PyObject",), "object", {
    "type": "ob_type",
    "refcnt": "ob_refcnt",
    "refcnt_local": "ob_ref_local",  # free-threaded builds
    "refcnt_shared": "ob_ref_shared",
    "thread": "ob_tid",
    "gc_bits": "ob_gc_bits",
    "flags": "ob_flags",  # 3.14 and later
}))
ROWS.update(_rows(("PyVarObject",), "var", {"size": "ob_size"}))
ROWS.update(_rows(("PyTypeObject",), "type", {
    "name": "tp_name",
    "flags": "tp_flags",
    "basicsize": "tp_basicsize",
    "itemsize": "tp_itemsize",
    "dictoffset": "tp_dictoffset",
    "weaklistoffset": "tp_weaklistoffset",
    "members": "tp_members",
    "traverse": "tp_traverse",
    "new": "tp_new",
    "init": "tp_init",
    "clear": "tp_clear",
    "dealloc": "tp_dealloc",
    "base": "tp_base",
    "dict": "tp_dict",
    "mro": "tp_mro",
    "index": "tp_subclasses",  # of a static type from 3.12 on: its place in each interpreter, plus one
}))
ROWS.update(_rows(("PyMemberDef", "struct PyMemberDef"), "member_def", {"name": "name", "type": "type", "offset": "offset"}))
ROWS.update(_rows(("PyHeapTypeObject",), "heap_type", {
    "name": "ht_name",
    "cached_keys": "ht_cached_keys",
    "unique_id": "unique_id",  # without a GIL, from 3.14 on
}))

ROWS.update(_rows(("PyASCIIObject",), "str", {
    "length": "length",
    "kind": "state.kind",
    "compact": "state.compact",
    "ascii": "state.ascii",
    "ready": "state.ready",
    "wstr": "wstr",
}))
ROWS.update(_rows(("PyCompactUnicodeObject",), "str", {"wstr_length": "wstr_length"}))
ROWS.update(_rows(("PyUnicodeObject",), "str", {"data": "data.any"}))
ROWS.update(_rows(("PyBytesObject",), "bytes", {"data": "ob_sval"}, scalar=False))
ROWS.update(_rows(("PyLongObject",), "int", {"tag": "long_value.lv_tag"}))
ROWS.update(_rows(("PyLongObject",), "int", {"digits": "long_value.ob_digit ob_digit"}, scalar=False))
ROWS.update(_rows(("PyFloatObject",), "float", {"value": "ob_fval"}))
ROWS.update(_rows(("PyTupleObject",), "tuple", {"items": "ob_item"}, scalar=False))
ROWS.update(_rows(("PyListObject",), "list", {"items": "ob_item"}))

ROWS.update(_rows(("PyDictObject",), "dict", {
    "used": "ma_used", "keys": "ma_keys", "values": "ma_values", "watcher_tag": "_ma_watcher_tag",
}))
ROWS.update(_rows(("PyDictKeysObject", "struct _dictkeysobject"), "dict_keys", {
    "size": "dk_size",  # up to 3.10
    "log2_size": "dk_log2_size",
    "log2_index_bytes": "dk_log2_index_bytes",
    "kind": "dk_kind",
    "entries": "dk_nentries",
    "lookup": "dk_lookup",  # up to 3.10 tells what keys are in it
}))
ROWS.update(_rows(("PyDictKeysObject", "struct _dictkeysobject"), "dict_keys", {"indices": "dk_indices"}, scalar=False))
ROWS.update(_rows(("PyDictKeyEntry",), "dict_entry", {"key": "me_key", "value": "me_value"}))
ROWS.update(_rows(("PyDictUnicodeEntry",), "dict_unicode_entry", {"key": "me_key", "value": "me_value"}))
# Values of an instance: an array of its own (3.11, 3.12), inside the instance from 3.13 (`valid`).
ROWS.update(_rows(("PyDictValues", "struct _dictvalues"), "dict_values", {"valid": "valid", "embedded": "embedded"}))
ROWS.update(_rows(("PyDictValues", "struct _dictvalues"), "dict_values", {"values": "values"}, scalar=False))
#: 3.12 keeps a dict or (tagged) values in one word; 3.11 has a word for each.
ROWS.update(_rows(("PyDictOrValues",), "dict_or_values", {"values": "values"}))

ROWS.update(_rows(("PyModuleObject",), "module", {
    "dict": "md_dict", "name": "md_name", "state": "md_state", "def": "md_def md_token",
    "state_size": "md_state_size", "token_is_def": "md_token_is_def",  # 3.15
}))
ROWS.update(_rows(("PyModuleDef", "struct PyModuleDef"), "module_def", {
    "name": "m_name", "size": "m_size", "traverse": "m_traverse",
}))
ROWS.update(_rows(("fileio",), "fileio", {"fd": "fd", "closefd": "closefd"}))

ROWS.update(_rows(("PyCFunctionObject",), "builtin", {"method": "m_ml"}))
ROWS.update(_rows(("PyMethodDef", "struct PyMethodDef"), "method_def", {"function": "ml_meth"}))
ROWS.update(_rows(("PyFunctionObject",), "function", {"code": "func_code", "name": "func_qualname"}))
ROWS.update(_rows(("PySetObject",), "set", {"table": "table", "mask": "mask", "used": "used"}))
ROWS.update(_rows(("setentry",), "set_entry", {"key": "key", "hash": "hash"}))
ROWS.update(_rows(("dequeobject",), "deque", {"left": "leftblock", "right": "rightblock", "first": "leftindex"}))
ROWS.update(_rows(("block", "struct BLOCK"), "deque_block", {"next": "rightlink"}))
ROWS.update(_rows(("block", "struct BLOCK"), "deque_block", {"items": "data"}, scalar=False))
ROWS.update(_rows(("PyODictObject", "struct _odictobject"), "odict", {"first": "od_first"}))
ROWS.update(_rows(("struct _odictnode",), "odict_node", {"key": "key", "next": "next"}))
ROWS.update(_rows(("lru_cache_object", "struct lru_cache_object"), "lru_cache", {"root": "root"}, scalar=False))
ROWS.update(_rows(("lru_list_elem", "struct lru_list_elem"), "lru_link", {
    "next": "next", "key": "key", "result": "result",
}))
ROWS.update(_rows(("PyGenObject",), "generator", {"state": "gi_frame_state"}))
ROWS.update(_rows(("PyGenObject",), "generator", {"frame": "gi_iframe"}, scalar=False))

# What an object has outside of itself, for its size: `cpython.heap.sizes`.
ROWS.update(_rows(("PyTypeObject",), "type", {"methods": "tp_methods"}))
ROWS.update(_rows(("PyMethodDef", "struct PyMethodDef"), "method_def", {"name": "ml_name"}))
ROWS.update(_rows(("PyListObject",), "list", {"allocated": "allocated"}))
ROWS.update(_rows(("PyByteArrayObject",), "bytearray", {"alloc": "ob_alloc"}))
ROWS.update(_rows(("PySetObject",), "set", {"smalltable": "smalltable"}, scalar=False))
ROWS.update(_rows(("PyDictKeysObject", "struct _dictkeysobject"), "dict_keys", {
    "usable": "dk_usable",
    "refcnt": "dk_refcnt",
}))
ROWS.update(_rows(("PyCompactUnicodeObject",), "str", {"utf8": "utf8", "utf8_length": "utf8_length"}))

#: Logical name -> the structure whose size it is.
SIZES: Dict[str, Tuple[str, ...]] = {
    "object": ("PyObject",),
    "type": ("PyTypeObject",),
    "heap_type": ("PyHeapTypeObject",),
    "gc_head": ("PyGC_Head",),
    "gil": ("struct _gil_runtime_state",),
    "generation": ("struct gc_generation",),
    "arena": ("struct arena_object",),
    "pool": ("struct pool_header",),
    "freelist": ("struct _Py_freelist",),
    "str.ascii": ("PyASCIIObject",),
    "str.compact": ("PyCompactUnicodeObject",),
    "str.legacy": ("PyUnicodeObject",),
    "dict_keys": ("PyDictKeysObject", "struct _dictkeysobject"),
    "dict_entry": ("PyDictKeyEntry",),
    "dict_unicode_entry": ("PyDictUnicodeEntry",),
    "set_entry": ("setentry",),
    "member_def": ("PyMemberDef", "struct PyMemberDef"),
    "method_def": ("PyMethodDef", "struct PyMethodDef"),
}

#: Enumeration constants, under their own names.
ENUMS: Tuple[str, ...] = (
    "FRAME_OWNED_BY_GENERATOR",
    "FRAME_OWNED_BY_CSTACK",
    "FRAME_OWNED_BY_INTERPRETER",
    "FRAME_CLEARED",
)
#: The types that have them.
ENUM_TYPES: Tuple[str, ...] = ("_frameowner", "_framestate")

#: Without these no reader can do anything: a build that lacks one has no usable layout.
REQUIRED: Tuple[str, ...] = (
    "runtime.finalizing",
    "runtime.interpreters.head",
    "interp.next",
    "interp.id",
    "interp.threads.head",
    "thread.next",
    "thread.thread_id",
    "object.type",
    "type.name",
    "type.flags",
)
