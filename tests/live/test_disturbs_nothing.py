"""A program under `fingdb run` cannot tell: the same run without fingdb is the measure of everything."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import pytest

from tests.support.fingdb_cli import fingdb_command
from tests.support.gdbrun import ROOT, gdb_environment
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live

OBSERVE = ROOT / "tests" / "support" / "observe.py"
TIMEOUT = 120

Words = Sequence["str | bytes | Path"]


def under_fingdb(program: Words, report: Path) -> List["str | bytes | Path"]:
    """Return the command that runs a program under fingdb with its report in a file."""
    return [*fingdb_command(), "run", "--output", report, "--", *program]


def run_both(
    program: Words, tmp_path: Path, input: bytes = b"", env: Optional[Dict[bytes, bytes]] = None, **options: object
) -> Tuple["subprocess.CompletedProcess[bytes]", "subprocess.CompletedProcess[bytes]"]:
    """Run a program bare and under fingdb and return both ends."""
    environment = environment_of(env)
    options.setdefault("cwd", tmp_path)  # where a core file may fall
    common = {"input": input, "capture_output": True, "timeout": TIMEOUT, "env": environment, **options}
    bare = subprocess.run(list(program), **common)  # type: ignore[call-overload]
    ours = subprocess.run(under_fingdb(program, tmp_path / "report"), **common)  # type: ignore[call-overload]
    return bare, ours


def environment_of(env: Optional[Dict[bytes, bytes]]) -> Dict[bytes, bytes]:
    return {**{os.fsencode(k): os.fsencode(v) for k, v in gdb_environment().items()}, **(env or {})}


def assert_same(bare: "subprocess.CompletedProcess[bytes]", ours: "subprocess.CompletedProcess[bytes]") -> None:
    # Addresses differ from run to run: fingdb leaves the kernel's randomization on.
    errors = [re.sub(rb"0x[0-9a-f]{6,}", b"0x", end.stderr) for end in (ours, bare)]
    assert (ours.stdout, errors[0], ours.returncode) == (bare.stdout, errors[1], bare.returncode)


STRANGE_ENVIRONMENT = {
    b"EMPTY": b"",
    b"NEWLINES": b"one\ntwo\n\n three\n",
    b"QUOTES": b"""it's "quoted" `x` $HOME \\ ! # & ;""",
    b"BYTES": bytes(range(1, 256)),
    b"BASH_FUNC_f%%": b"() {  echo hello\n}",
    b"name with spaces": b" v ",
    b"\xff\xfe": b"\xfd",
    b"LINES": b"77",
    b"LD_LIBRARY_PATH": b"/nowhere",
    b"PYTHONPATH": b"/nowhere/at/all",
    b"PYTHONHASHSEED": b"7",
    b"SHELL": b"/bin/false",
    b"GDBHISTFILE": b"x",
    b"FINGDB_SELF": b"not ours",
}

STRANGE_ARGUMENTS: Words = [
    "plain", "", "two words", "it's", '"', "new\nline", "\t", "$HOME", "`id`", "\\", "*", "--", "-x", "--json",
    b"\xff\xfe", "<x", ">y", "|", "&", ";", "!", "#", "~", "€",
]  # fmt: skip


