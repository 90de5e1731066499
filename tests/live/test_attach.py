"""`fingdb attach`: what it says of a process, what it refuses, and that the process does not notice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from fingdb.cli.command_attach import _leave_as_found
from fingdb.cli.process import process as look_up
from tests.core.scenarios import SCENARIOS
from tests.support.cores import program_environment, running
from tests.support.fingdb_cli import fingdb_command, run_fingdb
from tests.support.gdbrun import ROOT, gdb_environment
from tests.support.interpreters import Interpreter
from tests.support.shared import shared_directory
from tests.support.stripped import stripped

pytestmark = pytest.mark.live

LIMIT = 90

#: Counts as fast as it can, in two threads, while its end waits for one of them; tells what signals it saw.
_BUSY = """
import os, signal, sys, threading, time
seen = []
for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: seen.append(number))
stop = threading.Event()
counts = [0, 0]

def count(index):
    while not stop.is_set():
        counts[index] += 1

def wait_for_the_end():
    sys.stdin.readline()
    stop.set()

for index in range(2):
    threading.Thread(target=count, args=(index,), name="counter").start()
print("ready", flush=True)
wait_for_the_end()
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print("counted", min(counts) > 0, "signals", seen, flush=True)
"""


@contextmanager
def hanging(python: Interpreter, name: str, directory: Path) -> "Iterator[subprocess.Popen[bytes]]":
    words, more = SCENARIOS[name].command(python)
    with running(words, program_environment(more), directory, SCENARIOS[name].settle) as process:
        yield process


@contextmanager
def busy(python: Interpreter) -> "Iterator[subprocess.Popen[bytes]]":
    """Yield a program that counts until it gets a line on its standard input."""
    process = subprocess.Popen(
        [python.path, "-u", "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=program_environment()
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def tasks(pid: int) -> Dict[int, Dict[str, str]]:
    """Return the status of each thread of a process, as the kernel tells it."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        rows = [line.split(":\t", 1) for line in (task / "status").read_text().splitlines()]
        found[int(task.name)] = {row[0]: row[1] for row in rows if len(row) == 2}
    return found


def assert_let_go(pid: int, states: str) -> None:
    """No tracer, no signal left behind, and every thread in one of ``states``."""
    deadline = time.monotonic() + 5
    while True:
        now = list(tasks(pid).values())
        # What gdb leaves pending for a stopped process is one more SIGSTOP, which SIGCONT takes away.
        pending = {task[name].strip("0") for task in now for name in ("SigPnd", "ShdPnd") if "T" not in states}
        fine = all(task["TracerPid"] == "0" and task["State"][0] in states for task in now) and pending <= {""}
        if fine or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    assert fine, [(task["State"], task["TracerPid"], task["SigPnd"], task["ShdPnd"]) for task in now]


def report(pid: int, *words: str) -> Dict[str, Any]:
    done = run_fingdb("attach", "--json", *words, str(pid), timeout=LIMIT)
    assert done.returncode in (0, 1), done.stderr.decode()
    assert done.stderr == b""
    document: Dict[str, Any] = json.loads(done.stdout)
    return document


def refusal(*words: str, status: int = 2, command: "List[str] | None" = None) -> str:
    if command is None:
        done = run_fingdb("attach", *words, timeout=LIMIT)
    else:
        done = subprocess.run([*command, "attach", *words], capture_output=True, timeout=LIMIT, env=gdb_environment())
    said = done.stderr.decode()
    assert done.returncode == status, said
    assert done.stdout == b""
    assert said.startswith("fingdb: ") and said.count("\n") == 1 and "failed:" not in said, said
    return said[len("fingdb: ") : -1]


# -- what it says ---------------------------------------------------------------------------------
@pytest.mark.spread
def test_a_process_that_does_not_end(python: Interpreter, tmp_path: Path) -> None:
    with hanging(python, "join-event", tmp_path) as process:
        before = tasks(process.pid)
        document = report(process.pid)
        assert_let_go(process.pid, "S")
        assert set(tasks(process.pid)) == set(before)
        assert process.poll() is None
    assert document["schema"] == "fingdb-report/1"
    assert document["target"] == {
        "kind": "attach",
        "executable": os.path.realpath(python.path),
        "pid": process.pid,
        "core": None,
        "signal": None,
        "exit_code": None,
    }
    assert document["phase"] == "thread-shutdown"
    assert document["python"]["version"] == python.version_text
    names = [thread["name"] for thread in document["interpreters"][0]["threads"]]
    assert names == ["MainThread", "server"]


