"""The summary commands as a user types them, in every state of a process."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from tests.support.gdbrun import INIT, gdb_environment, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

PROGRAM = Path(__file__).parent / "programs" / "summary_states.py"
SUMMARIES = ("status", "interpreters", "threads", "gc", "modules")


@dataclass
class Walk:
    """What the commands printed, by the names of the moments at which they were typed."""

    said: Dict[str, str]
    errors: List[str]
    truth: Dict[str, Any]
    core: Path

    def json(self, moment: str) -> Any:
        return json.loads(self.said[moment])


def at(moment: str, *commands: str) -> List[str]:
    """Return the gdb commands that print a moment's name and then run ``commands``."""
    return [f"echo \\n@@{moment}\\n", *commands]


def all_at(moment: str, commands: Sequence[str] = SUMMARIES) -> List[str]:
    lines: List[str] = []
    for name in commands:
        lines += at(f"{moment}:{name}", f"pyfin {name}")
        lines += at(f"{moment}:{name}:json", f"pyfin {name} --json")
    return lines


def split(output: str) -> Dict[str, str]:
    """Return moment -> what was printed from its name to the next one."""
    parts = re.split(r"^@@(.+)\n", output, flags=re.M)
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2])}


_WALKS: Dict[str, Walk] = {}


@pytest.fixture()
def walk(python: Interpreter, tmp_path: Path) -> Walk:
    """The commands in every state of one process; made once per interpreter."""
    if not python.has_debug_info:
        pytest.skip(f"{python.label} has no debug information")
    if python.label not in _WALKS:
        _WALKS[python.label] = make_walk(python, tmp_path)
    return _WALKS[python.label]


def make_walk(python: Interpreter, directory: Path) -> Walk:
    truth = directory / "truth.json"
    core = directory / "core"
    commands = [
        "handle SIGUSR1 nopass",
        *at("static:status", "pyfin status"),
        *at("static:gc", "pyfin gc"),
        *at("-", "tbreak main", "run"),
        *all_at("before"),
        *at("-", "continue"),
        *all_at("running"),
        *at("types", "pyfin gc --types 1"),
        *at("notypes", "pyfin gc --types 0"),
        *at("alltypes", "pyfin gc --all"),
        *at("-", "pyfin start"),
        *all_at("start", ["status"]),
        *at("start:gc", "pyfin gc --all"),
        *at("-", "pyfin until module-teardown"),
        *all_at("teardown"),
        *at("-", "pyfin until _PyGC_Fini"),
        *all_at("gcfini"),
        *at("-", f"generate-core-file {core}"),
        *at("-", "pyfin until after-finalize"),
        *all_at("finalized"),
        *at("-", "continue"),
        *at("exited:status", "pyfin status"),
        *at("exited:threads", "pyfin threads"),
    ]
    result = run_gdb(python.path, [truth], commands, script=PROGRAM, timeout=120)
    assert "Traceback" not in result.output
    assert "Python Exception" not in result.output
    assert "fingdb failed" not in result.output
    assert truth.exists(), result.output
    said = split(result.stdout)
    assert "exited:threads" in said, result.output
    walk = Walk(said, result.stderr.splitlines(), json.loads(truth.read_text()), core)
    add_core(python, walk)
    return walk


def add_core(python: Interpreter, walk: Walk) -> None:
    """Ask the same of the core that was taken at ``_PyGC_Fini``."""
    commands = [f"core-file {walk.core}", *all_at("core"), "pyfin touches"]
    result = run_gdb(python.path, [], commands, timeout=60)
    assert "Python Exception" not in result.output
    # Not that finalization has not begun, nor that nothing was touched.
    assert result.stderr.rstrip().endswith('in a core nothing is touched any more: "pyfin diagnose" says what happened')
    walk.said.update(split(result.stdout))
    walk.core.unlink()


def first_line(text: str) -> str:
    return text.split("\n", 1)[0]


@pytest.mark.spread
def test_status_in_every_state(walk: Walk) -> None:
    titles = {
        "static": "not running",
        "before": "before initialization",
        "running": "running",
        "start": "finalizing · thread-shutdown",
        "teardown": "finalizing · module-teardown",
        "finalized": "finalized",
        "exited": "exited",
    }
    assert {name: first_line(walk.said[f"{name}:status"]) for name in titles} == titles
    assert walk.said["gcfini:status"].startswith("finalizing · ")
    for name in (*titles, "gcfini", "core"):
        lines = walk.said[f"{name}:status"].split("\n")
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80


