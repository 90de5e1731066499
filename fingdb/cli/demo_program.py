"""A small program with something for each phase of shutdown. `fingdb demo` runs it in a gdb session."""

import atexit
import os
import threading
import time


class Resource:
    """Says when it is finalized. One dies with the modules, two only in a collection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.partner: object = None

    # os.write as a default: at the end of a process neither `print` nor the module's names are there for sure.
    def __del__(self, write=os.write) -> None:  # type: ignore[no-untyped-def]
        write(1, f"    [program] {self.name} is finalized\n".encode())


@atexit.register
def goodbye() -> None:
    """Run by atexit, before anything is taken down."""
    print("    [program] goodbye from atexit", flush=True)


kept = Resource("a global")
left, right = Resource("left half of a cycle"), Resource("right half of a cycle")
left.partner, right.partner = right, left
# A daemon thread is not waited for. Its target is no function of ours: that would keep our globals alive.
threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="sleeper").start()
print("    [program] the last line of the script", flush=True)
