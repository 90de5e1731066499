"""`pyfin why` and `pyfin referrers`: the ways from roots, and who holds each reference, against the program's own words."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from tests.support.cores import crash_core
from tests.support.gdbrun import ROOT, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

PROGRAM = ROOT / "tests" / "live" / "programs" / "kept.py"
SCRIPT = """python
import json
told = json.loads(open({out!r}).read())
def ask(command, where):
    return json.loads(gdb.execute("pyfin " + command + " --json " + where, to_string=True))
answers = {{name: ask("why", where) for name, where in told["addresses"].items()}}
answers["referrers"] = ask("referrers --all", told["addresses"]["thread local"])
print("ANSWERS " + json.dumps([told, answers]))
end
"""

#: Name -> kind of the nearest root, words that name it, names on the way from it to the object.
ROOTS: Dict[str, Tuple[str, str, List[str]]] = {
    "global": ("module", "module '__main__' in sys.modules", ["", "['TABLE']", "['inner']", "[1]"]),
    "closure": ("module", "module '__main__' in sys.modules", ["", "['FUNCTION']", "func_closure", "[0]", "ob_ref"]),
    "callback": ("atexit", "of atexit", ["", "[0]"]),
    "callback in a list": ("atexit", "of atexit", ["", "[0]", "[1]", "[0]"]),  # from 3.14 on
    "local": ("frame", "main at ", []),
    "thread local": ("frame", "work at ", []),
    "generator": ("module", "module '__main__' in sys.modules", ["", "['GENERATOR']"]),
    "lost reference": ("unexplained", "1 reference that nothing shows", [""]),
}


def roots_of(python: Interpreter) -> Dict[str, Tuple[str, str, List[str]]]:
    """Return what a version has, by the names that the program gives its objects."""
    roots = dict(ROOTS)
    listed = roots.pop("callback in a list")
    if python.version >= (3, 14):
        roots["callback"] = listed
    return roots


def answers(python: Interpreter) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    with tempfile.TemporaryDirectory() as directory:
        out, file = Path(directory) / "out", Path(directory) / "commands"
        file.write_text(SCRIPT.format(out=str(out)))
        done = run_gdb(python.path, commands=[f"run {PROGRAM} > {out}", f"source {file}"], timeout=180)
    assert "ANSWERS" in done.stdout, done.output
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWERS "))
    told, found = json.loads(line[len("ANSWERS ") :])
    return told, found


@pytest.mark.spread
def test_what_keeps_objects_alive(python: Interpreter) -> None:
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    told, found = answers(python)
    frames_are_objects = python.version < (3, 11)
    for name, (kind, words, steps) in roots_of(python).items():
        why = found[name]
        path = why["paths"][0]
        assert (path["root"]["kind"], not why["cycle"]) == (kind, True), (name, why)
        assert words in path["root"]["words"], (name, why)
        names = [step["name"] for step in path["steps"]]
        if name in ("local", "thread local"):
            variable = "local local" if name == "local" else "local argument"
            assert (names[-1] if frames_are_objects else path["root"]["words"].split(", ")[-1]) == variable, why
        elif name == "generator":
            assert names[:2] == steps and names[-1] == "local held", why
        else:
            assert names == steps, (name, why)
    if not python.free_threaded:
        # Without a GIL gc.get_objects leaves all addresses behind, in memory that the collector keeps for next time.
        assert found["cycle"]["cycle"] and not found["cycle"]["paths"], found["cycle"]
    assert found["referrers"]["referrers"] == found["thread local"]["referrers"]
    for name, why in found.items():
        account = why["account"]
        assert account["unexplained"] == (1 if name == "lost reference" else 0), (name, why)
        assert not why["partial"] and not why["problems"]
        # gc.get_referrers was asked while a list of everything was there, and a frame is none of its objects.
        said = [t for t in told["referrers"].get(why["address"], []) if t != "list"]
        seen = sorted(r["type"] for r in why["referrers"] if r["how"] != "borrowed" and r["type"] not in ("frame", "list"))
        assert seen == said, (name, why)


def test_what_is_no_object_is_told(any_python: Interpreter) -> None:
    done = run_gdb(any_python.path, args=["-c", "pass"], commands=["pyfin start", "pyfin why 0x1000", "pyfin referrers 7x"])
    assert "no object begins at 0x1000" in done.stderr
    assert '"7x" is not an address' in done.stderr


def test_a_core_tells_the_same(any_python: Interpreter) -> None:
    core = crash_core(any_python, "kept", [any_python.path, str(PROGRAM)])
    told = json.loads(next(line for line in core.output.splitlines() if line.startswith("{")))
    names = ["global", "closure", "callback", "lost reference"]
    commands = [f"core-file {core.path}"]
    for name in names:
        commands += ["echo ANSWER", f"pyfin why --json {told['addresses'][name]}"]
    done = run_gdb(any_python.path, commands=commands, timeout=180)
    answers = [json.loads(text[: text.rindex("}") + 1]) for text in done.stdout.split("ANSWER")[1:]]
    assert len(answers) == len(names), done.output
    for name, why in zip(names, answers):
        kind, words, steps = roots_of(any_python)[name]
        path = why["paths"][0]
        assert path["root"]["kind"] == kind and words in path["root"]["words"], (name, why)
        assert [step["name"] for step in path["steps"]] == steps, (name, why)


def test_without_debug_information_one_sentence_says_so(any_python: Interpreter, tmp_path: Path) -> None:
    commands = ["pyfin start", "pyfin why 0x1000", "pyfin leaks", "pyfin object 0x1000"]
    done = run_gdb(any_python.path, args=["-c", "pass"], commands=commands, cache=tmp_path, options=["-readnever"])
    assert done.stderr.count("has no debug information, so") == 3, done.output


INTERRUPTED = """python
import json
from fingdb.debugger.gdb_backend import GdbDebugger
where = json.loads(open({out!r}).read())["addresses"]["closure"]
def ask():
    return json.loads(gdb.execute("pyfin why --json " + where, to_string=True))
whole, answers, patience = ask(), [], 0
while True:
    left = [patience]
    def pressed(debugger):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
    kept, GdbDebugger.check_interrupt = GdbDebugger.check_interrupt, pressed
    try:
        answers.append(ask())
    except (KeyboardInterrupt, gdb.error):
        answers.append(None)
    finally:
        GdbDebugger.check_interrupt = kept
    if left[0] >= 0:
        break
    patience += 1 + patience // 4
print("ANSWERS " + json.dumps([whole, answers]))
end
"""


def test_control_c_makes_no_reference_unexplained(any_python: Interpreter, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "commands"
    file.write_text(INTERRUPTED.format(out=str(out)))
    done = run_gdb(any_python.path, commands=[f"run {PROGRAM} > {out}", f"source {file}"], timeout=180)
    assert "ANSWERS" in done.stdout, done.output
    whole, found = json.loads(next(x for x in done.stdout.splitlines() if x.startswith("ANSWERS "))[len("ANSWERS ") :])
    assert found[0] is None and found[-1] == whole
    partial = [each for each in found if each is not None and each["partial"]]
    assert partial
    for each in partial:
        assert (each["account"], each["referrers"]) == (whole["account"], whole["referrers"])
        assert not each["cycle"] and any("interrupted" in problem for problem in each["problems"])
