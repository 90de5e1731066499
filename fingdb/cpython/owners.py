"""Which native thread a thread state belongs to, where no layout tells: every thread state holds its pthread_self().

On x86-64 Linux that is the thread's ``fs_base`` register. It lies at the same place in every thread state, so the place
where all of them hold the ``fs_base`` of a living thread, each of another one, is the member.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from .target import PythonTarget

#: `PyThreadState.thread_id` lies at 176 bytes at most (3.8), the end of the structure is not known.
_SEARCHED = 512


def owners(target: PythonTarget, states: Sequence[int]) -> Dict[int, Tuple[int, int]]:
    """Return thread state -> (pthread_self(), kernel thread id); empty when that is not certain. Never raises."""
    natives: Dict[int, int] = {}
    for thread in target.debugger.threads():
        base = target.debugger.register(thread.debugger_id, 0, "fs_base")
        if base and thread.native_id > 0:
            natives[base] = thread.native_id
    places: List[Dict[int, int]] = []
    for address in states:
        data = target.memory.read_some(address, _SEARCHED)
        words = memoryview(data[: len(data) - len(data) % 8]).cast("Q")
        places.append({8 * index: word for index, word in enumerate(words) if word in natives})
    if not places:
        return {}
    common = [
        offset for offset in places[0]
        if all(offset in found for found in places) and len({found[offset] for found in places}) == len(places)
    ]
    if len(common) != 1:
        return {}
    (offset,) = common
    return {address: (found[offset], natives[found[offset]]) for address, found in zip(states, places)}
