"""`fingdb check --follow-children`: every Python that the program makes is checked as well."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.live.check_scenarios import PROGRAMS
from tests.support.fingdb_cli import run_fingdb
from tests.support.interpreters import Interpreter

pytestmark = [pytest.mark.live, pytest.mark.heavy]

#: Ways to come to a process that drops a reference after its finalization. LATE is the path of that program.
LATE = str(Path(__file__).resolve().parents[1] / "scenarios" / "late-cpp-static" / "main.py")
SICK = {
    "fork": "import os, runpy, sys\nif os.fork() == 0:\n    runpy.run_path({late!r})\n    sys.exit(0)\nos.wait()\n",
    "subprocess": "import subprocess, sys\nsubprocess.call([sys.executable, {late!r}])\n",
    "shell": "import os, sys\nos.system('true; ' + sys.executable + ' ' + {late!r} + '; exit 0')\n",
    "grandchild": (
        "import subprocess, sys\n"
        "code = 'import subprocess, sys; subprocess.call([sys.executable, sys.argv[1]])'\n"
        "subprocess.call([sys.executable, '-c', code, {late!r}])\n"
    ),
    "fork and exec": "import os, sys\nif os.fork() == 0:\n    os.execv(sys.executable, [sys.executable, {late!r}])\nos.wait()\n",
}
HEALTHY = {
    "pool": (
        "import multiprocessing, sys\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:\n"
        "        print(pool.map(abs, [-1, -2]))\n"
        "        pool.close()\n"
        "        pool.join()\n"
    ),
    "not a Python": (
        "import os, subprocess\n"
        "print(subprocess.check_output(['echo', 'x']), os.system('exit 3'))\n"
        "try:\n    subprocess.call(['/no/such/program'])\nexcept OSError as error:\n    print(error.errno)\n"
    ),
}


def check(python: Interpreter, tmp_path: Path, text: str, *words: str, timeout: float = 100, **variables: str) -> Any:
    """Run a script under ``fingdb check --follow-children``; return how that ended, and the report."""
    script, report = tmp_path / "program.py", tmp_path / "report.json"
    script.write_text(text)
    done = run_fingdb(
        "check", "--follow-children", "--timeout", str(timeout), "--json", "-o", report, "--", python.path, script,
        *words, env=variables, timeout=170,
    )  # fmt: skip
    assert report.exists(), done.stderr.decode()
    return done, json.loads(report.read_text())


def blamed(report: Dict[str, Any]) -> List[Any]:
    return [(f["kind"], f["culprit"]["function"]) for f in report["findings"] if f["severity"] != "note"]


@pytest.mark.parametrize("way", list(SICK))
def test_a_sick_child_is_found(python: Interpreter, way: str, tmp_path: Path) -> None:
    _, variables = next(p for p in PROGRAMS if p.name == "late-cpp-static").command(python)
    done, report = check(python, tmp_path, SICK[way].format(late=LATE), **variables)
    assert done.returncode == 1, done.stderr.decode()
    assert blamed(report) == []  # the parent itself is healthy
    children = report["children"]
    assert len(children) == (2 if way == "grandchild" else 1)
    assert len({report["target"]["pid"], *(child["target"]["pid"] for child in children)}) == len(children) + 1
    sick = [child for child in children if blamed(child)]
    assert [blamed(child) for child in sick] == [[("touch-after-finalize", "Owned::~Owned")]]
    assert sick[0]["phase"] == "after-finalize"
    assert sick[0]["schema"] == "fingdb-report/1"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_work_and_are_healthy(python: Interpreter, method: str, tmp_path: Path) -> None:
    done, report = check(python, tmp_path, HEALTHY["pool"], method)
    assert done.stdout == b"[1, 2]\n"
    assert done.returncode == 0, done.stderr.decode()
    assert len(report["children"]) >= 2
    assert all("error" not in child for child in report["children"])
    assert [blamed(each) for each in (report, *report["children"])] == [[]] * (len(report["children"]) + 1)


def test_what_is_no_python_runs_as_ever(python: Interpreter, tmp_path: Path) -> None:
    done, report = check(python, tmp_path, HEALTHY["not a Python"])
    assert done.stdout == b"b'x\\n' 768\n2\n"
    assert done.returncode == 0
    # Before 3.10, which has vfork(), the child that finds no program to execute ends as the Python that it was.
    forked = [child for child in report["children"] if child["target"]["executable"] == os.path.realpath(python.path)]
    assert report["children"] == forked and len(forked) <= (1 if python.version < (3, 10) else 0)


def test_a_child_that_outlives_the_program_is_let_go(python: Interpreter, tmp_path: Path) -> None:
    """When the time is over the report is written, and the process goes on without us."""
    left = tmp_path / "left"
    slow = 2 if python.version >= (3, 14) else 1  # Debian's newest take gdb longer to read
    text = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        f"    os.setsid(); os.closerange(0, 3); time.sleep({45 * slow}); open({str(left)!r}, 'w').close(); os._exit(0)\n"
    )
    started = time.monotonic()
    done, report = check(python, tmp_path, text, timeout=16 * slow)
    assert time.monotonic() - started < 44 * slow
    assert done.returncode == 0, done.stderr.decode()
    assert any("it was let go" in note for child in report["children"] for note in child.get("notes", ()))
    deadline = time.monotonic() + 50 * slow
    while not left.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left.exists()


def test_a_child_that_dies_does_not_take_the_parent_with_it(python: Interpreter, tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "print(subprocess.call([sys.executable, '-c', 'import ctypes; ctypes.string_at(0)']))\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'], stdout=-1)\n"
        "child.stdout.readline(); child.terminate(); print(child.wait())\n"
    )
    done, report = check(python, tmp_path, text)
    assert done.stdout == b"-11\n-15\n"
    assert [child["target"]["signal"] for child in report["children"]] == ["SIGSEGV", "SIGTERM"]
    assert done.returncode == 0, done.stderr.decode()


def test_as_text_each_process_has_its_part(python: Interpreter, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("import subprocess, sys\nsubprocess.call([sys.executable, '-c', 'pass'])\n")
    done = run_fingdb("check", "--follow-children", "--timeout", "60", "--", python.path, script, timeout=120)
    said = done.stderr.decode()
    assert said.count("made by the program") == 1
    assert said.count("nothing was touched after its end") == 2 or python.version < (3, 10)
    assert done.returncode == 0
