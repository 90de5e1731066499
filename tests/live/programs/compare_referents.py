"""Compares what gc.get_referents said of every object with what fingdb reads. Sourced in gdb.

FINGDB_TEST_TRUTH names the program's file, FINGDB_TEST_OUT gets a JSON list of the differences and some counts.
"""

import array
import json
import os
from collections import Counter

from fingdb.commands.base import current_session
from fingdb.cpython import objects
from fingdb.cpython.graph.edges import VALUE, label
from fingdb.cpython.graph.referents import Referents
from fingdb.cpython.graph.rows import ASSUMED, BORROWED, GUESSED
from fingdb.cpython.reprs import safe_repr
from fingdb.cpython.target import Unreadable

TARGET = current_session().python()
TRUTH = array.array("Q")
with open(os.environ["FINGDB_TEST_TRUTH"], "rb") as FILE:
    TRUTH.frombytes(FILE.read())

reader = Referents(TARGET)
at, differences, seen = 0, [], Counter()
while at < len(TRUTH):
    address, count = TRUTH[at], TRUTH[at + 1]
    wanted = Counter(TRUTH[at + 2 : at + 2 + count])
    at += 2 + count
    kind = objects.type_of(TARGET, address)
    name = objects.name_of_type(TARGET, kind)
    seen[name] += 1
    try:
        edges = list(reader.edges(address, borrowed=True))
    except Unreadable as error:
        differences.append([name, f"unreadable: {error}"])
        continue
    sure = Counter(e.target for e in edges if e.visited)
    # The values that a dict shows of an instance: some versions visit them there, some at the instance.
    perhaps = Counter(e.target for e in edges if e.how in (ASSUMED, GUESSED) or (e.how == BORROWED and e.kind == VALUE))
    missing = wanted - sure - perhaps
    extra = sure - wanted
    if missing or extra:
        where = [
            [sign, hex(t), objects.short_repr(TARGET, t, 60), [f"{label(TARGET, e)} ({e.how})" for e in edges if e.target == t]]
            for sign, some in (("missing", missing), ("extra", extra)) for t in some
        ]
        differences.append([safe_repr(TARGET, address), where])
PLANS = {}
for type_address, plan in reader._plans.items():
    if plan.unknown or plan.items_unknown:
        PLANS[objects.name_of_type(TARGET, type_address)] = plan.unknown
with open(os.environ["FINGDB_TEST_OUT"], "w") as FILE:
    json.dump({"differences": differences, "types": seen, "guessed": PLANS}, FILE)