@pytest.mark.parametrize("bare", [False, True], ids=["whole", "stripped"])
@pytest.mark.parametrize(
    "name, kind, function",
    [("late-libc-atexit", "late-exit-handler", "flush_records"), ("late-native-thread", "late-thread", "deliver")],
)
def test_who_asks_too_late_is_put_to_sleep(
    python: Interpreter, tmp_path: Path, name: str, kind: str, function: str, bare: bool
) -> None:
    """From 3.15 on what crashed before hangs in PyGILState_Ensure, and the process with it.

    In a stripped build no function tells that, but the code it sleeps in: a call of pause(), and a jump back to it.
    """
    if python.version < (3, 15) or not python.has_debug_info:
        pytest.skip(f"PyGILState_Ensure does not put threads to sleep on {python.label}")
    (path, program), more = SCENARIOS[name].command(python)
    if bare:
        path = stripped(python).path
    start = f"import runpy; print('ready', flush=True); runpy.run_path({program!r}, run_name='__main__')"
    with running([path, "-c", start], program_environment(more), tmp_path, 3.0) as process:
        cache = shared_directory() / "cold-cache" if bare else None
        done = run_fingdb("attach", "--json", str(process.pid), timeout=LIMIT, cache=cache)
    report = json.loads(done.stdout)
    verdict = report["verdict"]
    assert (report["phase"], verdict["kind"], verdict["confidence"]) == ("after-finalize", kind, "certain"), verdict
    assert verdict["culprit"]["function"] == function and "PyThread_hang_thread" in verdict["summary"]


def test_text_and_exit_status(any_python: Interpreter, tmp_path: Path) -> None:
    with hanging(any_python, "join-event", tmp_path) as process:
        text = run_fingdb("attach", str(process.pid), timeout=LIMIT)
        target = tmp_path / "report"
        again = run_fingdb("attach", "--output", target, str(process.pid), timeout=LIMIT)
        verdict = report(process.pid)["verdict"]
    assert text.stderr == again.stderr == again.stdout == b""
    assert text.returncode == again.returncode == int(verdict["kind"] != "unknown")
    assert b"thread-shutdown" in text.stdout and target.read_bytes() == text.stdout


def test_a_thread_stands_for_its_process(any_python: Interpreter, tmp_path: Path) -> None:
    with hanging(any_python, "join-event", tmp_path) as process:
        other = max(tasks(process.pid))
        assert other != process.pid
        assert report(other)["target"]["pid"] == process.pid


# -- it does not notice ---------------------------------------------------------------------------
@pytest.mark.spread
def test_a_busy_process_goes_on(python: Interpreter) -> None:
    with busy(python) as process:
        for _round in range(2):
            report(process.pid)
        assert_let_go(process.pid, "RS")
        before = cpu_time(process.pid)
        time.sleep(0.3)
        assert cpu_time(process.pid) > before
        stdout, _ = process.communicate(b"\n", timeout=30)
        assert stdout == b"counted True signals []\n"
        assert process.returncode == 0


