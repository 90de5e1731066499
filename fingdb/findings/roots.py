"""Roots: what refers to objects and is no object itself, and objects that nobody needs to refer to."""

from __future__ import annotations

from bisect import bisect_right
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ..cpython import dicts, objects
from ..cpython.frame import StackReader
from ..cpython.graph.edges import label
from ..cpython.graph.frames import frame_extent, interpreter_frame_edges, local_names, thread_frames, untagged
from ..cpython.graph.scan import find_words
from ..cpython.modules import read_modules
from ..cpython.runtime import interpreter_addresses
from ..cpython.target import PythonTarget, Unreadable
from ..cpython.thread import read_threads
from ..debugger.interface import Debugger
from ..debugger.mappings import Mappings
from ..elf import ElfError, open_elf
from ..model.objects import Holder
from ..model.report import NativeFrame
from .c_memory import CMemory
from .culprit import PLUMBING, origin_of
from .culprit import RUNTIME as RUNTIME_CODE

MODULE, INTERPRETER, THREAD, RUNTIME, FRAME, ATEXIT, STATIC, STACK, MEMORY, UNEXPLAINED = (
    "module", "interpreter", "thread", "runtime", "frame", "atexit", "static", "stack", "memory", "unexplained",
)  # fmt: skip
#: Members of CPython's own structures.
STRUCTURES = (INTERPRETER, THREAD, RUNTIME)
#: A word there proves nothing: it may be left over.
CONSERVATIVE = (STACK, MEMORY)
_FREE_LISTS = ("free_list", "freelist", "free_frame")
#: Caches, as members or static variables of the runtime, that own nothing of what they point to.
_CACHES = ("func_version_cache", "type_version_cache", "type_cache", "method_cache", "opcache", "code_version_cache",
           "callable_cache", "weaklist")
#: What a function may use below its stack pointer (the x86-64 ABI).
_RED_ZONE = 128
#: Blocks of malloc that point to the next, from a variable to the one that is asked for.
_MOST_HOPS = 16
_MOST_BLOCKS = 1 << 16
_MOST_CALLBACKS = 1 << 16
#: Where an interpreter of 3.14 and later keeps the list of atexit callbacks.
_CALLBACK_LIST = "atexit.callbacks"
#: A callback of atexit: function, arguments, keywords.
_CALLBACK_WORDS = 3
#: Members of a frame that own nothing: the function does.
_BORROWED = ("f_globals", "f_builtins", "previous", "prev_instr", "instr_ptr")


