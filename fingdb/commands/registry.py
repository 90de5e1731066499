"""Names, help texts and settings of all `pyfin` commands, as data: loaded at `source` time."""

from __future__ import annotations

from typing import Any, NamedTuple, Tuple


class Entry(NamedTuple):
    """A command: its name after ``pyfin``, the module beside this one, and its help."""

    name: str
    module: str
    doc: str


class SettingEntry(NamedTuple):
    """A setting: its name after ``set pyfin``, what it means, its kind and default."""

    name: str
    doc: str
    kind: str
    default: Any
    choices: Tuple[str, ...] = ()


PREFIX_DOC = """Step through and look into the finalization of CPython.

"pyfin start" goes to the beginning of Py_FinalizeEx, "pyfin next" from step to step,
"pyfin status" tells where the process stands."""

COMMANDS: Tuple[Entry, ...] = (
    Entry(
        "start",
        "start",
        """Run or continue to the beginning of finalization of the main interpreter.

Usage: pyfin start
Runs the program when there is no process yet. User breakpoints on the way stop as usual.""",
    ),
    Entry(
        "next",
        "next",
        """Continue to the next finalization step.

Usage: pyfin next [N] [--all]
Stops before the step runs. With N, goes on N times. Steps that repeat once per module or type
count as one; --all stops at each of them.""",
    ),
    Entry(
        "until",
        "until",
        """Continue to a finalization step or phase.

Usage: pyfin until STEP|PHASE
STEP is the name of a C function (_PyGC_Fini) or any of its names in other versions; PHASE is one of
the phases of "pyfin plan", such as module-teardown.""",
    ),
    Entry(
        "finish",
        "finish",
        """Continue to the end of the running finalization step, before the next begins.

Usage: pyfin finish""",
    ),
    Entry(
        "break",
        "break_step",
        """Stop at a finalization step or phase whenever it begins.

Usage: pyfin break STEP|PHASE|all
Without argument, lists the stops that are set. "pyfin delete" removes them.""",
    ),
    Entry(
        "delete",
        "delete",
        """Delete stops made by "pyfin break".

Usage: pyfin delete [STEP|PHASE|all]
Without argument, deletes all.""",
    ),
    Entry(
        "plan",
        "plan",
        """List the finalization steps of this binary in order, without running it.

Usage: pyfin plan [FILE] [--json]
In a process whose finalization has begun, each step is marked done, running or pending.
FILE is an executable or library to look at in place of the current program.""",
    ),
    Entry(
        "status",
        "status",
        """Show where the process stands: phase, step, interpreters, threads, collector.

Usage: pyfin status [--json]""",
    ),
    Entry("interpreters", "interpreters", "List the runtime's interpreters.\n\nUsage: pyfin interpreters [--json]"),
    Entry(
        "threads",
        "threads",
        """List thread states with their native threads, the GIL's holder and Python stacks.

Usage: pyfin threads [--json]""",
    ),
    Entry(
        "gc",
        "gc_state",
        """Show the garbage collector's generations and the most frequent types.

Usage: pyfin gc [--types N] [--all] [--json]
Differences are to the last stop at which this was asked.""",
    ),
    Entry(
        "heap",
        "heap",
        """Show all objects of the heap by type: how many, how large, and in which generation.

Usage: pyfin heap [--type NAME] [--gen N|frozen] [--sort count|bytes|name] [--limit N] [--all] [--json]
       pyfin heap --since STEP|MARK [--type NAME] [--limit N] [--json]
Bytes are those of sys.getsizeof: the object, its table and the collector's header. NAME may have a "*"; --limit 0
lists all types. --all looks into the allocator's blocks as well, for objects that the collector does not know.
--since tells what was freed and made since "pyfin mark" or since the walk stopped at a step.""",
    ),
    Entry(
        "objects",
        "objects",
        """List the objects of a type with their counts, generations and short reprs.

Usage: pyfin objects TYPE [--gen N|frozen] [--limit N] [--all] [--json]
TYPE is a name (dict, collections.OrderedDict) and may have a "*". Objects that the collector does not know (str, int)
are found in the blocks of pymalloc (mimalloc, without a GIL).""",
    ),
    Entry(
        "verify",
        "verify",
        """Check the collector's lists and the allocator's pools: links, flags, types, counts.

Usage: pyfin verify [--references] [--json]
Names the first bad node of each list. --references follows all references and names the objects that count fewer than
other objects hold: the trace of a Py_DECREF too many.""",
    ),
    Entry(
        "mark",
        "mark",
        """Remember the heap as it is now, for "pyfin heap --since NAME".

Usage: pyfin mark [NAME]
Without a name, lists the marks. Stops at finalization steps make marks of their own, named like the step.""",
    ),
    Entry(
        "diagnose",
        "diagnose",
        """Say why the process crashed, or why it does not end.

Usage: pyfin diagnose [--json]
Works on a core file and on a process that has stopped.""",
    ),
    Entry(
        "whatis",
        "whatis",
        """Say what lies at an address: an object and its type, a freed block, code, data, a stack.

Usage: pyfin whatis ADDR... [--json]
ADDR is a number. Knows live objects, types, freed blocks of the allocator and the debug hooks' fill bytes,
thread states, module state, and the libraries and stacks of the process.""",
    ),
    Entry(
        "object",
        "object",
        """Show one object: type, reference count, generation, value, and what it refers to by member, key or index.

Usage: pyfin object ADDR [--limit N] [--all] [--json]
A reference without a word in the column HOW is one that the collector visits.
  held      owned, and not visited by the type's tp_traverse
  borrowed  a pointer that owns nothing
  shown     visited here, owned by another object
  assumed   owned by an object of a C type; whether it is visited only its tp_traverse knows
  guessed   a word that is the address of an object, in a structure that nobody describes""",
    ),
    Entry(
        "referrers",
        "referrers",
        """List who refers to an object: objects by member, key or index, and places outside of objects.

Usage: pyfin referrers ADDR [--limit N] [--all] [--json]
All memory that the program can write is searched once for the address. Words on C stacks and in memory of C
code are listed although they may be left over.""",
    ),
    Entry(
        "why",
        "why",
        """Say what keeps an object alive.

Usage: pyfin why ADDR [--paths N] [--limit N] [--json]
Shows the shortest paths from roots (modules of sys.modules, running frames, CPython's own structures, callbacks
of atexit, C data of libraries, C stacks), and accounts for each reference that the object counts. What no object
and no root holds is held by C code that nobody shows: a lost reference, most often.""",
    ),
    Entry(
        "leaks",
        "leaks",
        """List what survives although nothing of CPython's own keeps it, and what holds each.

Usage: pyfin leaks [--all] [--blocks] [--json]
Best after the last collection of a finalization: "pyfin until _PyGC_Fini" in Py_FinalizeEx or Py_EndInterpreter.
Groups are objects that a C variable of a library keeps, references that nothing shows (a missing Py_DECREF),
immortal objects, and cycles that a tp_traverse hides from the collector. --all lists what only CPython can help.
--blocks lists all that the allocator has given out, by type and size, with the difference to when that was last asked:
once before and once after Py_FinalizeEx tells what is left behind.""",
    ),
    Entry(
        "touches",
        "touches",
        """List what was touched after its end, so far.

Usage: pyfin touches [--json]
Notices finalizations that begin after the first stepping command or the first "pyfin touches".
"set pyfin stop-on-touch on" stops at each new one.""",
    ),
    Entry(
        "watch",
        "watch",
        """Stop whenever an object is read or written.

Usage: pyfin watch ADDRESS|EXPRESSION
Watches the word at the address, of an object its reference count, with a hardware watchpoint. There are four.""",
    ),
    Entry("modules", "modules", "List sys.modules with what is left of each.\n\nUsage: pyfin modules [--json]"),
    Entry("batch", "batch", "Run one job without a terminal; used by the fingdb program.\n\nUsage: pyfin batch JSON"),
)

SETTINGS: Tuple[SettingEntry, ...] = (
    SettingEntry(
        "context",
        "number of source lines shown around the current one at a finalization stop.\nZero shows none.",
        "integer",
        5,
    ),
    SettingEntry(
        "stop-on-touch",
        "whether the debugger stops when something is touched after its end.\nNotes, about CPython itself, never stop.",
        "boolean",
        False,
    ),
    SettingEntry(
        "types-at-phases",
        "whether a stop at a new phase counts all objects by type.\nTurn it off for programs with very many objects.",
        "boolean",
        True,
    ),
)
