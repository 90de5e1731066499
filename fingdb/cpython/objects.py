"""Objects: their type's name, strings, integers, sequences.

Functions here raise the errors of `target.Unreadable`: the readers above them catch those.
"""

from __future__ import annotations

from typing import List, Optional

from .target import Corrupt, PythonTarget, Unreadable

# Bits of tp_flags, the same in all versions where they exist: Include/object.h.
HEAP_TYPE = 1 << 9
LONG, LIST, TUPLE, BYTES, UNICODE, DICT = (1 << bit for bit in range(24, 30))
TYPE = 1 << 31

#: ``ob_ref_local`` of immortal objects of free-threaded builds.
_IMMORTAL_LOCAL = 0xFFFFFFFF
#: What is added to the count of an object whose references are counted late: 1 in 3.13, _Py_REF_DEFERRED of
#: Include/internal/pycore_object.h (PY_SSIZE_T_MAX / 8) from 3.14 on. No other count comes near that.
ADDED_LATE = ((1 << 63) - 1) // 8
#: Nobody holds so many references to an object. Static objects begin with 999999999 in 3.11, immortal ones have marks of
#: their own; what is far larger is an address that overwrote the count.
_MOST_HELD = 1 << 40
_CODECS = {1: ("latin-1", 1), 2: ("utf-16", 2), 4: ("utf-32", 4)}
#: Longer strings, and numbers of more digits, are cut off or refused.
LONGEST_STRING = 4096
_MOST_DIGITS = 2000


def type_of(target: PythonTarget, address: int) -> int:
    """Return the address of an object's type. Raises MemoryFault."""
    return target.number("object.type", address)


def flags_of_type(target: PythonTarget, type_address: int) -> int:
    """Return ``tp_flags``. Raises MemoryFault."""
    target.forget_stale()
    flags = target.type_flags.get(type_address)
    if flags is None:
        flags = target.type_flags[type_address] = target.number("type.flags", type_address)
    return flags


def has_flag(target: PythonTarget, address: int, flag: int) -> bool:
    """Tell whether the type of an object has one of ``flag``. Raises MemoryFault."""
    return bool(flags_of_type(target, type_of(target, address)) & flag)


def name_of_type(target: PythonTarget, type_address: int) -> str:
    """Return what ``type.__name__`` gives. Raises Unreadable.

    Mirrors type_name() in Objects/typeobject.c: a heap type keeps its name as a string object, a
    static type has it behind the last dot of ``tp_name``.
    """
    target.forget_stale()
    name = target.type_names.get(type_address)
    if name is None:
        name = target.type_names[type_address] = _read_type_name(target, type_address)
    return name


def _read_type_name(target: PythonTarget, type_address: int) -> str:
    if flags_of_type(target, type_address) & HEAP_TYPE:
        try:
            held = target.value("heap_type.name", type_address)
            if held is not None:
                return string(target, held)
        except Unreadable:
            pass  # a heap type that is half deallocated may still have tp_name
    text = target.memory.cstring(target.number("type.name", type_address), 1024)
    name = text.decode("utf-8", "replace")
    if not name or not name.isprintable():
        raise Corrupt(f"the type at {type_address:#x} has no readable name")
    return name.rpartition(".")[2]


def dict_of_type(target: PythonTarget, type_address: int, interpreter: int = 0) -> int:
    """Return the address of a type's dict, 0 without one. Raises Unreadable.

    Mirrors lookup_tp_dict (Objects/typeobject.c): from 3.12 on a static type has one in each interpreter.
    """
    own = target.value("type.dict", type_address) or 0
    field = target.layout.field("interp.static_types")
    if own or field is None or not field.stride or not interpreter:
        return own
    index = (target.value("type.index", type_address) or 0) - 1
    if not 0 <= index < field.count or flags_of_type(target, type_address) & HEAP_TYPE:
        return 0
    return target.value("static_type.dict", interpreter + field.offset + index * field.stride) or 0


def type_name(target: PythonTarget, address: int) -> str:
    """Return the name of an object's type. Raises Unreadable."""
    return name_of_type(target, type_of(target, address))


def is_none(target: PythonTarget, address: int) -> bool:
    """Tell whether the object at ``address`` is None. Raises Unreadable."""
    return type_name(target, address) == "NoneType"


def is_instance_of(target: PythonTarget, address: int, name: str) -> bool:
    """Tell whether an object's type or one of its first bases has that name. Raises Unreadable."""
    at: Optional[int] = type_of(target, address)
    for _ in range(32):
        if not at:
            return False
        if name_of_type(target, at) == name:
            return True
        at = target.value("type.base", at)
    return False


def refcount(target: PythonTarget, address: int) -> int:
    """Return what ``Py_REFCNT`` gives (Include/object.h). Raises MemoryFault."""
    count = target.value("object.refcnt", address)
    if count is not None:
        return count
    # Free-threaded: own references of the creating thread, and those of others above two flag bits.
    local = target.value("object.refcnt_local", address) or 0
    if local == _IMMORTAL_LOCAL:
        return local
    shared = target.value("object.refcnt_shared", address) or 0
    return local + (shared >> 2)


def is_likely_count(count: int) -> bool:
    """Tell whether a number can be the count of an object that lives."""
    return 0 < count < _MOST_HELD or has_added(count)


