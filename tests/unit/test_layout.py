"""The table of fields, its cache, and the offsets a build carries itself."""

from __future__ import annotations

import copy
import errno
import json
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from fingdb.debugger.fake import FakeDebugger
from fingdb.debugger.interface import Field
from fingdb.layout import debug_offsets, layout
from fingdb.layout import fields as table
from fingdb.layout.cache import Cache, cache_directory
from fingdb.memory import Memory

from .fake_heap import BUILD_ID, VERSIONS, recorded_layout


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


# -- resolution -----------------------------------------------------------------------------------
def debugger_with(members: Dict[str, Field]) -> FakeDebugger:
    """A debugger whose types have the required members, and ``members`` ("struct path")."""
    fake = FakeDebugger()
    for name in table.REQUIRED:
        struct_, path = table.ROWS[name].spellings[-1]
        fake.fields[struct_, path] = Field(8, 8, "pointer")
    for name, field in members.items():
        struct_, _, path = name.rpartition(" ")
        fake.fields[struct_, path] = field
    fake.sizes = {struct_: 64 for struct_, _path in fake.fields}
    fake.sizes["PyObject"] = 16
    return fake


def test_the_first_spelling_that_fits_is_taken() -> None:
    atomic = Field(24, 8, "struct", "_Py_atomic_address")
    inner = Field(24, 8, "uint")
    fake = debugger_with({
        "_PyRuntimeState _finalizing": atomic, "_PyRuntimeState _finalizing._value": inner,
        "PyInterpreterState gc": Field(640, 240, "struct"),
    })
    found = layout.from_debug_information(fake)
    assert found.usable and found.source == "dwarf"
    assert found.field("runtime.finalizing") == inner
    assert found.field("interp.gc") == Field(640, 240, "struct")
    assert found.field("runtime.gc") is None
    del fake.fields["_PyRuntimeState", "_finalizing._value"]
    # A structure is no number: the next spelling is taken.
    assert layout.from_debug_information(fake).field("runtime.finalizing") == Field(8, 8, "pointer")


def test_no_types_no_layout() -> None:
    found = layout.from_debug_information(FakeDebugger())
    assert not found.usable
    assert found.field("interp.next") is None and found.offset("interp.next", 3) == 3


def test_every_required_field_is_in_the_table() -> None:
    assert set(table.REQUIRED) <= set(table.ROWS)


# -- the cache of a layout --------------------------------------------------------------------------
@pytest.mark.parametrize("version", VERSIONS)
def test_layouts_go_through_the_cache_unchanged(version: str) -> None:
    cache = Cache(BUILD_ID)
    assert cache.put("fields", recorded_layout(version))
    first = layout.load(cache)
    assert first is not None
    assert cache.put("fields", None)
    layout.save(cache, first)
    assert layout.load(cache) == first


def change(data: Dict[str, Any], *path: object) -> Dict[str, Any]:
    """Return a copy with the last of ``path`` put where the others lead."""
    made = copy.deepcopy(data)
    at: Any = made
    for key in path[:-2]:
        at = at[key]
    at[path[-2]] = path[-1]
    return made


