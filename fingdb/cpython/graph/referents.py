"""`Referents`: what an object refers to, with the names of the members."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

from ...layout.members import MemberTable, ObjectMembers
from .. import dicts, objects
from ..attributes import MANAGED_DICT, place_of
from ..runtime import interpreter_addresses
from ..target import Corrupt, PythonTarget, Unreadable
from . import containers, frames
from .containers import Symbols
from .edges import Edge
from .free_lists import free_objects
from .rows import ALWAYS_BORROWED, ASSUMED, BORROWED, GUESSED, HELD, ROWS, VISITED, Row

#: Bits of tp_flags: Include/object.h.
HAVE_GC = 1 << 14
#: Kinds of members that are objects, of PyMemberDef: T_OBJECT and T_OBJECT_EX.
_OBJECT_MEMBERS = (6, 16)
_MOST_MEMBERS = 4096
#: Functions of a type that mostly have a variable of its own structure.
_FUNCTIONS = ("new", "dealloc", "init", "traverse", "clear")
#: A chain of base types is not longer, a body not larger.
_DEEPEST = 64
_LARGEST_BODY = 1 << 16
_MOST_ITEMS = 1 << 20
_NEAR_NULL = 1 << 16


@dataclass
class Plan:
    """How to read the objects of one type."""

    #: (name, offset, how) of the members that point to objects.
    members: List[Tuple[str, int, str]] = field(default_factory=list)
    #: Ranges of the body of which nothing is known.
    unknown: List[Tuple[int, int]] = field(default_factory=list)
    special: Tuple[str, ...] = ()
    #: How instances refer to their type, "" where it is a static type: nobody counts those.
    type_edge: str = ""
    #: Whether instances may have a dict of their own that no member names.
    dict: bool = False
    items_unknown: bool = False
    collected: bool = True
    #: Whether all that is said of members comes from the table of types or from a class statement.
    sure: bool = True
    #: The structure of C in which members were found, "" for none.
    struct: str = ""


class Referents:
    """References out of objects, for one state of the target.

    ``known`` tells whether a number is the address of an object; it decides about the words of structures that
    nobody describes. Without it memory is looked at.
    """

    def __init__(self, target: PythonTarget, known: Optional[Callable[[int], bool]] = None) -> None:
        self.target = target
        self.symbols = Symbols(target)
        self.table = MemberTable(
            target.debugger, target.module.build_id, target.layout.offset("object.type"), target.module.path
        )
        self._known = known if known is not None else self.looks_like_object
        self._plans: Dict[int, Plan] = {}
        self._types: Dict[int, bool] = {}
        self._looks: Dict[int, bool] = {}
        self._free: Optional[Set[int]] = None
        self._interned: Optional[Set[int]] = None

    # -- what is an object ------------------------------------------------------------------------
    def is_type(self, address: int) -> bool:
        """Tell whether a type lies at ``address``: its own type is a subclass of type, by its flags."""
        known = self._types.get(address)
        if known is None:
            target = self.target
            try:
                meta = objects.type_of(target, address)
                known = meta >= _NEAR_NULL and bool(target.number("type.flags", meta) & objects.TYPE)
                if known:
                    top = objects.type_of(target, meta)
                    known = top >= _NEAR_NULL and bool(target.number("type.flags", top) & objects.TYPE)
            except Unreadable:
                known = False
            self._types[address] = known
        return known

    def looks_like_object(self, address: int) -> bool:
        """Tell whether an object seems to begin at ``address``: its type is one, and its count can be."""
        if address < _NEAR_NULL or address & (self.target.memory.pointer_size - 1) or self.is_free(address):
            return False
        known = self._looks.get(address)
        if known is None:
            try:
                known = objects.refcount(self.target, address) > 0 and self.is_type(
                    objects.type_of(self.target, address)
                )
            except Unreadable:
                known = False
            self._looks[address] = known
        return known

    def is_free(self, address: int) -> bool:
        """Tell whether what lies at ``address`` is on one of CPython's free lists. Never raises."""
        if self._free is None:
            self._free = free_objects(self.target)
        return address in self._free

    # -- edges ------------------------------------------------------------------------------------
    def edges(self, address: int, borrowed: bool = False) -> Iterator[Edge]:
        """Yield the references that an object owns, and with ``borrowed`` pointers that own nothing too.

        Raises Unreadable where the object's memory ends or contradicts itself.
        """
        type_address = objects.type_of(self.target, address)
        for edge in self._all(address, type_address, self.plan(type_address)):
            if edge.how != BORROWED or borrowed:
                yield edge

    def _all(self, address: int, type_address: int, plan: Plan) -> Iterator[Edge]:
        pointer = self.target.memory.pointer
        if plan.type_edge:
            yield Edge(type_address, plan.type_edge, "ob_type")
        end = _LARGEST_BODY
        if "type" in plan.special and not objects.flags_of_type(self.target, address) & objects.HEAP_TYPE:
            end = self.target.layout.size("type") or 0  # a static type has nothing of a heap type's own
        for name, offset, how in plan.members:
            if offset >= end:
                continue
            held = pointer(address + offset)
            if held and (how != GUESSED or self._known(held)):
                yield Edge(held, how, name)
        for special in plan.special:
            yield from self._special(special, address, type_address)
        if plan.dict:
            place = place_of(self.target, address)
            if place.dict:
                # A dict that only shows the instance's own values: 3.13.0 visits the values, later ones the dict.
                how = HELD if not plan.collected else ASSUMED if place.values else VISITED
                yield Edge(place.dict, how, "__dict__")
            if place.values:
                how = ASSUMED if place.dict else VISITED
                if place.dict and containers.dict_visits_inside(self.target):
                    how = BORROWED
                yield from containers.value_edges(self.target, type_address, place.values, how)
        if plan.unknown or plan.items_unknown:
            yield from self._words(address, plan, type_address)

    def _words(self, address: int, plan: Plan, type_address: int) -> Iterator[Edge]:
        ranges = list(plan.unknown)
        if plan.items_unknown:
            count = self.target.number("var.size", address)
            start = self.target.number("type.basicsize", type_address)
            stride = self.target.number("type.itemsize", type_address)
            ranges.append((start, start + min(abs(count), _MOST_ITEMS) * stride))
        yield from self.guessed(address, ranges)

    def guessed(self, address: int, ranges: List[Tuple[int, int]], prefix: str = "") -> Iterator[Edge]:
        """Yield the words of parts of a structure that are addresses of objects. Raises Unreadable."""
        word = self.target.memory.pointer_size
        for start, end in ranges:
            start = start + word - 1 & ~(word - 1)
            if end - start < word:
                continue
            for index, held in enumerate(self.target.memory.array(address + start, (end - start) // word)):
                if held >= _NEAR_NULL and self._known(held):
                    yield Edge(held, GUESSED, f"{prefix}+{start + index * word:#x}")

    def _special(self, name: str, address: int, type_address: int) -> Iterator[Edge]:
        target = self.target
        if name == "dict":
            if self._interned is None:
                self._interned = containers.interned_tables(target)
            if address in self._interned:
                yield from containers.interned_edges(target, address)
                return
            yield from containers.dict_edges(target, address, self.symbols)
        elif name in ("list", "tuple"):
            yield from containers.item_edges(target, address)
        elif name == "structseq":
            yield from self._hidden_items(address, type_address)
        elif name == "set":
            yield from containers.set_edges(target, address)
        elif name == "odict":
            yield from containers.odict_edges(target, address)
        elif name == "lru-cache":
            yield from containers.lru_cache_edges(target, address)
        elif name == "deque":
            yield from containers.deque_edges(target, address)
        elif name == "frame":
            yield from frames.frame_object_edges(target, address)
        elif name == "generator":
            yield from frames.generator_edges(target, address)
        elif name == "type":
            yield from self._type_parts(address)
        elif name == "module-state":
            yield from self._module_state(address)

    def _hidden_items(self, address: int, type_address: int) -> Iterator[Edge]:
        """Yield the items of a structure sequence that are no part of the tuple: Objects/structseq.c."""
        living = interpreter_addresses(self.target)
        namespace = objects.dict_of_type(self.target, type_address, living[0] if living else 0)
        if not namespace:
            return
        found = dicts.lookup(self.target, namespace, "n_fields")
        if found is None:
            return
        size, fields = self.target.number("var.size", address), objects.integer(self.target, found)
        start = address + self.target.layout.offset("tuple.items")
        word = self.target.memory.pointer_size
        if 0 <= size < fields < _MOST_MEMBERS:
            for edge in containers.array_edges(self.target, start + size * word, fields - size, VISITED):
                yield edge._replace(detail=edge.detail + size)

    def _type_parts(self, address: int) -> Iterator[Edge]:
        if not objects.flags_of_type(self.target, address) & objects.HEAP_TYPE:
            return
        keys = self.target.value("heap_type.cached_keys", address)
        if keys:
            yield from containers.key_edges(self.target, keys)

    def _module_state(self, address: int) -> Iterator[Edge]:
        target = self.target
        state, definition = target.value("module.state", address), target.value("module.def", address)
        size = target.value("module.state_size", address)
        if size is None and definition:
            size = target.value("module_def.size", definition)
        if state and size:
            if 0 < size <= _LARGEST_BODY:
                yield from self.guessed(state, [(0, size)], "state ")

    # -- plans ------------------------------------------------------------------------------------
    def plan(self, type_address: int) -> Plan:
        """Return how objects of a type are read. Raises Unreadable."""
        plan = self._plans.get(type_address)
        if plan is None:
            plan = self._plans[type_address] = self._make(type_address)
        return plan

    def row_of(self, type_address: int) -> Optional[Row]:
        """Return the table's row of a type, None if it has none. Raises Unreadable."""
        target = self.target
        name = target.memory.cstring(target.number("type.name", type_address), 200).decode("utf-8", "replace")
        row = ROWS.get(name)
        # A class of a program may have the name of a builtin type, but not the dot in it.
        if row is None or ("." not in name and objects.flags_of_type(target, type_address) & objects.HEAP_TYPE):
            return None
        return row

    def _make(self, type_address: int) -> Plan:
        if not self.is_type(type_address):
            raise Corrupt(f"what should be a type at {type_address:#x} is none")
        target = self.target
        flags = objects.flags_of_type(target, type_address)
        plan = Plan(collected=bool(flags & HAVE_GC))
        top = objects.type_of(target, type_address)
        own_python = self.is_python_class(type_address)
        at: Optional[int] = type_address
        special: List[str] = []
        taken: Set[int] = set()
        row: Optional[Row] = None
        for _ in range(_DEEPEST):
            if not at:
                break
            row = self.row_of(at)
            if row is not None:
                self._add_row(plan, row, at, special, taken)
                break
            self._add_layer(plan, at, taken)
            at = target.value("type.base", at)
        if top and flags & objects.TUPLE and row is not None and row.special == ("tuple",) and at != type_address:
            special.append("structseq")
        plan.special = tuple(special)
        if flags & objects.HEAP_TYPE:
            visits = own_python and not self._leaves_type_to_base(type_address)
            known = visits or (row is not None and at == type_address and row.visits_type)
            plan.type_edge = VISITED if known else ASSUMED
        offset = target.value("type.dictoffset", type_address) or 0
        plan.dict = bool(flags & MANAGED_DICT) or (offset != 0 and offset not in taken)
        plan.sure = all(how not in (ASSUMED, GUESSED) for _name, _offset, how in plan.members)
        if not plan.collected:
            plan.members = [(n, o, how if how in (BORROWED, GUESSED) else HELD) for n, o, how in plan.members]
            plan.type_edge = HELD if plan.type_edge else ""
        return plan

    def is_python_class(self, type_address: int) -> bool:
        """Tell whether a type was made by a class statement: subtype_traverse is its own. Raises Unreadable."""
        target = self.target
        if not objects.flags_of_type(target, type_address) & objects.HEAP_TYPE:
            return False
        function = target.value("type.traverse", type_address)
        if not function:
            return False
        name = self.symbols.name(function)
        if name:
            return name == "subtype_traverse"
        # Stripped: a heap type without a module in its name, with a function of the runtime itself.
        text = target.memory.cstring(target.number("type.name", type_address), 200)
        return b"." not in text and target.debugger.module_at(function) == target.module.path

    def _leaves_type_to_base(self, type_address: int) -> bool:
        """Tell whether subtype_traverse does not visit the type of a class's objects: Objects/typeobject.c from 3.9 on.

        It is left to the tp_traverse of the nearest base that has another, if that is a heap type. Raises Unreadable.
        """
        target = self.target
        if target.debugger.field("PyHeapTypeObject", "ht_module") is None:
            return False  # 3.8
        own, base = target.value("type.traverse", type_address), type_address
        for _ in range(_DEEPEST):
            base = target.value("type.base", base) or 0
            if not base:
                return False
            function = target.value("type.traverse", base)
            if function != own:
                return bool(function and objects.flags_of_type(target, base) & objects.HEAP_TYPE)
        return False

    def _add_row(self, plan: Plan, row: Row, type_address: int, special: List[str], taken: Set[int]) -> None:
        special.extend(row.special)
        if not row.structs:
            return
        found: Optional[ObjectMembers] = None
        for struct in row.structs:
            found = self.table.of(struct)
            if found is not None:
                plan.struct = plan.struct or struct
                break
        basic = self.target.number("type.basicsize", type_address)
        if found is None:
            base = self.target.layout.size("object") or 16
            plan.unknown.append((base, min(basic, _LARGEST_BODY)))
            return
        members = found.objects + tuple(m for m in found.untyped if _ends(m[0], row.untyped))
        for path, offset in members:
            if offset >= basic and "type" not in row.special:
                continue  # this type has less of the structure
            if _ends(path, row.ignored):
                continue
            how = VISITED
            if _ends(path, row.borrowed) or path.rpartition(".")[2] in ALWAYS_BORROWED:
                how = BORROWED
            elif _ends(path, row.held) or (row.only and not _ends(path, row.only)):
                how = HELD
            elif _ends(path, row.unsure):
                how = ASSUMED
            taken.add(offset)
            plan.members.append((path.rpartition(".")[2], offset, how))

    def _add_layer(self, plan: Plan, type_address: int, taken: Set[int]) -> None:
        """Add what a type adds to its base: members that it describes itself, and the words between them."""
        target = self.target
        if objects.flags_of_type(target, type_address) & objects.TUPLE:
            return  # items all over, which structure sequences describe as members
        basic = target.number("type.basicsize", type_address)
        base = target.value("type.base", type_address)
        start = target.number("type.basicsize", base) if base else target.layout.size("object") or 16
        word = target.memory.pointer_size
        how = VISITED if self.is_python_class(type_address) else ASSUMED
        named: Set[int] = set()
        own = self._own_struct(type_address, basic) if how == ASSUMED and basic > start else None
        if own is not None:
            plan.struct = plan.struct or own[0]
            for path, offset in own[1].objects + own[1].untyped:
                kept = BORROWED if path.rpartition(".")[2] in ALWAYS_BORROWED else ASSUMED
                if start <= offset < basic and offset not in taken:
                    # What has no type in C may be an object too, or anything else.
                    guess = (path, offset) in own[1].untyped
                    plan.members.append((path, offset, GUESSED if guess else kept))
                    taken.add(offset)
            return
        for name, offset in self.described(type_address):
            if offset not in taken and 0 < offset < _LARGEST_BODY:
                plan.members.append((name, offset, how))
                taken.add(offset)
                named.add(offset)
        for field_name in ("type.dictoffset", "type.weaklistoffset"):
            offset = target.value(field_name, type_address) or 0
            if offset > 0:
                named.add(offset)
        if target.value("type.itemsize", type_address) and not (base and target.value("type.itemsize", base)):
            plan.items_unknown = target.value("type.itemsize", type_address) == word
        if (target.value("type.dictoffset", type_address) or 0) < 0 and target.value("type.itemsize", type_address):
            return  # what is behind the base's part are the items, and the dict behind those
        at = start
        for offset in sorted(named | {basic}):
            if start <= offset <= basic:
                if offset - at >= word and offset - at <= _LARGEST_BODY:
                    plan.unknown.append((at, offset))
                at = offset + word

    def _own_struct(self, type_address: int, size: int) -> Optional[Tuple[str, ObjectMembers]]:
        """Return the C structure of a type's instances, told by its functions' arguments and variables. Raises Unreadable."""
        functions = [self.target.value(f"type.{name}", type_address) for name in _FUNCTIONS]
        struct = self.table.struct_of([f for f in functions if f], size)
        members = self.table.read(struct) if struct is not None else None
        return None if struct is None or members is None else (struct, members)

    def described(self, type_address: int) -> List[Tuple[str, int]]:
        """Return (name, offset) of the object members that a type describes in ``tp_members``. Raises Unreadable."""
        target = self.target
        at = target.value("type.members", type_address)
        size = target.layout.size("member_def")
        found: List[Tuple[str, int]] = []
        if not at or not size:
            return found
        for index in range(_MOST_MEMBERS):
            entry = at + index * size
            name = target.number("member_def.name", entry)
            if not name:
                break
            if target.number("member_def.type", entry) in _OBJECT_MEMBERS:
                text = target.memory.cstring(name, 256).decode("utf-8", "replace")
                found.append((text, target.number("member_def.offset", entry)))
        return found


def _ends(path: str, names: Tuple[str, ...]) -> bool:
    return any(path == name or path.endswith("." + name) for name in names)
