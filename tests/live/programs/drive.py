"""Types gdb commands one by one and notes what each said and where the program then was. Sourced in gdb.

FINGDB_TEST_COMMANDS names a JSON list of commands; FINGDB_TEST_OUT gets a list of records. Nothing of fingdb is
used here: what is noted beside the output comes from gdb itself.
"""

import json
import os

import gdb


def place():
    """Return pc and sp of the selected thread, and the names of the innermost frames."""
    found = {"pid": gdb.selected_inferior().pid, "pc": None, "sp": None, "frames": []}
    if not found["pid"]:
        return found
    try:
        frame = gdb.newest_frame()
        found["pc"] = frame.pc()
        found["sp"] = int(frame.read_register("sp"))
        while frame is not None and len(found["frames"]) < 12:
            found["frames"].append(frame.name())
            frame = frame.older()
    except gdb.error:
        pass
    return found


RECORDS = []
for command in json.load(open(os.environ["FINGDB_TEST_COMMANDS"])):
    record = {"command": command, "output": "", "error": None}
    try:
        record["output"] = gdb.execute(command, to_string=True) or ""
    except gdb.error as error:
        record["error"] = str(error)
    except KeyboardInterrupt:
        record["error"] = "Quit"
    record.update(place())
    RECORDS.append(record)
    with open(os.environ["FINGDB_TEST_OUT"], "w") as file:
        json.dump(RECORDS, file)
try:
    gdb.execute("kill inferiors 1", to_string=True)
except gdb.error:
    pass
