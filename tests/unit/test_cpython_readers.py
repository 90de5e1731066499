"""The readers on a CPython made by hand, whole and damaged, in the layouts of six versions."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import List

import pytest

from fingdb.cpython import attributes, dicts, objects
from fingdb.cpython.frame import StackReader, python_stack
from fingdb.cpython.gc import read_gc
from fingdb.cpython.heap.walk import walk_list
from fingdb.cpython.interpreter import read_interpreters
from fingdb.cpython.modules import read_modules
from fingdb.cpython.quick import quick_state
from fingdb.cpython.runtime import gil_holder, interpreter_addresses, read_runtime
from fingdb.cpython.target import Corrupt, NoPython, PythonTarget, Unreadable
from fingdb.cpython.thread import read_threads
from fingdb.cpython.thread_list import thread_addresses
from fingdb.cpython.threading_names import thread_infos
from fingdb.debugger.fake import FakeDebugger
from fingdb.debugger.interface import Interrupted, Module, TargetInfo, TargetKind

from .fake_heap import HEAP, HEAP_SIZE, RUNTIME, TUPLE, VERSIONS, FakeCPython

NOWHERE = 0x7FFF00000000


@pytest.fixture(params=VERSIONS)
def fake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCPython:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return FakeCPython(request.param)


@pytest.fixture()
def newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCPython:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return FakeCPython("3.13")


# -- objects ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "a", "abc" * 100, "é", "ÿ\0ÿ", "名", "a名\ud800", "\U0001F40D!"])
def test_strings(fake: FakeCPython, text: str) -> None:
    assert objects.string(fake.target, fake.str(text)) == text
    assert objects.string(fake.target, fake.str(text, kind=4)) == text
    if text:
        assert objects.string(fake.target, fake.str(text, compact=False)) == text
    assert objects.string(fake.target, fake.str(text), 2) == text[:2]


def test_strings_that_are_none(fake: FakeCPython) -> None:
    damaged = fake.str("abc")
    fake.put("str.length", damaged, -1)
    other_kind = fake.str("abc")
    fake.put("str.kind", other_kind, 5)
    far = fake.str("abc", compact=False)
    fake.put("str.data", far, NOWHERE)
    no_text = fake.str("abc", compact=False)
    wide = fake.alloc(64)
    fake.poke(wide, b"\xff" * 16)
    fake.put("str.data", no_text, wide)
    fake.put("str.kind", no_text, 4)
    for address in (damaged, other_kind, far, no_text, fake.int(1), fake.none(), 0, NOWHERE, HEAP):
        with pytest.raises(Unreadable):
            objects.string(fake.target, address)
        assert objects.short_repr(fake.target, address)


def test_a_string_that_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = FakeCPython("3.8")
    address = fake.str("x", compact=False)
    wide = fake.alloc(64)
    fake.poke(wide, "später".encode("utf-32-le"))
    for name, value in (("ready", 0), ("kind", 0), ("wstr", wide), ("wstr_length", 6)):
        fake.put(f"str.{name}", address, value)
    assert objects.string(fake.target, address) == "später"


@pytest.mark.parametrize("value", [0, 1, -1, 5, 2**30 - 1, 2**30, -(2**30), 2**64 + 12345, -(3**200)])
def test_integers(fake: FakeCPython, value: int) -> None:
    assert objects.integer(fake.target, fake.int(value)) == value


def test_type_names(fake: FakeCPython) -> None:
    target = fake.target
    assert objects.name_of_type(target, fake.type("dict")) == "dict"
    assert objects.name_of_type(target, fake.type("collections.OrderedDict")) == "OrderedDict"
    assert objects.name_of_type(target, fake.type("mod.X", heap_name="dotted.name")) == "dotted.name"
    assert objects.name_of_type(target, fake.type("mod.Y", heap_name="Ünïcode")) == "Ünïcode"
    half_gone = fake.type("mod.Z", heap_name="Z")
    fake.put("heap_type.name", half_gone, 0)
    assert objects.name_of_type(target, half_gone) == "Z"
    nameless = fake.type("")
    for address in (0, NOWHERE, nameless):
        with pytest.raises(Unreadable):
            objects.name_of_type(target, address)


def test_type_names_are_read_anew_when_the_target_changed(fake: FakeCPython) -> None:
    kind = fake.type("one")
    assert objects.name_of_type(fake.target, kind) == "one"
    text = fake.alloc(8)
    fake.poke(text, b"two\0")
    fake.put("type.name", kind, text)
    assert objects.name_of_type(fake.target, kind) == "two"


def test_short_repr(fake: FakeCPython) -> None:
    told = [objects.short_repr(fake.target, a) for a in (
        fake.str("a'b"), fake.str("x" * 99), fake.int(-7), fake.bytes(b"\0"), fake.none(),
        fake.object(fake.type("m.Thing")),
    )]
    assert told[0] == '"a\'b"' and told[1] == repr("x" * 60) + "…" and told[2:5] == ["-7", "b'\\x00'", "None"]
    assert told[5].startswith("<Thing at 0x")


def test_tuples(fake: FakeCPython) -> None:
    address = fake.object(fake.type("tuple", TUPLE), 128)
    fake.put("var.size", address, 3)
    for index in range(3):
        fake.word(address + fake.layout.offset("tuple.items") + 8 * index, 100 + index)
    assert objects.items(fake.target, address) == [100, 101, 102]
    fake.put("var.size", address, -5)
    with pytest.raises(Corrupt):
        objects.items(fake.target, address)


# -- dicts --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [0, 1, 5, 200, 300, 5000])
@pytest.mark.parametrize("unicode_only", [False, True])
def test_dicts(fake: FakeCPython, count: int, unicode_only: bool) -> None:
    entries = [(HEAP + 2 * i, HEAP + 2 * i + 1) for i in range(count)]
    address = fake.dict(entries, unicode_only)
    assert dicts.length(fake.target, address) == count
    assert list(dicts.items(fake.target, address)) == entries


def test_deleted_entries_and_split_tables(fake: FakeCPython) -> None:
    a, b, c = fake.str("a"), fake.str("b"), fake.str("c")
    assert list(dicts.items(fake.target, fake.dict([(a, 1), (0, 0), (c, 3)]))) == [(a, 1), (c, 3)]
    split = fake.dict([(a, 11), (b, 0), (c, 33)], split=True)
    assert list(dicts.items(fake.target, split)) == [(a, 11), (c, 33)]
    assert dicts.lookup(fake.target, split, "c") == 33
    assert dicts.lookup(fake.target, split, "b") is None


def test_damaged_dicts(fake: FakeCPython) -> None:
    def damaged(name: str, value: int, in_keys: bool = True) -> int:
        address = fake.dict([(1, 2)])
        keys = fake.target.number("dict.keys", address)
        fake.put(name, keys if in_keys else address, value)
        return address

    broken = [
        damaged("dict_keys.entries", -1), damaged("dict_keys.entries", 1 << 40), damaged("dict_keys.entries", 9),
        damaged("dict.keys", NOWHERE, False), damaged("dict.keys", 0, False), damaged("dict.used", -1, False),
        fake.int(3), 0, NOWHERE,
    ]
    for address in broken:
        with pytest.raises(Unreadable):
            list(dicts.items(fake.target, address))
    for name, value in (("dict_keys.size", -8), ("dict_keys.log2_size", 200), ("dict_keys.log2_index_bytes", 200)):
        if fake.layout.has(name):
            with pytest.raises(Unreadable):
                list(dicts.items(fake.target, damaged(name, value)))


# -- attributes -----------------------------------------------------------------------------------------
def instances(fake: FakeCPython) -> List[int]:
    """An instance with attributes x=1, y=2 in every form that the version has."""
    kind = fake.type("m.C", heap_name="C")
    keys = fake.keys([(fake.str("x"), 0), (fake.str("gone"), 0), (fake.str("y"), 0)], unicode_only=True)
    fake.put("heap_type.cached_keys", kind, keys)
    fake.put("type.basicsize", kind, 48)
    held = fake.dict([(fake.str("x"), 1), (fake.str("y"), 2)], unicode_only=True)
    layout = fake.layout
    if not layout.has("dict_values.values"):
        fake.put("type.dictoffset", kind, 32)
        address = fake.object(kind)
        fake.word(address + 32, held)
        return [address]
    fake.put("type.flags", kind, 1 << 9 | 1 << 4 | (1 << 2 if layout.has("dict_values.valid") else 0))
    with_dict, with_values = fake.object(kind, 200, before=64), fake.object(kind, 200, before=64)
    fake.word(with_dict - 24, held)
    if layout.has("dict_values.valid"):
        fake.put("dict_values.valid", with_values + 48, 1)
        for index, value in enumerate((1, 0, 2)):
            fake.word(with_values + 48 + layout.offset("dict_values.values") + 8 * index, value)
    elif layout.has("dict_or_values.values"):
        fake.word(with_values - 24, fake.values([1, 0, 2]) - 1)
    else:
        fake.word(with_values - 32, fake.values([1, 0, 2]))
    return [with_dict, with_values]


def test_attributes(fake: FakeCPython) -> None:
    for address in instances(fake):
        assert attributes.attributes_named(fake.target, address, ("x", "y", "gone", "other")) == {"x": 1, "y": 2}
    for address in (0, NOWHERE, fake.none(), fake.int(3)):
        assert attributes.attributes_named(fake.target, address, ("x",)) == {}


# -- lists of the collector -------------------------------------------------------------------------------
def test_generations(fake: FakeCPython) -> None:
    kinds = [fake.type("list"), fake.type("m.X", heap_name="X"), fake.type("other.X", heap_name="X")]
    heads = fake.gc_heads()
    for number, head in enumerate(heads):
        links = [fake.tracked(kind) for kind in kinds for _ in range(number + 1)]
        fake.link(head, links)
        for link in links:  # flags that the collector keeps in the low bits
            fake.word(link, fake.target.memory.pointer(link) | 2)
    for number in range(3):
        at = heads[number]
        fake.put("generation.count", at, 10 + number)
        fake.put("generation.threshold", at, 700)
    fake.put("gc.enabled", fake.gc_state, 1)
    read = read_gc(fake.target, fake.interpreter)
    assert [(g.index, g.count, g.threshold, g.objects) for g in read.generations] == \
        [(0, 10, 700, 3), (1, 11, 700, 6), (2, 12, 700, 9)]
    assert (read.enabled, read.collecting, read.frozen, read.problems) == (True, False, 12, [])
    assert [(t.type, t.count) for t in read.types] == [("X", 12), ("list", 6)]
    assert [g.objects for g in read_gc(fake.target, fake.interpreter, objects=False).generations] == [-1] * 3
    assert quick_state(fake.target).gc_counts == (10, 11, 12)


def broken_list(fake: FakeCPython, count: int, last: int) -> int:
    """A list of ``count`` objects whose last one points to ``last``."""
    kind = fake.type("list")
    head = fake.gc_heads()[1]
    links = [fake.tracked(kind) for _ in range(count)]
    fake.link(head, links)
    fake.word(links[-1], last if last != -1 else links[count // 2])
    return head


@pytest.mark.parametrize("last", [0, 8, 0x1234, NOWHERE, HEAP + HEAP_SIZE, 2**64 - 8, -1])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_broken_lists_end(fake: FakeCPython, count: int, last: int) -> None:
    head = broken_list(fake, count, last)
    walk = walk_list(fake.target, head, most=10_000_000)
    assert walk.problem
    read = read_gc(fake.target, fake.interpreter)
    assert [g.objects for g in read.generations] == [0, -1, 0]
    assert len(read.problems) >= 1 and read.problems[0].startswith("generation 1: ")


def test_long_lists_are_cut_off_and_can_be_interrupted(fake: FakeCPython) -> None:
    head = fake.gc_heads()[0]
    fake.link(head, [fake.tracked(fake.type("list")) for _ in range(100)])
    walk = walk_list(fake.target, head, most=60)
    assert len(walk.nodes) == 60 and walk.problem is not None and "longer" in walk.problem
    fake.debugger.interrupted = True
    assert walk_list(fake.target, head).interrupted
    fake.debugger.interrupted = True
    with pytest.raises(Interrupted):
        read_gc(fake.target, fake.interpreter)


def test_lists_before_the_collector_is_initialized(fake: FakeCPython) -> None:
    for head in fake.gc_heads():
        fake.word(head, 0)
    read = read_gc(fake.target, fake.interpreter)
    assert [g.objects for g in read.generations] == [0, 0, 0] and read.problems == []


def test_objects_of_unreadable_types(fake: FakeCPython) -> None:
    links = [fake.tracked(kind) for kind in (0, NOWHERE, fake.type("list"))]
    fake.link(fake.gc_heads()[0], links)
    read = read_gc(fake.target, fake.interpreter)
    assert read.generations[0].objects == 3
    assert {t.type: t.count for t in read.types} == {"?": 2, "list": 1}
    assert read.problems == ["the type of 2 objects cannot be read"]


# -- interpreters and threads -----------------------------------------------------------------------------
def test_states_without_an_interpreter(fake: FakeCPython) -> None:
    fake.put("runtime.interpreters.head", RUNTIME, 0)
    fake.put("runtime.initialized", RUNTIME, 0)
    fake.put("runtime.finalizing", RUNTIME, NOWHERE)  # dangles: it is never followed
    runtime = read_runtime(fake.target)
    assert (runtime.initialized, runtime.finalizing, runtime.interpreters) == (False, NOWHERE, 0)
    assert runtime.gil_holder is None and runtime.problems == []
    assert read_interpreters(fake.target) == []
    state = quick_state(fake.target)
    assert (state.interpreters, state.threads, state.modules, state.gc_counts) == (0, None, None, ())


def test_interpreters_main_first(fake: FakeCPython) -> None:
    second = fake.alloc(1 << 14)
    fake.put("interp.id", second, 1)
    fake.put("interp.next", second, fake.interpreter)
    fake.put("runtime.interpreters.head", RUNTIME, second)
    found = read_interpreters(fake.target)
    assert [(i.id, i.main, i.address) for i in found] == [(0, True, fake.interpreter), (1, False, second)]
    fake.put("interp.next", fake.interpreter, second)
    problems: List[str] = []
    assert len(interpreter_addresses(fake.target, problems)) == 2 and "circle" in problems[0]


@pytest.mark.parametrize("where", [NOWHERE, 5, 1 << 63])
def test_broken_lists_of_interpreters_and_threads(fake: FakeCPython, where: int) -> None:
    fake.put("interp.next", fake.interpreter, where)
    problems: List[str] = []
    assert interpreter_addresses(fake.target, problems) == [fake.interpreter] and len(problems) == 1
    fake.put("interp.next", fake.interpreter, 0)
    fake.thread(1, 1000, where)
    found = read_interpreters(fake.target)[0]
    assert len(found.threads) == 1 and any("list of thread states" in p for p in found.problems)
    fake.put("runtime.interpreters.head", RUNTIME, where)
    assert quick_state(fake.target).problems


def test_threads_in_a_circle(fake: FakeCPython) -> None:
    first = fake.thread(1, 1000)
    second = fake.thread(2, 1001, first)
    fake.put("thread.next", first, second)
    problems: List[str] = []
    assert thread_addresses(fake.target, fake.interpreter, problems) == [second, first]
    assert "circle" in problems[0]


def make_gil(fake: FakeCPython) -> int:
    field = fake.layout.field("runtime.gil")
    if field is not None:
        return RUNTIME + field.offset
    gil = fake.alloc(256)
    fake.put("interp.gil", fake.interpreter, gil)
    return gil


def test_who_holds_the_gil(fake: FakeCPython) -> None:
    thread = fake.thread(1, 1000)
    assert gil_holder(fake.target, fake.interpreter) is None
    gil = make_gil(fake)
    fake.put("gil.last_holder", gil, thread)
    for locked, holds in ((-1, False), (0, False), (1, True)):
        fake.put("gil.locked", gil, locked)
        assert [t.holds_gil for t in read_threads(fake.target, fake.interpreter)] == [holds]


def test_names_of_threads(fake: FakeCPython) -> None:
    true, false = fake.int(1), fake.int(0)
    threads = {}
    for ident, name, daemon in ((11, "MainThread", false), (12, "wörker", true)):
        kind = fake.type("m.Thread", heap_name="Thread")
        fake.put("type.dictoffset", kind, 32)
        address = fake.object(kind)
        fake.word(address + 32, fake.str_dict({"_name": fake.str(name), "_daemonic": daemon, "_x": fake.none()}))
        threads[ident] = address
    threads[13] = fake.none()
    active = fake.dict([(fake.int(ident), address) for ident, address in threads.items()])
    module = fake.object(fake.type("module"))
    fake.put("module.dict", module, fake.str_dict({"a": fake.none(), "_active": active}))
    modules = fake.str_dict({"sys": fake.none(), "threading": module})
    fake.put("interp.modules", fake.interpreter, modules)
    infos = thread_infos(fake.target, fake.interpreter)
    assert {i: (t.name, t.daemon) for i, t in infos.items()} == \
        {11: ("MainThread", False), 12: ("wörker", True), 13: (None, None)}
    fake.thread(12, 1001, fake.thread(11, 1000))
    told = read_threads(fake.target, fake.interpreter)
    assert [(t.name, t.daemon, t.current, t.debugger_id) for t in told][0][:2] == ("MainThread", False)
    # When the module was cleared nothing is known.
    fake.put("module.dict", module, fake.str_dict({"_active": fake.none()}))
    assert thread_infos(fake.target, fake.interpreter) == {}
    fake.put("interp.modules", fake.interpreter, NOWHERE)
    assert thread_infos(fake.target, fake.interpreter) == {}


# -- modules ------------------------------------------------------------------------------------------------
def test_modules(fake: FakeCPython) -> None:
    kind, none = fake.type("module"), fake.none()

    def module(namespace: int) -> int:
        address = fake.object(kind)
        fake.put("module.dict", address, namespace)
        return address

    live = module(fake.str_dict({"__name__": fake.str("live"), "__file__": fake.str("/x.py")}))
    cleared = module(fake.str_dict({"__name__": none, "x": none, "__builtins__": fake.int(3)}))
    entries = {
        "live": live, "cleared": cleared, "no dict": module(0), "empty": module(fake.str_dict({})),
        "none": none, "any": fake.object(fake.type("m.Any")), "bad": NOWHERE, "bad dict": module(NOWHERE),
    }
    fake.put("interp.modules", fake.interpreter, fake.str_dict(entries))
    problems: List[str] = []
    found = read_modules(fake.target, fake.interpreter, problems)
    assert found is not None and problems == []
    assert {m.name: m.state for m in found} == {
        "live": "live", "cleared": "cleared", "no dict": "cleared", "empty": "cleared", "none": "none",
        "any": "live", "bad": "unknown", "bad dict": "unknown",
    }
    assert found[0].file == "/x.py" and found[0].type == "module" and found[0].refcount == 1
    assert quick_state(fake.target).modules == len(entries)
    fake.put("interp.modules", fake.interpreter, NOWHERE)
    assert read_modules(fake.target, fake.interpreter, problems) == [] and problems
    fake.put("interp.modules", fake.interpreter, 0)
    assert read_modules(fake.target, fake.interpreter, []) is None
    assert quick_state(fake.target).modules is None


# -- frames -------------------------------------------------------------------------------------------------
def line_table(fake: FakeCPython) -> bytes:
    """Four bytes of code on the first line, then four on the next."""
    if fake.layout.has("code.adaptive"):
        return bytes([0x80 | 10 << 3 | 1, 0, 0, 0x80 | 11 << 3 | 1, 0, 0])
    return bytes([4, 0, 4, 1]) if fake.layout.has("code.linetable") else bytes([0, 0, 4, 1])


def test_python_stacks(fake: FakeCPython) -> None:
    code = fake.code("f", 10, line_table(fake))
    outer = fake.frame(code, 0)
    inner = fake.frame(code, 4, outer)
    thread = fake.thread(1, 1000)
    fake.set_frame(thread, inner)
    problems: List[str] = []
    told = [(f.function, f.file, f.line) for f in python_stack(fake.target, thread, problems)]
    assert told == [("f", "f.py", 11), ("f", "f.py", 10)] and problems == []
    assert len(python_stack(fake.target, thread, problems, limit=1)) == 1 and "cut off" in problems[0]
    back = "frame.back" if fake.layout.has("thread.frame") else "iframe.previous"
    for where, word in ((inner, "circle"), (NOWHERE, "broken"), (fake.alloc(100), "")):
        fake.put(back, outer, where)
        problems = []
        assert len(python_stack(fake.target, thread, problems)) == 2
        assert (word in problems[0]) if word and problems else True
    fake.set_frame(thread, 0)
    assert python_stack(fake.target, thread, []) == []


def test_what_is_surely_a_frame(fake: FakeCPython) -> None:
    """What lies in a register may be anything: a frame is one whose instruction is of its own code."""
    reader = StackReader(fake.target)
    code = fake.code("f", 10, line_table(fake))
    if not fake.layout.has("thread.frame"):
        fake.put("var.size", code, 8)
    assert reader.is_frame(fake.frame(code, 4))
    if not fake.layout.has("thread.frame"):
        for other in (fake.frame(code, 17), fake.frame(code, 16), fake.frame(fake.none(), 4)):
            assert not reader.is_frame(other)
    for address in (0, NOWHERE, HEAP, code, fake.none(), fake.str("frame")):
        assert not reader.is_frame(address), hex(address)


def test_a_tracer_sets_the_line_of_old_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for version in ("3.9", "3.10"):
        fake = FakeCPython(version)
        frame = fake.frame(fake.code("f", 10, line_table(fake)), 0)
        fake.put("frame.lineno", frame, 77)
        fake.put("frame.trace", frame, fake.none())
        thread = fake.thread(1, 1000)
        fake.set_frame(thread, frame)
        assert python_stack(fake.target, thread, [])[0].line == 77


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_frames_that_cpython_does_not_show(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = FakeCPython(version)
    code = fake.code("f", 10, line_table(fake))
    fake.put("code.firsttraceable", code, 2)
    outermost = fake.frame(code, 4)
    shim = fake.frame(code, 4, outermost, owner=fake.layout.enum("FRAME_OWNED_BY_CSTACK") or 0)
    no_code = fake.frame(fake.none(), 4, shim)
    generator = fake.frame(code, 0, no_code, owner=1)
    incomplete = fake.frame(code, 2, generator)
    thread = fake.thread(1, 1000)
    fake.set_frame(thread, incomplete)
    shims = fake.layout.enum("FRAME_OWNED_BY_CSTACK") is not None
    assert len(python_stack(fake.target, thread, [])) == (2 if shims else 3)


# -- native threads -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("told_by_libc", [True, False])
def test_native_ids_of_old_versions(told_by_libc: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = FakeCPython("3.8")
    pthread = fake.alloc(1024)
    fake.poke(pthread + 720, struct.pack("<I", 1000))
    if told_by_libc:
        fake.debugger.symbols["_thread_db_pthread_tid"] = fake.alloc(16)
        fake.poke(fake.debugger.symbols["_thread_db_pthread_tid"], struct.pack("<3I", 32, 1, 720))
    ended = fake.alloc(1024)
    fake.poke(ended + 720, struct.pack("<I", 4321))
    fake.thread(NOWHERE, 0, fake.thread(ended, 0, fake.thread(pthread, 0)))
    told = read_threads(fake.target, fake.interpreter)
    assert [(t.native_id, t.debugger_id, t.current) for t in told] == \
        [(1000, 1, True), (0, None, False), (0, None, False)]


# -- everything at once, on noise ---------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(12))
def test_noise_is_read_without_an_exception(fake: FakeCPython, seed: int) -> None:
    """Whatever lies in memory, the readers return, and in a bounded time."""
    noise = random.Random(seed)
    targets = [0, 1, NOWHERE, HEAP, HEAP + 64, fake.interpreter, RUNTIME, 2**64 - 1, HEAP + HEAP_SIZE - 8]
    words = [noise.choice(targets) if noise.random() < 0.7 else noise.getrandbits(64) for _ in range(4096)]
    fake.poke(fake.interpreter, struct.pack("<2048Q", *words[:2048]))
    thread = fake.thread(1, 1)
    fake.poke(thread, struct.pack("<64Q", *words[2048:2112]))
    fake.put("interp.threads.head", fake.interpreter, thread)
    problems: List[str] = []
    for interpreter in read_interpreters(fake.target, problems=problems):
        read_modules(fake.target, interpreter.address, problems)
    read_runtime(fake.target)
    quick_state(fake.target)


# -- finding Python -------------------------------------------------------------------------------------------
def test_no_program_and_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    debugger = FakeDebugger()
    debugger.info = TargetInfo(TargetKind.NONE)
    with pytest.raises(NoPython, match="there is no program"):
        PythonTarget(debugger)
    debugger = FakeDebugger()
    debugger.load(Module("/bin/sh", 0, None, ("/bin/sh",)))
    debugger.load(Module("/does/not/exist", 0, None, ("/does/not/exist",)))
    with pytest.raises(NoPython, match="^sh is not Python"):
        PythonTarget(debugger)


def test_members_a_build_does_not_have(newest: FakeCPython) -> None:
    assert newest.target.value("frame.lasti", HEAP) is None
    assert newest.target.value("no.such", HEAP) is None
    with pytest.raises(Corrupt):
        newest.target.number("frame.lasti", HEAP)
    assert newest.target.version == (3, 13) and newest.target.build.layout == "dwarf"
