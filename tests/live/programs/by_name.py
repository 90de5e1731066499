"""Which finalization steps a program really runs, by gdb's own breakpoints by name. Sourced in a plain gdb.

Knows nothing of fingdb's plan or tracer. FINGDB_TEST_NAMES is a JSON list of names to break at, FINGDB_TEST_OUT the
file for the answer: ``hits``, the names in the order of the main thread's hits, and ``begins``, the names in the order
in which they came onto the stack: at each hit gdb's own frames, inlined ones included, tell what is around it. That
shows a function whose by-name location is not its first instruction, or is in a loop that does not run. ``inlined``:
whether gdb finds functions by name that exist only inside of others.
"""

import json
import os

import gdb

with open(os.environ["FINGDB_TEST_NAMES"]) as names:
    NAMES = json.load(names)
WANTED = frozenset(NAMES)
ROOTS = {"Py_FinalizeEx", "_Py_Finalize"}
HITS = []
BEGINS = []
SEEN = set()
STATE = {"on": False, "open": []}


class ByName(gdb.Breakpoint):
    """A breakpoint on one step's name, with as many locations as gdb finds."""

    def __init__(self, name):
        super().__init__("-qualified -function " + name, internal=True)
        self.step = name

    def stop(self):
        if STATE["on"] and gdb.selected_thread().num == 1:
            HITS.append(self.step)
            note(self.step)
        return False


def note(name):
    """Compare what is on the stack with what was at the hit before."""
    chain = [step for step in below_root(around()) if step[0] in WANTED]
    if chain and chain[-1][1]:
        # What was deeper on the stack has returned: at the same depth it will be another execution.
        SEEN.difference_update([step for step in SEEN if step[1] and step[1] < chain[-1][1]])
    if name not in {step[0] for step in chain}:
        chain.append((name, None))
    common = 0
    while common < min(len(chain), len(STATE["open"])) and chain[common] == STATE["open"][common]:
        common += 1
    for step in chain[common:]:
        # What was inlined may have its code in several pieces, with something else in between.
        if step[0] == name or step not in SEEN:
            BEGINS.append(step[0])
            SEEN.add(step)
    if common == len(chain) and chain[-1][0] == name:
        BEGINS.append(name)  # once more
    STATE["open"] = chain


def around():
    """Return (function, place) of each frame inside the finalizing function, outermost first.

    The place is where the caller's stack ended, the same during the whole of an execution.
    """
    frame = gdb.newest_frame()
    names = []
    # At the first instruction of an inlined function gdb hides its frame: the block tells.
    try:
        block = gdb.block_for_pc(frame.pc())
    except (gdb.error, RuntimeError):
        block = None
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            names.append(plain(block.function.name))
        block = block.superblock
    while frame is not None and frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    found = []
    while frame is not None and len(found) < 60:
        frame = frame.older()  # the caller of the function whose names were collected
        if frame is None:
            break
        place = int(frame.read_register("sp"))
        found.extend((name, place) for name in names)
        names = [plain(frame.name())]
        while frame is not None and frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
            names.append(plain(frame.name()))
        if ROOTS.intersection(names):
            found.extend((name, 0) for name in names[: min(names.index(r) for r in ROOTS if r in names)])
            return found[::-1]
    return found[::-1] if ROOTS.intersection(names) or any(n in ROOTS for n, _ in found) else []


def below_root(chain):
    """Return what is inside of the innermost finalizing function."""
    for index in range(len(chain) - 1, -1, -1):
        if chain[index][0] in ROOTS:
            return chain[index + 1 :]
    return chain


def plain(name):
    """Return a function's name without what the compiler added."""
    return (name or "?").split(".")[0]


def quiet(command):
    """Run a command; return what it says."""
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as error:
        return str(error)


for setting in ("pagination off", "confirm off", "print thread-events off", "breakpoint pending on"):
    quiet("set " + setting)
quiet("tbreak Py_FinalizeEx")  # pending: the runtime is a library of most builds
quiet("set breakpoint pending off")
quiet("run")
# By name gdb finds an inlined function only in units that it has read in full. From 14 on it does not find those of
# programs optimized at link time even so, and reading takes it most of a minute: there the stacks must tell.
SYMTAB = gdb.find_pc_line(gdb.newest_frame().pc()).symtab
INLINED = int(gdb.VERSION.split(".")[0]) < 14 or "-fltrans" not in (SYMTAB.producer or "" if SYMTAB else "")
if INLINED:
    # CPython's units only: the C library's debug information is as large, and no step is in it.
    for part in ("Python/", "Objects/", "Modules/", "Parser/", "artificial"):
        quiet("maint expand-symtabs " + part)
for name in NAMES:
    try:
        ByName(name)
    except (gdb.error, RuntimeError):
        pass  # this build has no function of that name
STATE["on"] = True
finish = quiet("finish")
STATE["on"] = False
quiet("kill")
with open(os.environ["FINGDB_TEST_OUT"], "w") as file:
    json.dump({"hits": HITS, "begins": BEGINS, "inlined": INLINED, "finish": finish}, file)