def cpu_time(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_stopped_process_stays_stopped(any_python: Interpreter) -> None:
    with busy(any_python) as process:
        process.send_signal(signal.SIGSTOP)
        assert_let_go(process.pid, "T")
        used = cpu_time(process.pid)
        document = report(process.pid)
        assert document["target"]["pid"] == process.pid and document["target"]["signal"] is None
        assert_let_go(process.pid, "T")
        time.sleep(0.3)
        assert cpu_time(process.pid) <= used + 2  # gdb lets it run for no more than its own stop
        process.send_signal(signal.SIGCONT)
        assert_let_go(process.pid, "RS")
        stdout, _ = process.communicate(b"\n", timeout=30)
        # The one SIGCONT that we sent (and the signal module may count it once or not, as always).
        assert stdout.startswith(b"counted True signals [") and process.returncode == 0


def interrupted(
    pid: int, number: int, wrapper: Path, tmp_path: Path, after: "float | None" = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run `fingdb attach` and send it a signal: once the slow gdb waits, or ``after`` seconds."""
    place = tmp_path / "tmp"
    place.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*fingdb_command(), "attach", "--gdb", str(wrapper), str(pid)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=gdb_environment({"TMPDIR": str(place)}),
    )
    if after is None:
        deadline = time.monotonic() + 60
        while not (tmp_path / "waits").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert tasks(pid)[pid]["TracerPid"] != "0"
    else:
        time.sleep(after)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert list(place.iterdir()) == []
    return subprocess.CompletedProcess([], process.returncode, stdout, stderr)


def slow_gdb(tmp_path: Path, statement: str = "import time; time.sleep(100)") -> Path:
    """Return a gdb that takes its time once it has the process (and makes the file `waits`)."""
    statement = f"open({str(tmp_path / 'waits')!r}, 'w'); {statement}"
    wrapper = tmp_path / "slow-gdb"
    # The words before `pyfin batch` are what fingdb says; ours come first among the commands.
    wrapper.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "words = sys.argv[1:]\n"
        "at = next((i for i, word in enumerate(words) if word.startswith('pyfin batch')), None)\n"
        f"if at is not None: words[at - 1:at - 1] = ['-ex', {('python ' + statement)!r}]\n"
        f"os.execv({(shutil.which('gdb') or '')!r}, ['gdb', *words])\n"
    )
    wrapper.chmod(0o755)
    return wrapper


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_control_c_lets_go(any_python: Interpreter, tmp_path: Path, number: int) -> None:
    with busy(any_python) as process:
        done = interrupted(process.pid, number, slow_gdb(tmp_path), tmp_path)
        assert done.returncode == 128 + number
        assert done.stdout == b"" and b"Traceback" not in done.stderr
        assert_let_go(process.pid, "RS")
        stdout, _ = process.communicate(b"\n", timeout=30)
        assert stdout == b"counted True signals []\n" and process.returncode == 0


def test_control_c_at_any_moment(any_python: Interpreter, tmp_path: Path) -> None:
    """Also in the middle of attaching. (What gdb had stopped by then is continued, which a program may notice.)"""
    for step in range(8):
        with busy(any_python) as process:
            done = interrupted(process.pid, signal.SIGINT, slow_gdb(tmp_path), tmp_path, after=0.3 + 0.08 * step)
            # -2: on a busy machine, before Python was there to catch it.
            assert done.returncode in (130, -signal.SIGINT) and done.stdout == b"", done.stderr
            assert_let_go(process.pid, "RS")
            stdout, _ = process.communicate(b"\n", timeout=30)
            assert stdout in (b"counted True signals []\n", b"counted True signals [18]\n")


@pytest.mark.parametrize("after", [0.0, 0.05])
def test_a_stop_that_comes_late_is_taken_back(any_python: Interpreter, after: float) -> None:
    """A gdb that was killed while it attached leaves a SIGSTOP behind, which a thread takes when it runs again."""
    with busy(any_python) as process:
        found = look_up(process.pid)
        late = threading.Timer(after, os.kill, (process.pid, signal.SIGSTOP))
        late.start()
        if not after:
            late.join()
        _leave_as_found(found)
        late.join()
        assert_let_go(process.pid, "RS")
        stdout, _ = process.communicate(b"\n", timeout=30)
        assert stdout.startswith(b"counted True signals [")


def test_a_process_that_was_let_go_gets_no_signal(any_python: Interpreter) -> None:
    with busy(any_python) as process:
        _leave_as_found(look_up(process.pid))
        stdout, _ = process.communicate(b"\n", timeout=30)
        assert stdout == b"counted True signals []\n"


def test_the_end_of_fingdb_lets_go(any_python: Interpreter, tmp_path: Path) -> None:
    with busy(any_python) as process:
        interrupted(process.pid, signal.SIGKILL, slow_gdb(tmp_path), tmp_path)
        deadline = time.monotonic() + 30
        while tasks(process.pid)[process.pid]["TracerPid"] != "0" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert_let_go(process.pid, "RS")
        stdout, _ = process.communicate(b"\n", timeout=30)
        assert stdout == b"counted True signals []\n" and process.returncode == 0


@pytest.mark.parametrize("stopped", [False, True])
def test_time_limit(any_python: Interpreter, tmp_path: Path, stopped: bool) -> None:
    with busy(any_python) as process:
        if stopped:
            process.send_signal(signal.SIGSTOP)
        said = refusal("--timeout", "3", "--gdb", str(slow_gdb(tmp_path)), str(process.pid))
        assert "not done within 3 seconds" in said
        assert_let_go(process.pid, "T" if stopped else "RS")
        process.send_signal(signal.SIGCONT)
        stdout, _ = process.communicate(b"\n", timeout=30)
        assert stdout.startswith(b"counted True") and process.returncode == 0


def test_a_gdb_that_is_killed(any_python: Interpreter, tmp_path: Path) -> None:
    for stopped in (False, True):
        with busy(any_python) as process:
            if stopped:
                process.send_signal(signal.SIGSTOP)
            gdb = slow_gdb(tmp_path, "import os; os.kill(os.getpid(), 9)")
            said = refusal("--gdb", str(gdb), str(process.pid))
            assert str(process.pid) in said
            assert_let_go(process.pid, "T" if stopped else "RS")


# -- what it refuses ------------------------------------------------------------------------------
def test_refusals(any_python: Interpreter) -> None:
    assert "not a process id" in refusal("abc")
    assert "not a process id" in refusal("0")
    assert "not a process id" in refusal("99999999999")
    assert "not a process id" in refusal("١٢")
    assert "PID" in refusal()
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert refusal(str(ended.pid)) == f"there is no process {ended.pid}"

    with subprocess.Popen(["sleep", "100"]) as sleeper:
        said = refusal(str(sleeper.pid))
        assert f"process {sleeper.pid} (sleep) is not Python" in said
        assert_let_go(sleeper.pid, "S")
        sleeper.kill()


def test_a_zombie(any_python: Interpreter) -> None:
    child = subprocess.Popen(["true"])
    deadline = time.monotonic() + 10
    while tasks(child.pid)[child.pid]["State"][0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "has ended already" in refusal(str(child.pid))
    child.wait()


def test_a_process_that_is_traced_already(any_python: Interpreter, tmp_path: Path) -> None:
    with busy(any_python) as process:
        words = ["gdb", "-nx", "-q", "-batch", "-readnever", "-p", str(process.pid), "-ex", "shell sleep 100"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
            deadline = time.monotonic() + 60
            while tasks(process.pid)[process.pid]["TracerPid"] == "0" and time.monotonic() < deadline:
                time.sleep(0.02)
            said = refusal(str(process.pid))
            assert f"is traced already, by process {other.pid} (gdb)" in said
            assert tasks(process.pid)[process.pid]["TracerPid"] == str(other.pid)
            other.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_of_somebody_else(any_python: Interpreter, tmp_path: Path) -> None:
    as_nobody = (
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        f"sys.path.insert(0, {str(ROOT)!r}); from fingdb.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    with busy(any_python) as process:
        # Imported first: nobody may not be able to read the checkout.
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {_PRELOAD}; {as_nobody}"]
        said = refusal(str(process.pid), command=command)
        assert f"does not let fingdb trace process {process.pid}, which belongs to another user" in said
        assert_let_go(process.pid, "RS")


_PRELOAD = "import fingdb.cli.command_attach, fingdb.cli.dispatch, fingdb.cli.gdb_program"


def test_a_process_that_forbids_it(any_python: Interpreter, tmp_path: Path) -> None:
    """A gdb that may not attach: one sentence, whatever the reason."""
    gdb = tmp_path / "gdb"
    gdb.write_text(
        "#!/bin/sh\necho 'warning: process 1 is a zombie'\necho 'ptrace: Operation not permitted.' >&2\nexit 1\n"
    )
    gdb.chmod(0o755)
    with busy(any_python) as process:
        said = refusal("--gdb", str(gdb), str(process.pid))
        assert "does not let fingdb trace" in said


def test_a_process_that_ends_meanwhile(any_python: Interpreter, tmp_path: Path) -> None:
    with busy(any_python) as process:
        gdb = slow_gdb(tmp_path, f"import os; os.kill({process.pid}, 9); gdb.execute('continue')")
        said = refusal("--gdb", str(gdb), str(process.pid))
        assert "ended while fingdb looked at it" in said


def test_a_replaced_executable_is_read_all_the_same(any_python: Interpreter, tmp_path: Path) -> None:
    copy = tmp_path / "python-copy"
    shutil.copy(os.path.realpath(any_python.path), copy)
    ask = [any_python.path, "-I", "-c", "import sys; print(sys.base_prefix, sys.base_exec_prefix, sep=':')"]
    home = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    words = [str(copy), SCENARIOS["join-event"].command(any_python)[0][1]]
    with running(words, program_environment({"PYTHONHOME": home}), tmp_path) as process:
        copy.unlink()
        document = report(process.pid)
        assert document["phase"] == "thread-shutdown"
        assert document["interpreters"][0]["threads"]