def has_added(count: int) -> bool:
    """Tell whether a count has what is added to it from 3.14 on where references are counted late."""
    return abs(count - ADDED_LATE) < _MOST_HELD


def is_immortal_count(count: int) -> bool:
    """Tell whether what `refcount` gives is the mark of an immortal object of builds without a GIL."""
    return count == _IMMORTAL_LOCAL


# -- strings --------------------------------------------------------------------------------------
def string(target: PythonTarget, address: int, limit: int = LONGEST_STRING) -> str:
    """Return the text of a str object, at most ``limit`` characters. Raises Unreadable.

    Mirrors the layouts of Include/cpython/unicodeobject.h: compact ASCII, compact, legacy (with
    its data elsewhere), and up to 3.11 legacy not yet "ready" (only wchar_t).
    """
    if not has_flag(target, address, UNICODE):
        raise Corrupt(f"the object at {address:#x} is not a str")
    length = target.number("str.length", address)
    kind = target.number("str.kind", address)
    compact = target.number("str.compact", address)
    ascii_size, compact_size = target.layout.size("str.ascii"), target.layout.size("str.compact")
    if ascii_size is None or compact_size is None:
        raise Corrupt("this build does not tell where strings keep their text")
    if target.value("str.ready", address) == 0 and target.layout.has("str.wstr"):
        data, kind = target.number("str.wstr", address), 4
        length = target.number("str.wstr_length", address)
    elif not compact:
        data = target.number("str.data", address)
    elif target.number("str.ascii", address):
        data = address + ascii_size
    else:
        data = address + compact_size
    if kind not in _CODECS or not 0 <= length < 1 << 40:
        raise Corrupt(f"the str at {address:#x} is damaged")
    codec, width = _CODECS[kind]
    if width > 1:
        codec += "-be" if target.memory.big_endian else "-le"
    text = target.memory.read(data, min(length, limit) * width)
    try:
        return text.decode(codec, "surrogatepass" if width > 1 else "strict")
    except UnicodeDecodeError:
        raise Corrupt(f"the str at {address:#x} is damaged") from None


def bytes_of(target: PythonTarget, address: int, limit: int = 1 << 20) -> bytes:
    """Return the contents of a bytes object, at most ``limit``. Raises Unreadable."""
    if not has_flag(target, address, BYTES):
        raise Corrupt(f"the object at {address:#x} is not a bytes object")
    size = target.number("var.size", address)
    field = target.layout.field("bytes.data")
    if field is None or size < 0:
        raise Corrupt(f"the bytes object at {address:#x} is damaged")
    return target.memory.read(address + field.offset, min(size, limit))


def integer(target: PythonTarget, address: int) -> int:
    """Return the value of an int (or bool) object. Raises Unreadable.

    Mirrors Include/cpython/longintrepr.h: up to 3.11 the sign is that of ``ob_size``, from 3.12
    the low bits of ``lv_tag``; digits have 30 bits (15 on some 32-bit builds).
    """
    if not has_flag(target, address, LONG):
        raise Corrupt(f"the object at {address:#x} is not an int")
    tag = target.value("int.tag", address)
    if tag is not None:
        count, sign = tag >> 3, 1 - (tag & 3)
    else:
        size = target.number("var.size", address)
        count, sign = abs(size), -1 if size < 0 else 1
    field = target.layout.field("int.digits")
    if field is None or count > _MOST_DIGITS:
        raise Corrupt(f"the int at {address:#x} is damaged or too large")
    width = field.stride or 4
    shift = 30 if width == 4 else 15
    data = target.memory.read(address + field.offset, count * width)
    number = 0
    for at in range((count - 1) * width, -1, -width):
        digit = data[at : at + width]
        number = number << shift | int.from_bytes(digit, "big" if target.memory.big_endian else "little")
    return sign * number


def short_repr(target: PythonTarget, address: int, limit: int = 60) -> str:
    """Return a short description of an object for people: its value where that is simple and
    safe to read, else ``<type at 0x…>``. Never raises."""
    try:
        flags = flags_of_type(target, type_of(target, address))
        name = type_name(target, address)
        if flags & UNICODE:
            text = string(target, address, limit + 1)
            return repr(text[:limit]) + ("…" if len(text) > limit else "")
        if flags & BYTES:
            data = bytes_of(target, address, limit + 1)
            return repr(data[:limit]) + ("…" if len(data) > limit else "")
        if name == "NoneType":
            return "None"
        if name == "bool":
            return str(bool(integer(target, address)))
        if flags & LONG:
            return str(integer(target, address))
        return f"<{name} at {address:#x}>"
    except Unreadable:
        return f"<? at {address:#x}>"


# -- sequences ------------------------------------------------------------------------------------
def items(target: PythonTarget, address: int, limit: int = 1 << 16) -> List[int]:
    """Return the addresses of the items of a tuple or list, at most ``limit``. Raises Unreadable."""
    flags = flags_of_type(target, type_of(target, address))
    size = target.number("var.size", address)
    if size < 0 or not flags & (LIST | TUPLE):
        raise Corrupt(f"the object at {address:#x} is not a tuple or list")
    if flags & TUPLE:
        start = address + target.layout.offset("tuple.items")
    else:
        start = target.number("list.items", address)
    return list(target.memory.array(start, min(size, limit)))