def observe(program: Words, tmp_path: Path, **options: object) -> Tuple[List[str], List[str]]:
    """Return what the observing program sees, bare and under fingdb. ``@OUT@`` stands for its file."""
    seen = tmp_path / "seen"
    command = [str(seen) if word == "@OUT@" else word for word in program]
    lines = []
    for words in (command, under_fingdb(command, tmp_path / "report")):
        options.setdefault("env", environment_of(STRANGE_ENVIRONMENT))
        done = subprocess.run(words, capture_output=True, timeout=TIMEOUT, **options)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        lines.append(seen.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
        seen.unlink()
    return lines[0], lines[1]


@pytest.mark.spread
def test_surroundings(python: Interpreter, tmp_path: Path) -> None:
    """Environment, arguments, open files, signals, limits: all as without us."""
    reading, writing = os.pipe()
    with open(os.devnull, "rb") as extra:
        os.set_inheritable(writing, True)
        bare, ours = observe(
            [python.path, OBSERVE, "@OUT@", *STRANGE_ARGUMENTS],
            tmp_path,
            stdin=extra,
            pass_fds=(reading, writing, extra.fileno()),
            cwd=tmp_path,
            umask=0o027,
        )
    os.close(reading)
    os.close(writing)
    assert ours == bare


def test_signals_that_are_ignored_or_blocked_stay_so(any_python: Interpreter, tmp_path: Path) -> None:
    def prepare() -> None:
        for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGPIPE, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD])

    bare, ours = observe([any_python.path, OBSERVE, "@OUT@"], tmp_path, preexec_fn=prepare, restore_signals=False)
    assert ours == bare


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams_stay_closed(any_python: Interpreter, tmp_path: Path, closed: Tuple[int, ...]) -> None:
    seen = tmp_path / "seen"
    redirections = "".join(f" {number}>&-" for number in closed)
    found = []
    for words in ([any_python.path, str(OBSERVE), str(seen)],):
        for command in (words, [str(w) for w in under_fingdb(words, tmp_path / "report")]):
            script = 'exec "$@"' + redirections
            done = subprocess.run(
                ["/bin/sh", "-c", script, "sh", *command], env=gdb_environment(), timeout=TIMEOUT,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert done.returncode == 0
            found.append([line for line in seen.read_text().splitlines() if not line.startswith("cmdline")])
    bare, ours = found
    assert ours == bare


def test_a_file_that_others_opened_for_us_is_passed_on(any_python: Interpreter, tmp_path: Path) -> None:
    """`prog 7>file`: the descriptor works, and its file has what the program wrote."""
    code = "import os; os.write(7, b'through seven')"
    path = tmp_path / "seven"
    command = under_fingdb([any_python.path, "-c", code], tmp_path / "report")
    subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" 7>{path}', "sh", *command], env=gdb_environment(), check=True, timeout=TIMEOUT
    )
    assert path.read_bytes() == b"through seven"


@pytest.mark.spread
def test_streams_carry_any_bytes(python: Interpreter, tmp_path: Path) -> None:
    code = (
        "import sys; data = sys.stdin.buffer.read(); "
        "sys.stdout.buffer.write(data[::-1] * 8); sys.stderr.buffer.write(data); sys.stdout.buffer.flush(); "
        "sys.stdout.write('\\x1b[31m\\x00 control \\x07')"
    )
    data = bytes(range(256)) * 1000 + b"\xff\xfe not UTF-8 \n(gdb) quit\n"
    bare, ours = run_both([python.path, "-c", code], tmp_path, input=data)
    assert len(bare.stdout) > 2_000_000
    assert_same(bare, ours)


