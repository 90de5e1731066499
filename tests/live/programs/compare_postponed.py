"""Sourced by gdb: what is known of a stopped process before symbols are read, beside what gdb says after.

Prints JSON: the files each way, symbol addresses each way, and the program counters of the innermost run of frames in
the runtime each way.
"""

import json
import os
import sys

import gdb

from fingdb.debugger.gdb_backend import GdbDebugger
from fingdb.finalization.runtime_module import find_runtime
from fingdb.findings.unwinding import KEPT, RETURN, NoUnwinding, caller

NAMES = ("PyModule_Type", "PyBytes_Type", "_PyRuntime", "no_such_symbol")

debugger = GdbDebugger()
debugger.postpone_symbols(os.environ["PROGRAM"])
told = []
debugger.on_modules_changed(told.append)
gdb.execute("handle SIGUSR1 stop nopass")
gdb.execute("run", to_string=True)


def files():
    listed = [[m.path, m.bias, m.build_id, list(m.symbol_files)] for m in debugger.modules()]
    return [listed[0], *sorted(listed[1:])]


def addresses():
    return {name: debugger.symbol_address(name) for name in NAMES}


before = {"files": files(), "addresses": addresses(), "postponed": debugger.postponed is not None}
announced = [path for path in told if os.path.isfile(path)]
runtime = find_runtime(debugger)
debugger.need_symbols()
after = {"files": files(), "addresses": addresses(), "postponed": debugger.postponed is not None}
gdb.execute("set language rust")  # as where a program in Rust embeds Python
after["in_rust"] = addresses(), gdb.parameter("language")
gdb.execute("set language auto")

# Frames that are not inlined, from the first one in the runtime's file on.
frame, physical = gdb.newest_frame(), []
while frame is not None and len(physical) < 400:
    if frame.type() in (gdb.NORMAL_FRAME, gdb.TAILCALL_FRAME):
        physical.append(frame)
    frame = frame.older()


def ours(frame):
    name = gdb.current_progspace().solib_name(frame.pc())
    return (name or os.path.realpath(os.environ["PROGRAM"])) == runtime.module.path


start = next(i for i, f in enumerate(physical) if ours(f))
chain = []
for f in physical[start:]:
    if not ours(f):
        break
    if f.type() == gdb.NORMAL_FRAME:
        chain.append(f.pc())
registers = {number: int(physical[start].read_register(name)) & (1 << 64) - 1 for name, number in KEPT.items()}
unwound, problem = [registers[RETURN]], None
try:
    while len(unwound) < len(chain):
        registers = caller(runtime.module.path, runtime.bias, registers, False, debugger.read)
        unwound.append(registers[RETURN])
except NoUnwinding as error:
    problem = str(error)
result = {"before": before, "after": after, "announced": announced, "frames": chain, "unwound": unwound, "problem": problem}
print("RESULT " + json.dumps(result))
sys.stdout.flush()
gdb.execute("kill", to_string=True)