DAMAGES: List[List[object]] = [
    ["table", "other"],
    ["fields", []],
    ["fields", "interp.next", [8, 8, "pointer"]],
    ["fields", "interp.next", [-8, 8, "pointer", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [1 << 40, 8, "pointer", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [8.0, 8, "pointer", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [True, 8, "pointer", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [8, 3, "pointer", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [8, 8, "struct", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [8, 8, "magic", "", 0, 0, 0, 0]],
    ["fields", "interp.next", [8, 8, "pointer", None, 0, 0, 0, 0]],
    ["fields", "interp.next", None],
    ["fields", "str.kind", [32, 4, "uint", "", 30, 3, 0, 0]],
    ["fields", "unknown", None],
    ["sizes", {}],
    ["sizes", "object", -1],
    ["sizes", "object", "16"],
    ["enums", "FRAME_OWNED_BY_CSTACK", 1.5],
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: "-".join(map(str, d))[:40])
def test_a_damaged_layout_is_not_believed(damage: List[object]) -> None:
    cache = Cache(BUILD_ID)
    good = recorded_layout("3.12")
    cache.put("fields", good)
    assert layout.load(cache) is not None
    cache.put("fields", change(good, *damage))
    assert layout.load(cache) is None


def test_only_complete_layouts_from_debug_information_are_kept() -> None:
    cache = Cache(BUILD_ID)
    layout.save(cache, layout.Layout("dwarf"))
    assert cache.get("fields") is None
    cache.put("fields", recorded_layout("3.13"))
    found = layout.load(cache)
    assert found is not None
    cache.put("fields", None)
    found.source = "debug-offsets"
    layout.save(cache, found)
    assert cache.get("fields") is None


# -- the cache --------------------------------------------------------------------------------------
def test_cache_keeps_sections_apart(own_cache: Path) -> None:
    cache = Cache(BUILD_ID)
    assert cache.get("plan") is None
    assert cache.put("plan", {"a": [1, None]}) and cache.put("fields", [2])
    assert Cache(BUILD_ID.upper()).get("plan") == {"a": [1, None]}
    assert Cache("ff" * 20).get("plan") is None
    assert sorted(p.name for p in (own_cache / "fingdb" / BUILD_ID).iterdir()) == ["fields.json", "plan.json"]


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100000,
    json.dumps({"format": 0, "build_id": BUILD_ID, "section": "plan", "data": 1}).encode(),
    json.dumps({"format": 1, "build_id": "ff", "section": "plan", "data": 1}).encode(),
    json.dumps({"format": 1, "build_id": BUILD_ID, "section": "fields", "data": 1}).encode(),
])
def test_what_cannot_be_read_is_no_error(own_cache: Path, content: bytes) -> None:
    cache = Cache(BUILD_ID)
    assert cache.put("plan", 1)
    (own_cache / "fingdb" / BUILD_ID / "plan.json").write_bytes(content)
    assert cache.get("plan") is None
    assert cache.put("plan", 2) and cache.get("plan") == 2


def test_what_cannot_be_written_is_no_error(own_cache: Path) -> None:
    assert not Cache(BUILD_ID).put("plan", object())
    assert not Cache(BUILD_ID).put("../plan", 1) and Cache(BUILD_ID).get("../plan") is None
    own_cache.write_text("a file where a directory should be")
    assert not Cache(BUILD_ID).put("plan", 1)
    assert Cache(BUILD_ID).get("plan") is None


@pytest.mark.parametrize("build_id", [None, "", "../../x", "12", "zz" * 20])
def test_without_a_build_id_nothing_is_kept(build_id: str) -> None:
    assert not Cache(build_id).put("plan", 1)
    assert Cache(build_id).get("plan") is None


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    assert cache_directory() == "/home/somebody/.cache/fingdb"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_directory() == "/elsewhere/fingdb"


# -- _Py_DebugOffsets -------------------------------------------------------------------------------
AT = 0x10000
#: The table of a release build of 3.13.0, word by word behind cookie, version and free_threaded.
WORDS_3_13 = [
    283320, 608, 632,
    194968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16, 7752, 0, 7768, 7760,
    304, 0, 8, 16, 72, 152, 160, 232, 32,
    80, 8, 0, 56, 72, 70,
    208, 112, 120, 128, 136, 68, 52, 96, 104, 200,
    16, 8,
    416, 24, 88, 168,
    32, 24, 16,
    40, 24, 16,
    48, 32, 40,
    24, 16,
    32, 16, 24,
    40, 16, 32,
    64, 32, 16, 40,
    240, 200,
]


def table_bytes(words: List[int], cookie: bytes = b"xdebugpy", version: int = 0x030D00F0, free: int = 0) -> bytes:
    return cookie + struct.pack(f"<{len(words) + 2}Q", version, free, *words)


def offsets_in(data: bytes) -> layout.Layout:
    fake = FakeDebugger()
    fake.map(AT, data)
    return debug_offsets.layout_from(debug_offsets.read(Memory(fake), AT))


def test_offsets_agree_with_the_debug_information() -> None:
    found = offsets_in(table_bytes(WORDS_3_13))
    assert found.usable and found.source == "debug-offsets"
    Cache(BUILD_ID).put("fields", recorded_layout("3.13"))
    truth = layout.load(Cache(BUILD_ID))
    assert truth is not None
    for name, field in found.fields.items():
        expected = truth.field(name)
        assert field is not None and expected is not None, name
        assert (field.offset, field.bit_offset, field.bit_size) == \
            (expected.offset, expected.bit_offset, expected.bit_size), name
        if name != "object.refcnt" and field.kind not in ("struct", "array"):
            assert field.size == expected.size, name
        if field.kind == "array" and expected.stride:
            assert field.stride == expected.stride, name
    for size, number in found.sizes.items():
        assert number == truth.size(size), size


def test_a_collector_of_another_shape_is_not_guessed_at() -> None:
    words = [*WORDS_3_13[:-2], 248, 208]
    found = offsets_in(table_bytes(words))
    assert found.has("gc.collecting") and not found.has("gc.generations")


@pytest.mark.parametrize("data", [
    b"", b"xdebugpy", bytes(2000),
    table_bytes(WORDS_3_13, cookie=b"xdebugpx"),
    table_bytes(WORDS_3_13, version=0x020D00F0),
    table_bytes(WORDS_3_13, version=0x03FF00F0),
    table_bytes(WORDS_3_13, free=2),
    table_bytes(WORDS_3_13[:-1]),
], ids=range(8))
def test_no_table(data: bytes) -> None:
    with pytest.raises(debug_offsets.BadOffsets):
        offsets_in(data or b"\0")


@pytest.mark.parametrize("index", [i for i, word in enumerate(WORDS_3_13) if i not in (13,)])
@pytest.mark.parametrize("value", [2**64 - 1, 1 << 40, 3])
def test_a_damaged_table_is_refused_or_harmless(index: int, value: int) -> None:
    """Whatever one damaged word says, no field ends outside its structure or is misaligned."""
    words = list(WORDS_3_13)
    words[index] = value
    try:
        found = offsets_in(table_bytes(words))
    except debug_offsets.BadOffsets as problem:
        assert str(problem)
        return
    for field in found.fields.values():
        assert field is not None and 0 <= field.offset < 1 << 24


@pytest.mark.parametrize("index, value, fields", [
    (21, 16, {"thread.interp", "thread.thread_id"}),  # thread_id where interp is
    (7, 7656, {"interp.gc", "interp.modules"}),
    (22, 152, {"thread.thread_id", "thread.native_thread_id"}),
], ids=range(3))
def test_two_members_in_one_place_are_a_damaged_table(index: int, value: int, fields: "set[str]") -> None:
    words = list(WORDS_3_13)
    words[index] = value
    with pytest.raises(debug_offsets.BadOffsets) as problem:
        offsets_in(table_bytes(words))
    assert all(name in str(problem.value) for name in fields)


def test_an_entry_is_of_the_code_that_it_was_learned_of(tmp_path: Path) -> None:
    ours, theirs = os.path.realpath("/bin/true"), os.path.realpath(sys.executable)
    assert Cache(BUILD_ID, ours).put("plan", 1)
    assert Cache(BUILD_ID, ours).get("plan") == 1
    assert Cache(BUILD_ID, theirs).get("plan") is None
    # A core of another machine: there is nothing but the build-id.
    assert Cache(BUILD_ID, str(tmp_path / "nowhere")).get("plan") == 1 and Cache(BUILD_ID).get("plan") == 1
    shutil.copy(ours, tmp_path / "copy")
    assert Cache(BUILD_ID, str(tmp_path / "copy")).get("plan") == 1


def test_a_full_disk_is_no_error(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cache(BUILD_ID).put("plan", 1)

    def full(*_words: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not Cache(BUILD_ID).put("plan", 2)
    assert Cache(BUILD_ID).get("plan") == 1
    assert [path.name for path in (own_cache / "fingdb" / BUILD_ID).iterdir()] == ["plan.json"]