ENDS = {
    "zero": "pass",
    "three": "import sys; sys.exit(3)",
    "255": "import sys; sys.exit(-1)",
    "message": "import sys; sys.exit('words \u20ac')",
    "exception": "raise ValueError('x')",
    "os._exit": "import os; os._exit(7)",
    "_exit in atexit": "import atexit, os; atexit.register(os._exit, 9)",
    "exception in atexit": "import atexit; atexit.register(lambda: 1 / 0)",
    "segmentation fault": "import ctypes; ctypes.string_at(1)",
    "abort": "import os; os.abort()",
    "kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "terminate": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "interrupt": "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(9)",
    "real-time signal": "import os; os.kill(os.getpid(), 40)",
    "handled fault": (
        "import os, signal, sys; signal.signal(signal.SIGSEGV, lambda *a: print('handled'));"
        "os.kill(os.getpid(), signal.SIGSEGV); sys.exit(5)"
    ),
    "trap": "import os, signal; os.kill(os.getpid(), signal.SIGTRAP)",
    "handled trap": (
        "import os, signal, sys; signal.signal(signal.SIGTRAP, lambda *a: print('handled'));"
        "os.kill(os.getpid(), signal.SIGTRAP); sys.exit(5)"
    ),
    "int3": (
        "import ctypes, mmap; code = mmap.mmap(-1, 4096, prot=7); code.write(b'\\xcc\\xc3');"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()"
    ),
    "faulthandler": "import faulthandler, ctypes; faulthandler.enable(); print(1, flush=True); ctypes.string_at(0)",
    "crash in atexit": "import atexit, ctypes; atexit.register(ctypes.string_at, 1)",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_end_is_that_of_the_program(any_python: Interpreter, tmp_path: Path, end: str) -> None:
    bare, ours = run_both([any_python.path, "-c", ENDS[end]], tmp_path)
    assert_same(bare, ours)


@pytest.mark.parametrize("end", ["three", "exception", "segmentation fault", "_exit in atexit"])
def test_the_end_on_every_interpreter(python: Interpreter, tmp_path: Path, end: str) -> None:
    bare, ours = run_both([python.path, "-c", ENDS[end]], tmp_path)
    assert_same(bare, ours)


@pytest.mark.spread
def test_children_and_threads(python: Interpreter, tmp_path: Path) -> None:
    """What forks, spawns and starts threads prints the same, with the same statuses of its children."""
    code = (
        "import os, subprocess, sys, threading\n"
        "if not os.fork():\n    print('child', flush=True); sys.exit(4)\n"
        "print('status', os.wait()[1])\n"
        "print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv); sys.exit(6)', 'x']).returncode)\n"
        "threads = [threading.Thread(target=print, args=(n,)) for n in range(3)]\n"
        "[(t.start(), t.join()) for t in threads]\n"
        "print(subprocess.check_output(['sh', '-c', 'echo $LINES $COLUMNS; ps -o args= -p $$ >/dev/null; pwd']))\n"
    )
    bare, ours = run_both([python.path, "-u", "-c", code], tmp_path, cwd=tmp_path)
    assert b"status 1024" in bare.stdout
    assert_same(bare, ours)


# -- what can be run ------------------------------------------------------------------------------


def script_with(path: Path, first_line: str) -> Path:
    path.write_text(f"{first_line}\n{OBSERVE.read_text()}")
    path.chmod(0o755)
    return path


def name_on_path(python: Interpreter, tmp_path: Path) -> Words:
    return [os.path.basename(python.path)]


def relative_path(python: Interpreter, tmp_path: Path) -> Words:
    return [os.path.relpath(python.path, tmp_path)]


def symbolic_link(python: Interpreter, tmp_path: Path) -> Words:
    link = tmp_path / "other name"
    link.symlink_to(python.path)
    return [link]


KINDS: Dict[str, Callable[[Interpreter, Path], Words]] = {
    "name": name_on_path,
    "relative": relative_path,
    "link": symbolic_link,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_program_is_named_in_any_way(any_python: Interpreter, tmp_path: Path, kind: str) -> None:
    program = KINDS[kind](any_python, tmp_path)
    env = environment_of({b"PATH": os.fsencode(os.path.dirname(any_python.path)) + b":/usr/bin:/bin"})
    bare, ours = observe([*program, OBSERVE, "@OUT@", "x y"], tmp_path, cwd=tmp_path, env=env)
    assert ours == bare


@pytest.mark.parametrize(
    "line",
    [
        "#!{python}",
        "#! {python} -I",
        "#!/usr/bin/env python-of-the-test",
        "#!/usr/bin/env -S python-of-the-test -u -I",
        "#!/usr/bin/env -S X=1 python-of-the-test",
        "#!{wrapper}",
    ],
)
def test_scripts(any_python: Interpreter, tmp_path: Path, line: str) -> None:
    """A script's first line means what it means to the kernel and to env."""
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    (bin_directory / "python-of-the-test").symlink_to(any_python.path)
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f"#!{any_python.path}\nimport runpy, sys\nsys.argv.pop(0)\nrunpy.run_path(sys.argv[0], {{}}, '__main__')"
    )
    wrapper.chmod(0o755)
    script = script_with(tmp_path / "a script.py", line.format(python=any_python.path, wrapper=wrapper))
    env = environment_of({b"PATH": os.fsencode(bin_directory) + b":/usr/bin:/bin"})
    bare, ours = observe([script, "@OUT@", "x y"], tmp_path, env=env)
    assert ours == bare


def test_a_shell_script_that_starts_python_is_followed(any_python: Interpreter, tmp_path: Path) -> None:
    """As the shims of version managers do: a shell that ends by `exec python`."""
    shim = tmp_path / "python3"
    shim.write_text(f'#!/bin/bash\nset -e\nx=$(echo sub)\n[ "$x" = sub ]\nexec "{any_python.path}" "$@"\n')
    shim.chmod(0o755)
    env = environment_of({b"_": b"/somewhere"})
    bare, ours = observe([shim, OBSERVE, "@OUT@", "x y"], tmp_path, env=env)
    assert ours == bare


def test_the_shim_on_path_is_traced_to_its_end(any_python: Interpreter, tmp_path: Path) -> None:
    shim = tmp_path / "python3"
    shim.write_text(f'#!/bin/sh\nexec "{any_python.path}" "$@"\n')
    shim.chmod(0o755)
    report = tmp_path / "report"
    command = [*fingdb_command(), "run", "--json", "--output", report, "--", shim, "-c", "pass"]
    subprocess.run(command, check=True, timeout=TIMEOUT, env=gdb_environment())
    document = json.loads(report.read_text())
    assert document["phase"] == "after-finalize"
    assert len(document["steps"]) > 20


@pytest.mark.spread
def test_a_virtual_environment_stays_one(python: Interpreter, tmp_path: Path) -> None:
    subprocess.run([python.path, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=TIMEOUT)
    inside = tmp_path / "venv" / "bin" / "python"
    bare, ours = observe([inside, OBSERVE, "@OUT@"], tmp_path)
    assert ours == bare
    assert str(tmp_path / "venv") in next(line for line in ours if line.startswith("executable"))


def test_the_launching_script_changes_nothing_either(any_python: Interpreter, tmp_path: Path) -> None:
    """scripts/fingdb is a shell script, and a shell has ideas of its own about the environment."""
    env = {**STRANGE_ENVIRONMENT, b"_": os.fsencode(ROOT / "scripts" / "fingdb"), b"PWD": b"/wrong", b"OLDPWD": b"x"}
    seen, words = tmp_path / "seen", [any_python.path, str(OBSERVE), str(tmp_path / "seen")]
    started = [str(ROOT / "scripts" / "fingdb"), "run", "-o", str(tmp_path / "report"), "--", *words]
    found = []
    for command, underscore in ((words, os.fsencode(any_python.path)), (started, env[b"_"])):
        environment = environment_of({**env, b"_": underscore})
        subprocess.run(command, env=environment, check=True, timeout=TIMEOUT, capture_output=True, umask=0o077)
        found.append(seen.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
        seen.unlink()
    assert found[1] == found[0]
    assert not list(tmp_path.glob("fingdb-environ*"))


# -- signals from outside, and terminals ----------------------------------------------------------

WAITING = (
    "import signal, sys, time\n"
    "def handler(number, frame):\n    print('got', number, flush=True)\n    sys.exit(3)\n"
    "for s in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP): signal.signal(s, handler)\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT])
def test_signals_for_the_launcher_are_the_programs(
    any_python: Interpreter, tmp_path: Path, number: signal.Signals
) -> None:
    ends = []
    for command in (
        [any_python.path, "-c", WAITING],
        under_fingdb([any_python.path, "-c", WAITING], tmp_path / "report"),
    ):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=gdb_environment()
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.3)  # until it sleeps
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=TIMEOUT)
            ends.append((stdout, stderr, process.returncode))
    assert ends[1] == ends[0]
    assert "Py_FinalizeEx" in (tmp_path / "report").read_text() or "_Py_Finalize" in (tmp_path / "report").read_text()


def test_gdb_and_the_program_die_with_the_launcher(any_python: Interpreter, tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    command = under_fingdb([any_python.path, "-c", code], tmp_path / "report")
    own = gdb_environment({"TMPDIR": str(tmp_path)})  # who is killed leaves a directory
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=own) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


class Terminal:
    """A program on a terminal of its own, as the leader of its session."""

    def __init__(self, command: Words) -> None:
        self.pid, self.master = pty.fork()
        if not self.pid:
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                os.execvpe(os.fspath(command[0]), [os.fspath(w) for w in command], gdb_environment({"TERM": "xterm"}))
            finally:
                os._exit(126)
        self.seen = b""

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + TIMEOUT
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(1.0) or text in self.seen, self.seen

    def _read(self, timeout: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], timeout)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """Return the wait status."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self._read(1.0):
            pass
        os.close(self.master)
        _pid, status = os.waitpid(self.pid, 0)
        return status


ON_A_TERMINAL = (
    "import os, sys\n"
    "print([os.isatty(n) for n in (0, 1, 2)], os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n"
    "print('said', input('say: '), flush=True)\n"
    "try:\n    print('ready', flush=True); sys.stdin.read()\n"
    "except KeyboardInterrupt:\n    print('interrupted', flush=True); sys.exit(8)\n"
)


def test_on_a_terminal_control_c_reaches_the_program_alone(any_python: Interpreter, tmp_path: Path) -> None:
    seen = []
    words = [any_python.path, "-c", ON_A_TERMINAL]
    for command in (words, under_fingdb(words, tmp_path / "report")):
        terminal = Terminal(command)
        terminal.wait_for(b"say: ")
        terminal.type(b"hello\n")
        terminal.wait_for(b"ready")
        time.sleep(0.2)
        terminal.type(b"\x03")
        seen.append((os.waitstatus_to_exitcode(terminal.end()), terminal.seen))
    assert seen[1] == seen[0]
    assert seen[0][0] == 8
    assert "after-finalize" in (tmp_path / "report").read_text()


def test_when_the_terminal_is_gone(any_python: Interpreter, tmp_path: Path) -> None:
    """The kernel tells the leader of the session alone, which in a bare run is the program itself."""
    code = "import signal, sys, time\nsignal.signal(signal.SIGHUP, lambda *_: sys.exit(6))\n"
    code += "print('ready', flush=True)\ntime.sleep(99)"
    words = [any_python.path, "-c", code]
    for command in (words, under_fingdb(words, tmp_path / "report")):
        terminal = Terminal(command)
        terminal.wait_for(b"ready")
        os.close(terminal.master)
        deadline = time.monotonic() + TIMEOUT
        pid = status = 0
        while not pid and time.monotonic() < deadline:
            pid, status = os.waitpid(terminal.pid, os.WNOHANG)
            time.sleep(0.05)
        if not pid:
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)
        assert pid and os.waitstatus_to_exitcode(status) == 6
    assert "after-finalize" in (tmp_path / "report").read_text()


def test_on_a_terminal_control_z_stops_the_job_and_fg_goes_on(any_python: Interpreter, tmp_path: Path) -> None:
    """A shell with job control sees the job stop and go on, as it sees a bare program."""
    # Not "ready" and "finished": the shell's line editor shows the command itself.
    code = "import time; print('rea'+'dy', flush=True); time.sleep(1.5); print('fin'+'ished', flush=True)"
    words = [any_python.path, "-c", code]
    seen = []
    for command in (words, under_fingdb(words, tmp_path / "report")):
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"])
        terminal.wait_for(b"bash-")
        quoted = " ".join("'" + str(word).replace("'", "'\\''") + "'" for word in command)
        terminal.type(b"stty -echo; PS1='%% '\n")
        terminal.wait_for(b"%% ")
        terminal.type(quoted.encode() + b"\n")
        terminal.wait_for(b"ready")
        terminal.type(b"\x1a")
        terminal.wait_for(b"Stopped")
        terminal.type(b"sleep 2; echo waited\n")
        terminal.wait_for(b"waited\r\n")
        assert b"finished" not in terminal.seen
        terminal.type(b"fg >/dev/null; echo status $?\n")
        terminal.wait_for(b"status 0")
        seen.append(terminal.seen.count(b"finished"))
        terminal.type(b"exit\n")
        terminal.end()
    assert seen == [1, 1]


def test_nothing_is_left_behind(any_python: Interpreter, tmp_path: Path) -> None:
    environment = gdb_environment({"TMPDIR": str(tmp_path)})
    command = under_fingdb([any_python.path, "-c", "pass"], tmp_path / "report")
    subprocess.run(command, env=environment, check=True, timeout=TIMEOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_the_tests_see_a_difference_when_there_is_one(any_python: Interpreter, tmp_path: Path) -> None:
    """The measure itself: bare gdb does disturb, and the observer shows it."""
    seen = tmp_path / "seen"
    subprocess.run([any_python.path, OBSERVE, seen], check=True, env=gdb_environment(), timeout=TIMEOUT)
    bare = seen.read_text().splitlines()
    gdb = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-ex", "run", "--args"]
    subprocess.run([*gdb, any_python.path, OBSERVE, seen], env=gdb_environment(), timeout=TIMEOUT, capture_output=True)
    different = {line.split(":")[0] for line in set(bare) ^ set(seen.read_text().splitlines())}
    assert {"environ", "personality", "group and session"} <= different, sys.version