def test_status_names_the_step(walk: Walk) -> None:
    status = walk.json("gcfini:status:json")
    assert status["step"] == "_PyGC_Fini"
    assert 0 < status["steps_done"] <= status["steps_total"]
    assert re.search(r"^ step +\d+ of \d+  _PyGC_Fini in ", walk.said["gcfini:status"], re.M)
    states = [entry["state"] for entry in status["phases"]]
    assert states == sorted(states, key=["done", "running", "pending"].index)
    assert states.count("running") == 1
    assert walk.json("start:status:json")["step"] in ("Py_FinalizeEx", "_Py_Finalize")


def test_status_tells_the_runtime(python: Interpreter, walk: Walk) -> None:
    for moment in ("before", "running", "teardown", "gcfini", "finalized", "core"):
        status = walk.json(f"{moment}:status:json")
        assert status["python"]["version"] == python.version_text
        assert status["python"]["debug_build"] == python.debug
        assert status["runtime"]["initialized"] == (moment == "running")
        assert len(status["interpreters"]) == (0 if moment in ("before", "finalized") else 1)
    assert walk.json("running:status:json")["phase"] == "running"
    assert walk.json("teardown:status:json")["phase"] == "module-teardown"
    assert walk.json("finalized:status:json")["phase"] == "after-finalize"


def test_no_interpreter_is_a_plain_sentence(walk: Walk) -> None:
    for moment in ("before", "finalized"):
        for name in ("interpreters", "gc", "modules"):
            assert walk.said[f"{moment}:{name}"] == "no interpreter is alive"
            nobody = {"interpreters": [], "problems": [], "source": "", "missing": []}
            assert walk.json(f"{moment}:{name}:json") == nobody
        assert first_line(walk.said[f"{moment}:threads"]) == "no interpreter is alive"
        # The native threads are there all the same.
        assert walk.json(f"{moment}:threads:json")["native_threads"]
    assert 'the program does not run; "pyfin start" or "run" starts it' in walk.errors


def test_interpreters(walk: Walk) -> None:
    header, row = walk.said["running:interpreters"].split("\n")
    assert header.split() == ["ID", "STATE", "THREADS", "MODULES", "OBJECTS", "GC", "ADDRESS"]
    (interpreter,) = walk.json("running:interpreters:json")["interpreters"]
    objects = sum(g["objects"] for g in interpreter["gc"]["generations"])
    assert row.split() == [
        "0", "main", "3", str(len(walk.truth["modules"])), str(objects), "disabled", interpreter["address"],
    ]  # fmt: skip


def test_threads(python: Interpreter, walk: Walk) -> None:
    (interpreter,) = walk.json("running:threads:json")["interpreters"]
    threads = interpreter["threads"]
    assert [thread["name"] for thread in threads] == walk.truth["threads"]
    assert [thread["daemon"] for thread in threads] == [False, True, True]
    assert [thread["holds_gil"] for thread in threads] == [not python.free_threaded, False, False]
    main = threads[0]
    assert main["current"]
    lines = walk.truth["lines"]
    stack = [(frame["function"], frame["line"]) for frame in main["python_stack"]]
    assert stack[:2] == [("innermost", lines["innermost"]), ("outer", lines["outer"])]
    assert stack[-1][0] == "<module>"
    assert main["python_stack"][0]["file"] == str(PROGRAM)
    text = walk.said["running:threads"]
    gil = "" if python.free_threaded else " +holds"
    assert re.search(rf"^\*  +1  +{main['native_id']}  MainThread +no{gil} ", text, re.M)
    assert f"  #0  innermost  {PROGRAM}:{lines['innermost']}"[-30:] in text
    for thread in threads[1:]:
        assert thread["innermost"]["function"]
        assert "hold" in [frame["function"] for frame in thread["python_stack"]]
        assert re.search(rf"^ +{thread['debugger_id']}  +{thread['native_id']}  ", text, re.M)


def test_what_the_program_calls_its_threads_cannot_speak_to_the_terminal(walk: Walk) -> None:
    assert "esc\\x1b[31m\\u202e" in walk.said["running:threads"]
    for name, text in walk.said.items():
        assert all(line.isprintable() for line in text.replace("\t", " ").split("\n")), name


def test_threads_whose_state_is_deleted_are_listed_apart(walk: Walk) -> None:
    document = walk.json("gcfini:threads:json")
    states = document["interpreters"][0]["threads"]
    assert sum(thread["finalizing"] for thread in states) == 1
    known = {thread["native_id"] for thread in states if thread["native_id"]}
    natives = {thread["native_id"] for thread in document["native_threads"]}
    assert not known & natives
    if len(states) == 1:
        assert "threads without a thread state" in walk.said["gcfini:threads"]


