"""`fingdb run`: its report, and the sentences when it cannot do the job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from tests.support.fingdb_cli import fingdb_command, run_fingdb
from tests.support.gdbrun import ROOT, gdb_environment, run_gdb
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.live


def sentence_of(done: "subprocess.CompletedProcess[bytes]", status: int = 2) -> str:
    """Return the one sentence on standard error of a run that failed."""
    said = done.stderr.decode()
    assert done.returncode == status, said
    lines = [line for line in said.splitlines() if line.startswith("fingdb: ")]
    assert len(lines) == 1 and "Traceback" not in said, said
    return lines[0][len("fingdb: ") :]


@pytest.mark.spread
def test_the_report_as_text(python: Interpreter) -> None:
    done = run_fingdb("run", "--", python.path, "-c", "print('out')")
    assert (done.returncode, done.stdout) == (0, b"out\n")
    text = done.stderr.decode()
    assert python.version_text in text
    assert "after-finalize" in text
    for phase in ("atexit", "module-teardown", "interpreter-clear"):
        assert phase in text
    assert "\x1b" not in text


def test_the_report_as_json(python: Interpreter, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = run_fingdb("run", "--json", "--output", report, "--", python.path, "-c", "import sys; sys.exit(3)")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")
    document = json.loads(report.read_text())
    assert document["schema"] == "fingdb-report/1"
    assert document["target"]["kind"] == "live"
    assert document["target"]["exit_code"] == 3
    assert document["target"]["signal"] is None
    assert document["target"]["pid"] > 0
    assert document["python"]["version"].startswith(python.version_text)
    assert document["python"]["debug_build"] is python.debug
    assert document["phase"] == "after-finalize"
    assert {step["state"] for step in document["steps"]} == {"done"}
    assert document["findings"] == [] and document["verdict"] is None


@pytest.mark.spread
def test_light_and_full_runs_say_the_same(python: Interpreter, tmp_path: Path) -> None:
    """The first run of a build reads debug information, later ones the cache: the report is the same."""
    documents = []
    for name in ("first", "second"):
        report = tmp_path / name
        done = run_fingdb("run", "--json", "-o", report, "--", python.path, "-I", "-c", "pass", cache=tmp_path / "cache")
        assert done.returncode == 0, done.stderr
        documents.append(json.loads(report.read_text()))
    assert list((tmp_path / "cache" / "fingdb" / "launch").iterdir())
    steps = [[(s["name"], s["parent"], s["phase"], s["state"]) for s in d["steps"]] for d in documents]
    assert steps[0] == steps[1]


@pytest.mark.wide
def test_modules_are_counted_as_often_as_they_are_cleared(python: Interpreter, tmp_path: Path) -> None:
    """Most builds jump from the one function to the other; then the first is counted at the stop of the second."""
    keep = "import sys, types; sys.kept = [sys.modules.setdefault(f'kept{n}', types.ModuleType('m')) for n in range(30)]"
    done = run_fingdb("run", "--json", "-o", tmp_path / "report", "--", python.path, "-c", keep)
    assert done.returncode == 0, done.stderr
    steps = json.loads((tmp_path / "report").read_text())["steps"]
    clearing = [(s["count"], s["more"]) for s in steps if s["name"] == "_PyModule_Clear"]
    if any(s["inlined"] for s in steps if s["name"] == "_PyModule_Clear"):
        # An inlined step that lies in a loop is noticed once, and that it came again.
        assert clearing == [(1, True)]
        return
    dicts = [s["count"] for s in steps if s["name"] == "_PyModule_ClearDict" and s["parent"] == "_PyModule_Clear"]
    assert [count for count, _ in clearing] == dicts and dicts[0] >= 30
    assert clearing[0][1]  # one without a dict would have been passed over


def test_json_without_a_file_goes_to_standard_error(any_python: Interpreter) -> None:
    done = run_fingdb("run", "--json", "--", any_python.path, "-c", "print(1)")
    assert done.stdout == b"1\n"
    assert json.loads(done.stderr)["schema"] == "fingdb-report/1"


def test_output_dash_is_standard_output(any_python: Interpreter) -> None:
    done = run_fingdb("run", "--json", "--output", "-", "--", any_python.path, "-c", "pass")
    assert json.loads(done.stdout)["schema"] == "fingdb-report/1"
    assert done.stderr == b""


def test_an_old_report_is_replaced(any_python: Interpreter, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("x" * 1_000_000)
    run_fingdb("run", "--json", "--output", report, "--", any_python.path, "-c", "pass")
    json.loads(report.read_text())


def test_an_old_report_stays_when_there_is_no_new_one(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("old")
    sentence_of(run_fingdb("run", "--output", report, "--", "/no/such/program"))
    assert report.read_text() == "old"


def test_a_full_disk_is_a_sentence(any_python: Interpreter) -> None:
    done = run_fingdb("run", "--output", "/dev/full", "--", any_python.path, "-c", "print(1)")
    assert "cannot write the report: No space left on device" in sentence_of(done)


def test_a_reader_that_went_away(any_python: Interpreter) -> None:
    command = [*fingdb_command(), "run", "--", any_python.path, "-c", "import sys; sys.exit(4)"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stderr=writing, env=gdb_environment(), timeout=60)
    os.close(writing)
    assert done.returncode == 4


def test_a_crash_is_reported_where_it_was(any_python: Interpreter, tmp_path: Path) -> None:
    report = tmp_path / "report"
    code = "import atexit, ctypes; atexit.register(ctypes.string_at, 1)"
    done = run_fingdb("run", "--json", "--output", report, "--", any_python.path, "-c", code, cwd=tmp_path)
    assert done.returncode == -11
    document = json.loads(report.read_text())
    assert document["target"]["signal"] == "SIGSEGV"
    assert document["phase"] == "atexit"
    assert any(step["state"] == "running" for step in document["steps"])


def test_control_characters_and_bad_utf8_do_not_reach_the_report(any_python: Interpreter, tmp_path: Path) -> None:
    script = tmp_path / os.fsdecode(b"\xff\x1b[31m\n.py")
    script.write_text("import sys, threading\nthreading.current_thread().name = '\\x1b[31m\\udcff\\x07'\n")
    done = run_fingdb("run", "--", any_python.path, script)
    assert done.returncode == 0
    text = done.stderr.decode()  # is UTF-8
    assert not [c for c in text if not c.isprintable() and c not in "\n\u00a0"]


# -- bad input ------------------------------------------------------------------------------------


def test_a_program_that_is_no_python() -> None:
    assert "not a Python" in sentence_of(run_fingdb("run", "--", "/bin/true"))
    # It did run, and its output is its own.
    done = run_fingdb("run", "--", "/bin/echo", "hello")
    assert done.stdout == b"hello\n"


OLD_PYTHONS = [
    str(path)
    for root in (os.environ.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv"))
    if root
    for name in ("2.7", "3.6", "3.7")
    for path in sorted(Path(root, "versions").glob(f"{name}.*/bin/python{name}"))
]


@pytest.mark.parametrize("path", sorted(set(OLD_PYTHONS)) or ["none"], ids=os.path.basename)
def test_a_python_that_is_too_old(path: str) -> None:
    if path == "none":
        pytest.skip("there is no Python older than 3.8 on this machine")
    for words in (("run", "--", path, "-c", "print(1)"), ("plan", path)):
        sentence = sentence_of(run_fingdb(*words))
        assert "3.8" in sentence or "2.7" in path and "is not a CPython" in sentence


@pytest.mark.parametrize("path", sorted(p for p in set(OLD_PYTHONS) if "2.7" not in p) or ["none"], ids=os.path.basename)
def test_a_python_that_is_too_old_is_not_walked_through(path: str) -> None:
    if path == "none":
        pytest.skip("there is no Python 3 older than 3.8 on this machine")
    done = run_gdb(path, ["-c", "pass"], ["pyfin start"])
    assert "and fingdb needs CPython 3.8 or newer\n" in done.stderr and "finalization · " not in done.stdout
    live = ["set breakpoint pending on", "break Py_FinalizeEx", "run", "pyfin next"]
    done = run_gdb(path, ["-c", "pass"], live)
    assert "and fingdb needs CPython 3.8 or newer\n" in done.stderr and "finalization · " not in done.stdout


def stub(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_gdb_that_is_too_old(tmp_path: Path) -> None:
    gdb = stub(tmp_path / "gdb", 'case "$*" in *--version*) echo "GNU gdb (Debian 10.1-1.7) 10.1.90";; *) exit 1;; esac')
    sentence = sentence_of(run_fingdb("run", "--gdb", gdb, "--", "/bin/true"))
    assert sentence == f"{gdb} is gdb 10.1.90; fingdb needs gdb 12 or newer"


def test_a_gdb_that_is_too_old_for_the_commands() -> None:
    command = [os.environ.get("FINGDB_TEST_GDB", "gdb"), "-nx", "-q", "-batch", "-ex", "python gdb.VERSION = '11.2'"]
    command += ["-x", str(ROOT / "fingdb/init.py"), "-ex", "pyfin status"]
    done = subprocess.run(command, env=gdb_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert "fingdb needs gdb 12 or newer; this is 11.2\n" in done.stderr
    assert "no program" not in done.stdout


COMMANDS = [["run", "--", "/bin/true"], ["gdb", "--", "/bin/true"], ["plan"], ["compare", "python3", "python3"], ["demo"]]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_gdb_without_python(any_python: Interpreter, tmp_path: Path, words: List[str]) -> None:
    gdb = stub(
        tmp_path / "gdb",
        'case "$*" in *--version*) echo "GNU gdb (GDB) 14.2";;'
        ' *) echo "Scripting in the \\"Python\\" language is not supported in this copy of GDB." >&2; exit 1;; esac',
    )
    words = [any_python.path if word == "python3" else word for word in words]
    if words[0] in ("plan", "demo"):
        words = [*words, any_python.path]
    sentence = sentence_of(run_fingdb(*words, env={"FINGDB_GDB": str(gdb)}))
    assert sentence.startswith(f"{gdb} was built without Python")


@pytest.mark.parametrize("text", ["exit 3", "kill -9 $$", "sleep 0; echo noise"])
def test_a_gdb_that_is_none(tmp_path: Path, text: str) -> None:
    gdb = stub(tmp_path / "gdb", text)
    sentence = sentence_of(run_fingdb("run", "--gdb", gdb, "--", "/bin/true"))
    assert sentence == f"{gdb} does not start, or is not gdb"


def test_a_gdb_that_cannot_be_executed(tmp_path: Path) -> None:
    gdb = tmp_path / "gdb"
    gdb.write_text("#!/no/such/shell\n")
    gdb.chmod(0o755)
    assert "does not start" in sentence_of(run_fingdb("run", "--gdb", gdb, "--", "/bin/true"))


def test_when_ptrace_is_refused(any_python: Interpreter, tmp_path: Path) -> None:
    """As in a container without the right: a wrapper around gdb takes the system call away."""
    from tests.support.build import build_program

    source = tmp_path / "refuse.c"
    source.write_text(
        "#include <errno.h>\n#include <linux/filter.h>\n#include <linux/seccomp.h>\n#include <stddef.h>\n"
        "#include <sys/prctl.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
        "int main(int argc, char **argv) {\n"
        " struct sock_filter f[] = {\n"
        "  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),\n"
        "  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),\n"
        "  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),\n"
        "  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};\n"
        " struct sock_fprog p = {4, f};\n"
        " prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);\n"
        " if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) return 9;\n"
        ' argv[0] = "gdb"; execvp("gdb", argv); return 8; }\n'
    )
    gdb = build_program(any_python, [source], "gdb-without-ptrace", link_python=False)
    sentence = sentence_of(run_fingdb("run", "--gdb", gdb, "--", any_python.path, "-c", "pass"))
    assert "ptrace" in sentence and "not permitted" in sentence
    doctor = run_fingdb("doctor", "--gdb", gdb)
    assert doctor.returncode == 2
    assert b"the kernel does not let gdb trace a program" in doctor.stdout


def test_a_program_that_does_not_end(any_python: Interpreter, tmp_path: Path) -> None:
    report = tmp_path / "report"
    code = "import atexit, time; atexit.register(time.sleep, 600)"
    started = time.monotonic()
    done = run_fingdb("run", "--json", "-o", report, "--timeout", "6", "--", any_python.path, "-c", code)
    assert sentence_of(done) == "the program did not end within 6 seconds and was killed"
    assert time.monotonic() - started < 30
    assert json.loads(report.read_text())["phase"] == "atexit"


def test_no_place_for_temporary_files(any_python: Interpreter, tmp_path: Path) -> None:
    # Falls back on the usual places.
    done = run_fingdb("run", "--", any_python.path, "-c", "pass", env={"TMPDIR": str(tmp_path / "nowhere")})
    assert done.returncode == 0


def test_the_users_python_settings_do_not_reach_gdb(any_python: Interpreter, tmp_path: Path) -> None:
    """A PYTHONHOME or a broken sitecustomize is the program's business; gdb's own Python must not see it."""
    (tmp_path / "json.py").write_text("raise SystemExit('not the json you wanted')")
    (tmp_path / "argparse.py").write_text("raise SystemExit('not the argparse you wanted')")
    code = "import sys; print('nowhere' in repr(sys.path) or sys.path[1])"
    done = run_fingdb("run", "--", any_python.path, "-c", code, env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert done.stdout.decode().strip() == str(tmp_path)
    assert done.returncode == 0, done.stderr


def gdb_that_reads(commands: Path, place: Path) -> Path:
    """Return gdb as it is, but for some commands before init.py is sourced."""
    insert = f'[ "$word" != -x ] || set -- "$@" -ix {commands}'
    return stub(place, f'for word do shift; {insert}; set -- "$@" "$word"; done; exec gdb "$@"')


def test_a_gdb_that_fails_inside_itself_as_the_process_dies(any_python: Interpreter, tmp_path: Path) -> None:
    """What was found until then is told, and that something may be missing."""
    fault, report = tmp_path / "fault", tmp_path / "report.json"
    fault.write_text(
        "define hook-continue\npython import os; os.kill(gdb.selected_inferior().pid, 9)\nmaint internal-error oh\nend\n"
    )
    code = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGSEGV)"
    gdb = gdb_that_reads(fault, tmp_path / "gdb")
    done = run_fingdb("run", "--gdb", gdb, "--json", "-o", report, "--", any_python.path, "-c", code)
    document = json.loads(report.read_text())
    assert (document["target"]["signal"], -done.returncode) == ("SIGKILL", signal.SIGKILL)
    assert document["steps"][0]["state"] == "running"
    assert any("gdb failed inside itself (oh)" in note for note in document["notes"])


def test_a_gdb_that_fails_inside_itself(any_python: Interpreter, tmp_path: Path) -> None:
    """One sentence; the program goes with gdb, and no core file of gdb is left where the user works."""
    work = tmp_path / "work"
    work.mkdir()
    fault = tmp_path / "fault"
    fault.write_text("maint internal-error oh\n")
    gdb = gdb_that_reads(fault, tmp_path / "gdb")
    command = [*fingdb_command(), "run", "--gdb", gdb, "--", any_python.path, "-c", "pass"]
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", *command],
        cwd=work,
        env=gdb_environment(),
        capture_output=True,
        timeout=60,
    )
    assert "gdb failed inside itself" in sentence_of(done)
    assert not list(work.iterdir())


@pytest.mark.parametrize("method", ["_started", "_exited", "_modules_changed"])
def test_a_failure_of_our_own_inside_gdb_is_told(any_python: Interpreter, tmp_path: Path, method: str) -> None:
    """gdb calls us at breakpoints and events: what fails there is missing in the report, which must not say "nothing"."""
    fault = tmp_path / "fault"
    lines = ["import sys", f"sys.path.append({str(ROOT)!r})", "from fingdb.finalization.tracer import Tracer"]
    lines += ["def fail(*_words): raise RuntimeError('oh')", f"assert hasattr(Tracer, {method!r})", f"Tracer.{method} = fail"]
    fault.write_text("python\n" + "\n".join(lines) + "\nend\n")
    gdb = gdb_that_reads(fault, tmp_path / "gdb")
    done = run_fingdb("check", "--gdb", gdb, "--", any_python.path, "-c", "print(1)")
    assert "RuntimeError: oh" in sentence_of(done)
    assert done.stdout == b"1\n"


def test_a_current_directory_that_is_gone(any_python: Interpreter, tmp_path: Path) -> None:
    """gdb 13 cannot live without one: it lost the program, and crashed."""
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *fingdb_command(), "check", "--", any_python.path, "-c", "pass"],
        cwd=tmp_path / "gone",
        env=gdb_environment(),
        capture_output=True,
        timeout=60,
    )
    assert "does not exist any more" in sentence_of(done)


def test_a_gdb_that_waits_for_ever_for_a_process_that_is_gone(any_python: Interpreter, tmp_path: Path) -> None:
    """gdb 13 does when the process is killed as breakpoints are set; nothing but its end helps."""
    fault = tmp_path / "fault"
    lines = ["import sys, time", f"sys.path.append({str(ROOT)!r})", "from fingdb.commands import base"]
    lines += ["from fingdb.debugger import undertaker", "from fingdb.debugger.gdb_backend.control import Control"]
    lines += ["def wait(_control):", "    base.current_session().tracer.pid = 1 << 22", "    time.sleep(50)"]
    lines += ["undertaker.PATIENCE, Control.start = 2, wait"]
    fault.write_text("python\n" + "\n".join(lines) + "\nend\n")
    done = run_fingdb("check", "--gdb", gdb_that_reads(fault, tmp_path / "gdb"), "--", any_python.path, "-c", "pass")
    assert "the process is gone" in sentence_of(done)