class Roots:
    """The roots of one state of the target."""

    def __init__(self, debugger: Debugger, python: PythonTarget, mappings: Optional[Mappings] = None) -> None:
        self._debugger = debugger
        self._python = python
        self.mappings = mappings if mappings is not None else Mappings.of(debugger.target())
        self.c_memory = CMemory(python, self.mappings)
        self._structures: List[Tuple[int, int, str, str, str]] = []  # start, end, struct, kind, words
        self._frames: List[Tuple[int, int, int, str]] = []  # start, end, frame, words
        self._frame_objects: Dict[int, str] = {}
        self._data_stacks: List[Tuple[int, int]] = []
        self._callbacks: List[Tuple[int, int, str]] = []
        self._stacks: List[Tuple[int, int, int, int]] = []  # start, end, sp, LWP
        #: Where interpreters without a GIL say whose a number is (see `late_counts`): that owns nothing.
        self._numbers: List[Tuple[int, int]] = []
        self._modules: Dict[int, str] = {}
        self._files: List[Tuple[int, int, str]] = []
        self._find_structures()
        self._find_files()
        self._find_stacks()

    # -- answers ------------------------------------------------------------------------------------
    def of_object(self, address: int) -> Optional[Holder]:
        """Return the root that an object is itself: a module of sys.modules, a frame that runs, C data of a library."""
        name = self._modules.get(address)
        if name is not None:
            return Holder(MODULE, name, address)
        frame = self._frame_objects.get(address)
        if frame is not None:
            return Holder(FRAME, frame, address)
        return self._in_file(address)

    def of_place(self, place: int) -> Optional[Holder]:
        """Return what a word of memory that belongs to no object is part of, None for what is left over. Never raises."""
        if any(start <= place < end for start, end in self._numbers):
            return None
        for start, end, struct, kind, words in self._structures:
            if start <= place < end:
                path = self._debugger.member_at(struct, place - start) if struct else None
                if path and any(word in path for word in _FREE_LISTS):
                    return None  # the part of it that is not in use: what is on a free list has no reference
                owned = not (path and any(word in path for word in _CACHES))
                if path == _CALLBACK_LIST:
                    return Holder(ATEXIT, f"{words}, the callbacks of atexit", place)
                return Holder(kind, f"{words}, {path or f'+{place - start:#x}'}", place, None, owned)
        for start, end, words in self._callbacks:
            if start <= place < end:
                return Holder(ATEXIT, words, place)
        for start, end, frame, words in self._frames:
            if start <= place < end:
                slot, owned = self._slot(frame, place)
                return Holder(FRAME, f"{words}, {slot}", place, None, owned)
        if any(start <= place < end for start, end in self._data_stacks):
            return None
        found = self._in_file(place)
        if found is not None:
            if found.library != self._python.module.path:
                return found
            found.owned = not any(word in found.words for word in _CACHES)
            return None if any(word in found.words for word in _FREE_LISTS) else found
        for start, end, sp, lwp in self._stacks:
            if start <= place < end:
                if place < sp - _RED_ZONE:
                    return None
                return Holder(STACK, f"C stack of thread LWP {lwp}", place, None, False)
        block = self.c_memory.block_at(place)
        if block is None:
            return Holder(MEMORY, "memory of C code", place, None, False)
        if not block.used:
            return None
        words = "a block of {0} bytes of malloc at {1:#x}" if block.malloc else "memory mapped at {1:#x}"
        return Holder(MEMORY, words.format(block.size, block.start), place, None, False)

    def pointed_to(self, holders: Sequence[Holder]) -> List[Holder]:
        """Return holders in memory of C code, each with the C variable that leads to it where one does. Raises Interrupted.

        A block is reached through pointers to its beginning: from data of a library, or from other blocks. Data of CPython
        itself, of the C library and of ld.so does not count: it leads to nearly everything.
        """
        blocks = [self.c_memory.block_at(holder.address) for holder in holders]
        led = self._leading({block.start for block in blocks if block is not None})
        found: List[Holder] = []
        for holder, block in zip(holders, blocks):
            variable, hops = led.get(block.start, (None, 0)) if block is not None else (None, 0)
            if variable is None:
                found.append(holder)
                continue
            through = " (through others)" if hops else ""
            words = f"{holder.words}, to which {variable.words} points{through}"
            found.append(Holder(holder.kind, words, holder.address, variable.library, False, variable.through))
        return found

    def _leading(self, starts: Set[int]) -> Dict[int, Tuple[Holder, int]]:
        """Return the C variable that leads to each block of malloc, and through how many others. Raises Interrupted.

        One pass over memory for each hop, whatever the number of blocks.
        """
        direct: Dict[int, Holder] = {}
        pointers: Dict[int, List[int]] = {}  # block -> blocks that it points to
        seen, waiting = set(starts), set(starts)
        for _hop in range(_MOST_HOPS):
            if not waiting or len(seen) > _MOST_BLOCKS:
                break
            following: Set[int] = set()
            for place, start in find_words(self._debugger, self.mappings.written(), waiting):
                library = self.library_of(place)
                if library is not None:
                    if start not in direct and not self._is_common(library):
                        holder = self._in_file(place)
                        if holder is not None:
                            direct[start] = holder
                    continue
                other = self.c_memory.block_at(place)
                # A whole mapping leads on to nothing: an arena of objects or a stack is one too.
                if other is not None and other.used and other.malloc and other.start != start:
                    pointers.setdefault(other.start, []).append(start)
                    if other.start not in seen:
                        seen.add(other.start)
                        following.add(other.start)
            waiting = following
            if all(start in direct for start in starts):
                break
        led = {start: (direct[start], 0) for start in sorted(direct)}
        border = list(led)
        while border:
            reached = []
            for block in border:
                for start in pointers.get(block, ()):
                    if start not in led:
                        led[start] = (led[block][0], led[block][1] + 1)
                        reached.append(start)
            border = reached
        return led

    def _is_common(self, library: str) -> bool:
        """Tell whether a file is CPython's runtime, the C library, ld.so or their like."""
        return library == self._python.module.path or origin_of(NativeFrame(0, 0, 0, None, library)) in (PLUMBING, RUNTIME_CODE)

    def library_of(self, address: int) -> Optional[str]:
        """Return the file in whose writable data an address lies, None if in none."""
        index = bisect_right(self._files, (address, 1 << 64, "")) - 1
        if index < 0 or address >= self._files[index][1]:
            return None
        return self._files[index][2]

    def _in_file(self, address: int) -> Optional[Holder]:
        path = self.library_of(address)
        if path is None:
            return None
        library = path.rsplit("/", 1)[-1]
        symbol = self._debugger.symbol_at(address)
        if symbol is None:
            return Holder(STATIC, f"C data of {library} at {address:#x}", address, path)
        name = symbol[0] if symbol[1] == address else f"{symbol[0]}+{address - symbol[1]}"
        return Holder(STATIC, f"{name} in {library}", address, path, through=symbol[0])

    def _slot(self, frame: int, place: int) -> Tuple[str, bool]:
        """Return which member, local or stack slot of an interpreter frame a place is, and whether it owns what it holds."""
        python = self._python
        try:
            index = (place - frame - python.layout.offset("iframe.locals")) // python.memory.pointer_size
            tagged = python.layout.has("iframe.stackpointer") and python.memory.pointer(place) & 3 == 1
            if index < 0:
                member = self._debugger.member_at("struct _PyInterpreterFrame", place - frame) or "its frame"
                return member, member not in _BORROWED and not tagged
            names = local_names(python, untagged(python.number("iframe.code", frame)))
            if index < len(names):
                return f"local {objects.string(python, names[index], 100)}", not tagged
            return f"stack[{index - len(names)}]", False
        except Unreadable:
            return "its frame", False

    # -- finding them -------------------------------------------------------------------------------
    def _find_structures(self) -> None:
        python = self._python
        interpreters = interpreter_addresses(python)
        size_of = self._debugger.struct_size
        for number, interpreter in enumerate(interpreters):
            self._read_interpreter(number, interpreter)
            size = size_of("PyInterpreterState")
            if size:
                words = "the interpreter" if len(interpreters) == 1 else f"interpreter {number}"
                self._structures.append((interpreter, interpreter + size, "PyInterpreterState", INTERPRETER, words))
        size = size_of("_PyRuntimeState")
        if size:
            self._structures.append((python.runtime, python.runtime + size, "_PyRuntimeState", RUNTIME, "_PyRuntime"))

    def _read_interpreter(self, number: int, interpreter: int) -> None:
        python = self._python
        for module in read_modules(python, interpreter, []) or []:
            where = "sys.modules" if number == 0 else f"sys.modules of interpreter {number}"
            words = f"module {module.name!r} in {where}"
            self._modules.setdefault(module.address, words)
            try:
                namespace = python.value("module.dict", module.address) if module.type == "module" else 0
            except Unreadable:
                namespace = 0
            if namespace:
                self._modules.setdefault(namespace, words)
        size = self._debugger.struct_size("PyThreadState")
        reader = StackReader(python)
        for thread in read_threads(python, interpreter, stacks=False):
            name = f"thread {thread.name or thread.native_id or thread.thread_id}"
            if size:
                self._structures.append((thread.address, thread.address + size, "PyThreadState", THREAD, name))
            self._add_data_stack(thread.address)
            try:
                for frame in thread_frames(python, thread.address):
                    self._add_frame(reader, name, frame)
            except Unreadable:
                pass
        self._add_callbacks(interpreter)
        try:
            table = python.value("interp.unique_ids.table", interpreter)
            if table:
                size = python.value("interp.unique_ids.size", interpreter) or 0
                self._numbers.append((table, table + size * python.memory.pointer_size))
        except Unreadable:
            pass

    def _add_frame(self, reader: StackReader, thread: str, frame: int) -> None:
        shown = reader.rows_from(frame, [], 1, 1)
        words = thread
        if shown and shown[0]:
            first = shown[0][0]
            words = f"{thread}, {first.function} at {first.file}:{first.line}"
        if self._python.layout.has("thread.frame"):
            self._frame_objects[frame] = words
            return
        try:
            extent = frame_extent(self._python, frame)
        except Unreadable:
            return
        if extent:
            self._frames.append((frame, frame + extent, frame, words))

    def _add_data_stack(self, thread: int) -> None:
        """Note where a thread keeps its frames (3.11 and later): what is there and in no frame is left over."""
        python = self._python
        seen: Set[int] = set()
        try:
            chunk = python.value("thread.datastack", thread) or 0
            while chunk and chunk not in seen and len(seen) < _MOST_CALLBACKS:
                seen.add(chunk)
                self._data_stacks.append((chunk, chunk + (python.value("stack_chunk.size", chunk) or 0)))
                chunk = python.value("stack_chunk.previous", chunk) or 0
        except Unreadable:
            return

    def _add_callbacks(self, interpreter: int) -> None:
        """Note where the callbacks of atexit are kept: an array of pointers to (function, arguments, keywords)."""
        python = self._python
        word = python.memory.pointer_size
        try:
            array = python.value("interp.atexit_callbacks", interpreter)
            count = python.value("interp.atexit_count", interpreter)
            if array is None:
                state = self._atexit_module(interpreter)
                array = python.value("atexit_module.callbacks", state) if state else 0
                count = python.value("atexit_module.count", state) if state else 0
            if not array or not count or not 0 < count <= _MOST_CALLBACKS:
                return
            for index, entry in enumerate(python.memory.array(array, count)):
                if entry:
                    words = f"callback {index} of atexit"
                    self._callbacks.append((entry, entry + _CALLBACK_WORDS * word, words))
        except Unreadable:
            return

    def _atexit_module(self, interpreter: int) -> int:
        python = self._python
        modules = python.value("interp.modules", interpreter)
        found = dicts.lookup(python, modules, "atexit") if modules else None
        return (python.value("module.state", found) or 0) if found else 0

    def _find_files(self) -> None:
        for module in self._debugger.modules():
            try:
                for address, size, _in_file, flags in open_elf(module.path).mappings():
                    if flags & 2:
                        start = module.bias + address
                        self._files.append((start, start + size, module.path))
            except ElfError:
                continue
        self._files.sort()

    def _find_stacks(self) -> None:
        for thread in self._debugger.threads():
            frames = self._debugger.frames(thread.debugger_id, 1)
            holding = self.mappings.at(frames[0].sp) if frames else None
            if holding is not None:
                self._stacks.append((holding.start, holding.end, frames[0].sp, thread.native_id))

    def ranges(self) -> List[Tuple[int, int]]:
        """Return the memory in which roots that own references can be: CPython's structures, C data, callbacks, frames."""
        found = [(start, end) for start, end, *_rest in self._structures]
        found += [(start, end) for start, end, _words in self._callbacks]
        found += [(start, end) for start, end, *_rest in self._frames]
        found += [(start, end) for start, end, _path in self._files]
        return _joined(found)

    def frame_edges(self) -> Iterator[Tuple[str, int]]:
        """Yield (words, object) for everything that running interpreter frames refer to. Never raises."""
        for _start, _end, frame, words in self._frames:
            try:
                for edge in interpreter_frame_edges(self._python, frame, running=True):
                    if edge.keeps:
                        yield f"{words}, {label(self._python, edge)}", edge.target
            except Unreadable:
                continue




def _joined(ranges: List[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Return ranges in order, those that touch or overlap as one."""
    found: List[Tuple[int, int]] = []
    for start, end in sorted(ranges):
        start += -start % 8
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return found