def test_gc(walk: Walk) -> None:
    gc = walk.json("running:gc:json")["interpreters"][0]["gc"]
    assert gc["enabled"] is False
    assert gc["collecting"] is False
    assert [g["threshold"] for g in gc["generations"]] == walk.truth["threshold"]
    counts = {entry["type"]: entry["count"] for entry in gc["types"]}
    assert counts["Thing"] == 1234
    assert [e["count"] for e in gc["types"]] == sorted((e["count"] for e in gc["types"]), reverse=True)
    text = walk.said["running:gc"]
    frozen = walk.truth["frozen"]
    title = f"garbage collector of interpreter 0  disabled · not collecting · {frozen} frozen"
    assert first_line(text) == title
    for g in gc["generations"]:
        row = f"^ +{g['index']} +{g['count']} +{g['threshold']} +{g['objects']}$"
        assert re.search(row, text, re.M), text
    assert re.search(r"^Thing +1234$", text, re.M)
    total = sum(g["objects"] for g in gc["generations"])
    assert sum(counts.values()) == total
    assert re.search(rf"^ +all +{total}$", text, re.M)


def test_gc_shows_as_many_types_as_asked(walk: Walk) -> None:
    types = walk.json("running:gc:json")["interpreters"][0]["gc"]["types"]
    assert f"… {len(types) - 10} more types with" in walk.said["running:gc"]
    assert f"… {len(types) - 1} more types with" in walk.said["types"]
    assert f"… {len(types)} more types with" in walk.said["notypes"]
    assert "more type" not in walk.said["alltypes"]
    for entry in types:
        assert re.search(rf"^{re.escape(entry['type'])} +{entry['count']}$", walk.said["alltypes"], re.M)


def test_gc_tells_the_difference_to_the_last_stop(walk: Walk) -> None:
    assert "CHANGE" not in walk.said["running:gc"]
    # Asked again at the same stop there is still nothing to compare with.
    assert "CHANGE" not in walk.said["alltypes"]
    text = walk.said["start:gc"]
    assert re.search(r"^gone: .*\bThing -1234\b", text, re.M)
    document = walk.json("teardown:gc:json")["interpreters"][0]
    before = {e["type"]: e["count"] for e in document["previous"]["gc"]["types"]}
    now = {e["type"]: e["count"] for e in document["gc"]["types"]}
    assert document["previous"]["at"] in ("Py_FinalizeEx", "_Py_Finalize")
    rows = re.findall(r"^(\S+) +(\d+)(?: +([+-]\d+))?$", walk.said["teardown:gc"], re.M)
    assert len(rows) == 10
    for name, count, change in rows:
        assert now[name] == int(count)
        assert int(change or 0) == now[name] - before.get(name, 0)


def test_modules(walk: Walk) -> None:
    (interpreter,) = walk.json("running:modules:json")["interpreters"]
    modules = {module["name"]: module for module in interpreter["sys_modules"]}
    assert list(modules) == walk.truth["modules"]
    assert interpreter["modules"] == len(modules)
    assert modules["set-to-none"]["state"] == "none"
    assert modules["a-module-of-ours"]["state"] == "live"
    assert modules["threading"]["file"].endswith("/threading.py")
    text = walk.said["running:modules"]
    assert first_line(text).split() == ["NAME", "STATE", "REFS", "TYPE", "FILE"]
    assert re.search(rf"^{len(modules)} modules in interpreter 0: ", text, re.M)
    assert re.search(r"^set-to-none +none$", text, re.M)
    assert re.search(r"^threading +live +\d+ +module +\S+/threading\.py$", text, re.M)
    names = [line.split()[0] for line in text.split("\n")[1:-1]]
    assert len(names) == len(modules)


def test_a_core_tells_the_same_as_the_process(walk: Walk) -> None:
    for name in ("interpreters", "modules"):
        assert walk.said[f"core:{name}"] == walk.said[f"gcfini:{name}"]
    ours, live = walk.json("core:gc:json"), walk.json("gcfini:gc:json")
    assert ours["interpreters"][0]["gc"] == live["interpreters"][0]["gc"]
    status = walk.json("core:status:json")
    assert status["target"]["kind"] == "core"
    assert status["state"] == "finalizing"
    # Where the caller jumps to the step (a tail call), the stack of a core may name the caller's step.
    live_status = walk.json("gcfini:status:json")
    assert status["step"] in (live_status["step"], live_status["parent"])


