"""``_Py_DebugOffsets``: the offsets that CPython 3.13 and later carry at the start of ``_PyRuntime``.

The layout for builds without debug information. The table lies in the target's writable memory
and is treated as untrusted input, as CPython itself does in Modules/_remote_debugging: cookie,
version, and of every offset its alignment and that the member lies inside its structure.
Mirrors Include/internal/pycore_debug_offsets.h (3.13: pycore_runtime.h).
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ..debugger.interface import Field
from ..memory import Memory, MemoryFault
from .layout import Layout

COOKIE = b"xdebugpy"
_WORD = 8
#: Larger structures do not occur; `_PyRuntimeState` has 277 KiB in 3.13.
_LARGEST = 1 << 24


class BadOffsets(Exception):
    """There is no table, or it cannot be right; the text is one sentence."""


#: Minor version -> the words after cookie, version and free_threaded, as (group, members).
Groups = Tuple[Tuple[str, str], ...]

_3_13: Groups = (
    ("runtime_state", "size finalizing interpreters_head"),
    ("interpreter_state", "size id next threads_head gc imports_modules sysdict builtins ceval_gil "
     "gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder"),
    ("thread_state", "size prev next interp current_frame thread_id native_thread_id datastack_chunk status"),
    ("interpreter_frame", "size previous executable instr_ptr localsplus owner"),
    ("code_object", "size filename name qualname linetable firstlineno argcount localsplusnames "
     "localspluskinds co_code_adaptive"),
    ("pyobject", "size ob_type"),
    ("type_object", "size tp_name tp_repr tp_flags"),
    ("tuple_object", "size ob_item ob_size"),
    ("list_object", "size ob_item ob_size"),
    ("dict_object", "size ma_keys ma_values"),
    ("float_object", "size ob_fval"),
    ("long_object", "size lv_tag ob_digit"),
    ("bytes_object", "size ob_size ob_sval"),
    ("unicode_object", "size state length asciiobject_size"),
    ("gc", "size collecting"),
)

_3_14: Groups = (
    ("runtime_state", "size finalizing interpreters_head"),
    ("interpreter_state", "size id next threads_head threads_main gc imports_modules sysdict builtins "
     "ceval_gil gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked "
     "gil_runtime_state_holder code_object_generation tlbc_generation"),
    ("thread_state", "size prev next interp current_frame thread_id native_thread_id datastack_chunk status"),
    ("interpreter_frame", "size previous executable instr_ptr localsplus owner stackpointer tlbc_index"),
    ("code_object", "size filename name qualname linetable firstlineno argcount localsplusnames "
     "localspluskinds co_code_adaptive co_tlbc"),
    ("pyobject", "size ob_type"),
    ("type_object", "size tp_name tp_repr tp_flags"),
    ("tuple_object", "size ob_item ob_size"),
    ("list_object", "size ob_item ob_size"),
    ("set_object", "size used table mask"),
    ("dict_object", "size ma_keys ma_values"),
    ("float_object", "size ob_fval"),
    ("long_object", "size lv_tag ob_digit"),
    ("bytes_object", "size ob_size ob_sval"),
    ("unicode_object", "size state length asciiobject_size"),
    ("gc", "size collecting"),
)

_3_15: Groups = (
    ("runtime_state", "size finalizing interpreters_head"),
    ("interpreter_state", "size id next threads_head threads_main gc imports_modules sysdict builtins "
     "ceval_gil gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked "
     "gil_runtime_state_holder code_object_generation tlbc_generation"),
    ("thread_state", "size prev next interp current_frame base_frame last_profiled_frame last_profiled_frame_seq "
     "thread_id native_thread_id datastack_chunk status holds_gil gil_requested current_exception exc_state"),
    ("err_stackitem", "exc_value"),
    ("interpreter_frame", "size previous executable instr_ptr localsplus owner stackpointer tlbc_index"),
    ("code_object", "size filename name qualname linetable firstlineno argcount localsplusnames "
     "localspluskinds co_code_adaptive co_tlbc"),
    ("pyobject", "size ob_type"),
    ("type_object", "size tp_name tp_repr tp_flags tp_basicsize tp_dictoffset"),
    ("heap_type_object", "size ht_cached_keys"),
    ("tuple_object", "size ob_item ob_size"),
    ("list_object", "size ob_item ob_size"),
    ("set_object", "size used table mask"),
    ("dict_object", "size ma_keys ma_values"),
    ("float_object", "size ob_fval"),
    ("long_object", "size lv_tag ob_digit"),
    ("bytes_object", "size ob_size ob_sval"),
    ("unicode_object", "size state length asciiobject_size compactunicodeobject_size"),
    ("gc", "size collecting frame generation_stats_size generation_stats"),
)

GROUPS: Dict[int, Groups] = {13: _3_13, 14: _3_14, 15: _3_15}


class Place(NamedTuple):
    """Where a logical field lies: at a word of the table (``group.member``) plus ``plus`` bytes,
    less another word of the same group where the table counts from further out."""

    group: str
    member: str
    size: int
    kind: str
    plus: int = 0
    minus: str = ""
    bit_offset: int = 0
    bit_size: int = 0


def _pointer(group: str, member: str, plus: int = 0, minus: str = "") -> Place:
    return Place(group, member, 8, "pointer", plus, minus)


def _int(group: str, member: str, size: int, plus: int = 0, minus: str = "") -> Place:
    return Place(group, member, size, "int", plus, minus)


def _array(group: str, member: str, size: int) -> Place:
    return Place(group, member, size, "array")


def _bits(group: str, member: str, offset: int, width: int) -> Place:
    return Place(group, member, 4, "uint", 0, "", offset, width)


#: What the table tells of itself, in every version.
PLACES: Dict[str, Place] = {
    "runtime.finalizing": _pointer("runtime_state", "finalizing"),
    "runtime.interpreters.head": _pointer("runtime_state", "interpreters_head"),
    "interp.id": _int("interpreter_state", "id", 8),
    "interp.next": _pointer("interpreter_state", "next"),
    "interp.threads.head": _pointer("interpreter_state", "threads_head"),
    "interp.gc": Place("interpreter_state", "gc", 8, "struct"),
    "interp.modules": _pointer("interpreter_state", "imports_modules"),
    "interp.sysdict": _pointer("interpreter_state", "sysdict"),
    "interp.builtins": _pointer("interpreter_state", "builtins"),
    "interp.gil": _pointer("interpreter_state", "ceval_gil"),
    "gil.locked": _int("interpreter_state", "gil_runtime_state_locked", 4, 0, "gil_runtime_state"),
    "gil.last_holder": _pointer("interpreter_state", "gil_runtime_state_holder", 0, "gil_runtime_state"),
    "gc.collecting": _int("gc", "collecting", 4),
    "thread.next": _pointer("thread_state", "next"),
    "thread.interp": _pointer("thread_state", "interp"),
    "thread.current_frame": _pointer("thread_state", "current_frame"),
    "thread.thread_id": Place("thread_state", "thread_id", 8, "uint"),
    "thread.native_thread_id": Place("thread_state", "native_thread_id", 8, "uint"),
    "iframe.previous": _pointer("interpreter_frame", "previous"),
    "iframe.code": _pointer("interpreter_frame", "executable"),
    "iframe.instruction": _pointer("interpreter_frame", "instr_ptr"),
    "iframe.owner": _int("interpreter_frame", "owner", 1),
    "iframe.locals": _array("interpreter_frame", "localsplus", 8),
    "code.filename": _pointer("code_object", "filename"),
    "code.name": _pointer("code_object", "name"),
    "code.qualname": _pointer("code_object", "qualname"),
    "code.linetable": _pointer("code_object", "linetable"),
    "code.firstlineno": _int("code_object", "firstlineno", 4),
    "code.adaptive": _array("code_object", "co_code_adaptive", 1),
    "object.type": _pointer("pyobject", "ob_type"),
    "type.name": _pointer("type_object", "tp_name"),
    "type.flags": Place("type_object", "tp_flags", 8, "uint"),
    "tuple.items": _array("tuple_object", "ob_item", 8),
    "list.items": _pointer("list_object", "ob_item"),
    "var.size": _int("bytes_object", "ob_size", 8),
    "bytes.data": _array("bytes_object", "ob_sval", 1),
    "dict.keys": _pointer("dict_object", "ma_keys"),
    "dict.values": _pointer("dict_object", "ma_values"),
    "float.value": Place("float_object", "ob_fval", 8, "float"),
    "int.tag": Place("long_object", "lv_tag", 8, "uint"),
    "int.digits": _array("long_object", "ob_digit", 4),
    "str.length": _int("unicode_object", "length", 8),
}

#: Members that are of another kind in later versions: a tagged reference (_PyStackRef in pycore_stackref.h), no pointer.
_TAGGED: Dict[str, Place] = {"iframe.code": Place("interpreter_frame", "executable", 8, "uint")}
PLACES_OF_MINOR: Dict[int, Dict[str, Place]] = {14: _TAGGED, 15: _TAGGED}

#: What the table leaves out and the headers of those versions fix, relative to what it tells:
#: Include/cpython/object.h, dictobject.h, pycore_dict.h, unicodeobject.h. Builds with the GIL, and `FREE_THREADED_ALIKE`.
FIXED: Dict[str, Place] = {
    "type.basicsize": _int("type_object", "tp_name", 8, plus=8),
    # Around co_firstlineno (_PyCode_DEF in Include/cpython/code.h).
    "code.stacksize": _int("code_object", "firstlineno", 4, plus=-4),
    "code.nlocalsplus": _int("code_object", "firstlineno", 4, plus=4),
    # Behind the slot tables (async 4 words, number 36, mapping 3, sequence 10, buffer 2).
    "heap_type.name": _pointer("type_object", "size", plus=440),
    "heap_type.cached_keys": _pointer("type_object", "size", plus=464),
    "dict.used": _int("pyobject", "size", 8),
    "module.dict": _pointer("pyobject", "size"),
    "str.kind": _bits("unicode_object", "state", 2, 3),
    "str.compact": _bits("unicode_object", "state", 5, 1),
    "str.ascii": _bits("unicode_object", "state", 6, 1),
}
_FROM_14: Dict[str, Place] = {
    "runtime.core_initialized": _int("runtime_state", "finalizing", 4, plus=-12),
    "runtime.initialized": _int("runtime_state", "finalizing", 4, plus=-8),
    "runtime.interpreters.main": _pointer("runtime_state", "interpreters_head", plus=8),
    "thread.status.active": _bits("thread_state", "status", 4, 1),
    "thread.status.finalizing": _bits("thread_state", "status", 5, 1),
    "thread.status.cleared": _bits("thread_state", "status", 6, 1),
    "thread.status.finalized": _bits("thread_state", "status", 7, 1),
    "code.firsttraceable": _int("code_object", "co_code_adaptive", 4, plus=-16),
}
#: What the structures of one minor version fix besides (pycore_runtime.h, pycore_interp.h, pystate.h).
FIXED_OF_MINOR: Dict[int, Dict[str, Place]] = {
    13: {
        "runtime.core_initialized": _int("runtime_state", "finalizing", 4, plus=-12),
        "runtime.initialized": _int("runtime_state", "finalizing", 4, plus=-8),
        "runtime.interpreters.main": _pointer("runtime_state", "interpreters_head", plus=8),
        "interp.finalizing": _int("interpreter_state", "id", 4, plus=48),
        "thread.status.active": _bits("thread_state", "status", 4, 1),
        "thread.status.finalizing": _bits("thread_state", "status", 6, 1),
        "thread.status.cleared": _bits("thread_state", "status", 7, 1),
        "thread.status.finalized": _bits("thread_state", "status", 8, 1),
        "thread.state": _int("thread_state", "status", 4, plus=8),
        "code.firsttraceable": _int("code_object", "co_code_adaptive", 4, plus=-16),
    },
    14: {
        **_FROM_14,
        "interp.finalizing": _int("interpreter_state", "id", 4, plus=40),
        "thread.state": _int("thread_state", "status", 4, plus=12),
    },
    15: {
        **_FROM_14,
        "interp.finalizing": _int("interpreter_state", "id", 4, plus=40),
        "thread.state": _int("thread_state", "status", 4, plus=16),
    },
}

#: Who owns an interpreter frame: the values of `enum _frameowner` that mark where an evaluation loop begins
#: (3.13: pycore_frame.h, later ones: pycore_interpframe_structs.h).
ENUMS_OF_MINOR: Dict[int, Dict[str, int]] = {
    13: {"FRAME_OWNED_BY_CSTACK": 3},
    14: {"FRAME_OWNED_BY_INTERPRETER": 3, "FRAME_OWNED_BY_CSTACK": 4},
    15: {"FRAME_OWNED_BY_INTERPRETER": 3},
}


class Collector(NamedTuple):
    """A collector's state of one shape: offsets in ``_gc_runtime_state``, bytes (pycore_gc.h, pycore_interp_structs.h).

    ``generation0`` is that of the pointer to the first of the ``generations``. It tells where they are: the structures
    of 3.13 can be packed (20 in Debian's 3.13.18, 24 in others).
    """

    enabled: int
    generations: int
    permanent: int
    generation0: int


#: (minor, size of the collector's state, offset of `collecting`) -> a state that has exactly this shape.
COLLECTORS: Dict[Tuple[int, int, int], Collector] = {
    (13, 240, 200): Collector(12, 24, 104, 96),
    (14, 264, 192): Collector(12, 24, 96, 256),
    (15, 176, 112): Collector(0, 8, 80, 168),
}
_GENERATION: Dict[str, Tuple[int, int, str]] = {
    "generation.next": (0, 8, "uint"),
    "generation.threshold": (16, 4, "int"),
    "generation.count": (20, 4, "int"),
    "gc_head.next": (0, 8, "uint"),
    "gc_head.prev": (8, 8, "uint"),
}
#: The same for structures that the table does not name at all: offset, size, kind.
CONSTANT: Dict[str, Tuple[int, int, str]] = {
    "dict_keys.log2_size": (8, 1, "uint"),
    "dict_keys.log2_index_bytes": (9, 1, "uint"),
    "dict_keys.kind": (10, 1, "uint"),
    "dict_keys.entries": (24, 8, "int"),
    "dict_keys.indices": (32, 1, "array"),
    "dict_entry.key": (8, 8, "pointer"),
    "dict_entry.value": (16, 8, "pointer"),
    "dict_unicode_entry.key": (0, 8, "pointer"),
    "dict_unicode_entry.value": (8, 8, "pointer"),
    "dict_values.valid": (3, 1, "uint"),
    "dict_values.values": (8, 8, "array"),
}
#: How objects begin: with the GIL, and in free-threaded builds (Include/object.h).
COUNTED: Dict[bool, Dict[str, Tuple[int, int, str]]] = {
    False: {"object.refcnt": (0, 4, "uint")},
    True: {
        "object.thread": (0, 8, "uint"),
        "object.gc_bits": (11, 1, "uint"),
        "object.refcnt_local": (12, 4, "uint"),
        "object.refcnt_shared": (16, 8, "int"),
    },
}
#: Minor versions whose free-threaded builds differ in nothing else that is fixed here. What their collector and
#: its allocator keep is not known all the same: the table tells nothing of the threads' own heaps and counts.
FREE_THREADED_ALIKE = (13,)
_SIZES = {"object": ("pyobject", "size"), "str.ascii": ("unicode_object", "asciiobject_size")}
#: Of the GIL: an interval, the last holder, two counters, two condition variables and two mutexes of glibc (pycore_gil.h).
_GIL = 4 * 8 + 2 * 48 + 2 * 40
_CONSTANT_SIZES = {"gil": _GIL, "dict_entry": 24, "dict_unicode_entry": 16, "gc_head": 16, "generation": 24}
#: Offsets beyond the size of the group's structure: they lie in the structure that embeds it.
_OUTSIDE = ("heap_type.name", "heap_type.cached_keys", "dict.used", "module.dict")


class DebugOffsets(NamedTuple):
    """The table of a target: ``version`` is ``PY_VERSION_HEX``, ``words`` group -> member -> value."""

    version: int
    free_threaded: bool
    words: Dict[str, Dict[str, int]]
    #: Offset of the generations in the collector's state as a living interpreter tells it; None if none does.
    generations: Optional[int] = None

    @property
    def collector(self) -> Optional[Collector]:
        """The shape of the collector's state, None if it is not known."""
        gc = self.words["gc"]
        return None if self.free_threaded else COLLECTORS.get((self.version >> 16 & 255, gc["size"], gc["collecting"]))


def read(memory: Memory, address: int) -> DebugOffsets:
    """Return the table at ``address`` (that of ``_PyRuntime``). Raises BadOffsets."""
    try:
        head = memory.read(address, 3 * _WORD)
        version, free_threaded = memory.u64(address + 8), memory.u64(address + 16)
    except MemoryFault as fault:
        raise BadOffsets(str(fault)) from None
    if head[:8] != COOKIE:
        raise BadOffsets("_PyRuntime does not begin with a table of offsets")
    major, minor = version >> 24, version >> 16 & 255
    if major != 3 or minor not in GROUPS or free_threaded > 1:
        raise BadOffsets(f"the table of offsets has an unknown version ({version:#x})")
    words: Dict[str, Dict[str, int]] = {}
    at = address + 3 * _WORD
    for group, members in GROUPS[minor]:
        words[group] = {}
        for member in members.split():
            try:
                words[group][member] = memory.u64(at)
            except MemoryFault as fault:
                raise BadOffsets(str(fault)) from None
            at += _WORD
    offsets = DebugOffsets(version, bool(free_threaded), words)
    return offsets._replace(generations=_generations(memory, address, offsets))


def _generations(memory: Memory, address: int, offsets: DebugOffsets) -> Optional[int]:
    """Return where the collector's generations are in its state, by the main interpreter's own pointer to them."""
    if offsets.collector is None:
        return None
    try:
        interpreter = memory.u64(address + offsets.words["runtime_state"]["interpreters_head"])
        state = interpreter + offsets.words["interpreter_state"]["gc"]
        distance = memory.u64(state + offsets.collector.generation0) - state if interpreter else -1
    except MemoryFault:
        return None
    return distance if 0 < distance < offsets.words["gc"]["size"] and distance % 4 == 0 else None


def layout_from(offsets: DebugOffsets) -> Layout:
    """Return the layout that a table tells. Raises BadOffsets when an offset cannot be right."""
    layout = Layout("debug-offsets")
    problems: List[str] = []
    minor = offsets.version >> 16 & 255
    places = {**PLACES, **PLACES_OF_MINOR.get(minor, {})}
    whole = not offsets.free_threaded or minor in FREE_THREADED_ALIKE
    if offsets.free_threaded:
        # Unlike its neighbours counted from the beginning of the GIL itself.
        places["gil.enabled"] = _int("interpreter_state", "gil_runtime_state_enabled", 4)
    layout.enums.update(ENUMS_OF_MINOR.get(minor, {}))
    if whole:
        places.update(FIXED)
        places.update(FIXED_OF_MINOR.get(minor, {}))
        collector = offsets.collector
        if collector is not None:
            layout.fields["gc.enabled"] = Field(collector.enabled, 4, "int")
            at = offsets.generations or collector.generations
            layout.fields["gc.generations"] = Field(at, 72, "array", count=3, stride=24)
            layout.fields["gc.permanent"] = Field(collector.permanent, 24, "struct")
            for name, (offset, size, kind) in _GENERATION.items():
                layout.fields[name] = Field(offset, size, kind)
        for name, (offset, size, kind) in {**CONSTANT, **COUNTED[offsets.free_threaded]}.items():
            layout.fields[name] = Field(offset, size, kind, stride=size, count=1 if kind == "array" else 0)
        layout.sizes.update(_CONSTANT_SIZES)
    for name, place in places.items():
        found = _field(offsets.words, name, place)
        if found is None:
            problems.append(name)
        else:
            layout.fields[name] = found
    problems += [name for name in _overlapping(offsets.words) if name not in problems]
    for name, (group, member) in _SIZES.items():
        size = offsets.words[group][member]
        if not 16 <= size <= 256 or size % 8:
            problems.append(name)
        layout.sizes[name] = size
    if whole:
        # PyCompactUnicodeObject: a length and a pointer more than PyASCIIObject.
        layout.sizes["str.compact"] = offsets.words["unicode_object"]["asciiobject_size"] + 16
        layout.fields["str.data"] = Field(layout.sizes["str.compact"] or 0, 8, "pointer")
    if problems:
        raise BadOffsets(f"the table of offsets in _PyRuntime is damaged ({', '.join(problems)})")
    return layout


def _overlapping(words: Dict[str, Dict[str, int]]) -> List[str]:
    """Return the fields that begin where another one of the same structure lies: one of the two is elsewhere."""
    found: List[str] = []
    last: Dict[str, Tuple[int, str]] = {}
    for name, place in sorted(PLACES.items(), key=lambda item: words[item[1].group][item[1].member]):
        offset = words[place.group][place.member] + place.plus
        end, before = last.get(place.group, (0, ""))
        if offset < end:
            found += [before, name]
        last[place.group] = (offset + (place.size if place.kind != "array" else 1), name)
    return list(dict.fromkeys(found))


def _field(words: Dict[str, Dict[str, int]], name: str, place: Place) -> Optional[Field]:
    group = words[place.group]
    span = group["size"]
    offset = group[place.member] + place.plus
    align = min(place.size, 8)
    if not 0 < span <= _LARGEST or offset < 0 or offset % align:
        return None
    if name not in _OUTSIDE and offset + (place.size if place.kind != "array" else 0) > span:
        return None
    if place.minus:
        offset -= group[place.minus]
        if not 0 <= offset <= 4096:
            return None
    is_array = place.kind == "array"
    return Field(
        offset, place.size, place.kind, "", place.bit_offset, place.bit_size,
        1 if is_array else 0, place.size if is_array else 0,
    )
