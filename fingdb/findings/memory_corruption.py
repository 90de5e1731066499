"""A damaged heap: found by libc, by the debug hooks of CPython's allocators, or by falling over it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import FrozenSet, Optional

from ..finalization.functions import base_name
from .case import Case, Task
from .fatal import FatalError, abort_message

#: What glibc says when it finds its heap damaged (malloc/malloc.c, debug/).
_LIBC = re.compile(
    r"malloc\(\)|free\(\)|realloc\(\)|calloc\(\)|munmap_chunk\(\)|mremap_chunk\(\)|corrupt|double free|invalid pointer"
    r"|invalid size|unaligned|tcache|sysmalloc|stack smashing|buffer overflow|_int_free|_int_malloc"
)
#: What free() says of a pointer that it never gave out. Of one with zeros before it, glibc 2.36 says the first, 2.43 the
#: second, which is also said of a block whose own size was written over.
_NEVER_GIVEN_OUT = re.compile(r"invalid pointer|free\(\): invalid size")
#: What the debug hooks say (Objects/obmalloc.c).
_HOOKS = re.compile(r"bad (?:leading|trailing) pad byte|bad ID: Allocated using API|Debug memory block")
_REPORTING: FrozenSet[str] = frozenset({"malloc_printerr", "__fortify_fail", "__stack_chk_fail", "__chk_fail"})
_HEAP: FrozenSet[str] = frozenset(
    {
        "_int_malloc", "_int_free", "_int_free_chunk", "_int_free_merge_chunk", "_int_realloc", "unlink_chunk",
        "malloc_consolidate", "tcache_get", "tcache_put", "tcache_thread_shutdown", "__libc_malloc", "__libc_malloc2",
        "__libc_calloc", "__libc_realloc", "__libc_free", "__GI___libc_free", "__GI___libc_malloc", "sysmalloc", "cfree",
        "free", "malloc",
    }
)  # fmt: skip


@dataclass
class Damage:
    """A damaged heap: what was said about it, and how sure that is. ``index`` is the frame that noticed."""

    message: str
    sure: bool
    index: int
    #: True when the debug hooks of CPython's own allocators found it.
    hooks: bool = False

    @property
    def of_a_pointer(self) -> bool:
        """Whether libc may have been given a pointer that it never gave out, its heap being sound."""
        return self.sure and not self.hooks and _NEVER_GIVEN_OUT.search(self.message) is not None


def heap_damage(case: Case, task: Task, fatal: Optional[FatalError]) -> Optional[Damage]:
    """Return the damage to the heap that a thread died of, None if it shows none."""
    # The hooks also tell who allocates without the GIL: that says nothing of the heap.
    hooks = fatal is not None and "without holding the GIL" not in fatal.message and any(
        "_PyMem_Debug" in name for name in (fatal.function, fatal.raised)
    )
    if fatal is not None and (hooks or _HOOKS.search(fatal.message)):
        return Damage(fatal.text, True, fatal.caller, True)
    names = [base_name(f.function) if f.function else "" for f in task.frames[:24]]
    reporting = [i for i, name in enumerate(names) if name in _REPORTING]
    said = abort_message(case) if case.signal is not None and case.signal.name == "SIGABRT" else ""
    # libc says other things in the same way: that a thread was cancelled in a catch-all, that an assertion failed.
    if not reporting and not said and "__GI___libc_fatal" not in names and "__libc_fatal" not in names:
        reporting = [i for i, name in enumerate(names) if name in ("__libc_message", "__libc_message_impl")]
    if reporting:
        return Damage(said or "libc found its heap damaged", True, reporting[-1] + 1)
    if said and _LIBC.search(said) and "ssertion" not in said:
        return Damage(said, True, 0)
    if case.signal is not None and case.signal.name in ("SIGSEGV", "SIGBUS") and names and names[0] in _HEAP:
        index = next((i for i, name in enumerate(names) if name not in _HEAP), len(names))
        return Damage(f"{names[0]} crashed over its own lists", False, index)
    return None