def test_help_and_mistakes_are_plain_sentences(any_python: Interpreter) -> None:
    commands = []
    for name in SUMMARIES:
        commands += [*at(f"{name}:-h", f"pyfin {name} -h"), *at(f"{name}:--help", f"pyfin {name} --help")]
        commands += [f"pyfin {name} --nonsense", f"pyfin {name} word", f'pyfin {name} "open']
    commands += ["pyfin gc --types", "pyfin gc --types many", "pyfin gc --types -1"]
    result = run_gdb(any_python.path, [], commands)
    said = split(result.stdout)
    for name in SUMMARIES:
        assert f"Usage: pyfin {name}" in said[f"{name}:-h"]
        assert said[f"{name}:-h"] == said[f"{name}:--help"]
    errors = [line for line in result.stderr.splitlines() if not line.startswith("warning")]
    assert len(errors) == 3 * len(SUMMARIES) + 3
    assert all(re.match(r"pyfin \w+: |cannot read the arguments: ", line) for line in errors)
    assert "SystemExit" not in result.output


def test_sourcing_changes_no_setting_and_may_be_repeated(any_python: Interpreter) -> None:
    """The commands are there again, the walk goes on where it was, and settings are the user's."""
    commands = [
        *at("before", "info set"), f"source {INIT}", *at("after", "info set"),
        *at("walk", "set pyfin context 1", "pyfin start", f"source {INIT}"), *at("next", "pyfin next"),
        *at("context", "show pyfin context"), *at("end", "kill"),
    ]  # fmt: skip
    result = run_gdb(any_python.path, ["-c", "pass"], commands, init=False)
    said = split(result.stdout)
    own = [line for line in said["after"].splitlines() if line not in said["before"].splitlines()]
    assert len(own) == 3 and all(line.startswith("pyfin ") for line in own), own
    assert set(said["before"].splitlines()) <= set(said["after"].splitlines())
    assert first_line(said["next"]).startswith("step 1 of "), result.output
    assert said["context"].endswith(": 1.")


def test_without_a_program_and_without_a_python() -> None:
    commands = [f"pyfin {name}" for name in SUMMARIES]
    result = run_gdb(None, [], commands)
    assert result.stdout.startswith("no program\n")
    assert result.stderr.splitlines() == [
        'there is no program; start gdb with --args python3 PROGRAM, or use "file" (gdb takes no script, such as the '
        'python3 of pyenv: "fingdb gdb -- python3 PROGRAM" finds what that starts)'
    ] * (len(SUMMARIES) - 1)
    result = run_gdb("/bin/sleep", ["100"], ["starti", *at("status", "pyfin status"), *commands[1:], "kill"])
    assert first_line(split(result.stdout)["status"]) == "not a Python process"
    assert result.stderr.count("no file in the process defines _PyRuntime") == len(SUMMARIES) - 1


def test_control_c_stops_a_long_command_and_the_session_goes_on(
    any_python: Interpreter, tmp_path: Path
) -> None:
    program = tmp_path / "many.py"
    program.write_text(
        "import os, signal\n"
        "keep = [[i] for i in range(3000000)]\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    gdb = os.environ.get("FINGDB_TEST_GDB", "gdb")
    process = subprocess.Popen(
        [gdb, "-nx", "-q", "-iex", "set debuginfod enabled off", "-iex", "set auto-load python-scripts off",
         "-iex", "set confirm off", "-x", str(INIT), "--args", any_python.path, str(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=gdb_environment(),
    )  # fmt: skip
    try:
        talk = Conversation(process)
        talk.say("run")
        talk.wait_for(r"signal SIGUSR1")
        talk.say("pyfin status", "echo @@ready\\n")
        talk.wait_for(r"@@ready")
        talk.say("pyfin gc")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        said = talk.wait_for(r"Quit|interrupted|garbage collector")
        assert "garbage collector" not in said
        talk.say("pyfin status", "echo @@still\\n")
        said = talk.wait_for(r"@@still")
        assert re.search(r"^(\(gdb\) )*running$", said, re.M)
        assert "Traceback" not in said
    finally:
        process.kill()
        process.wait()


class Conversation:
    """gdb with commands on its standard input and patience for its answers."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._heard = b""

    def say(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(line + "\n" for line in lines).encode())
        self._process.stdin.flush()

    def wait_for(self, pattern: str, seconds: float = 60) -> str:
        """Return what was heard up to and with the pattern; it is not heard again."""
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        while not re.search(pattern.encode(), self._heard):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert data, f"gdb did not say {pattern!r} but: {self._heard.decode('utf-8', 'replace')}"
            self._heard += data
        heard, self._heard = self._heard, b""
        return heard.decode("utf-8", "replace")
