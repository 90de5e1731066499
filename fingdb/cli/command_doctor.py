"""``fingdb doctor``: what this machine has and lacks for the job, and how to mend it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from typing import List, NamedTuple, Optional, Tuple

from ..layout.cache import Cache
from ..model.plan import SOURCES
from .arguments import Parser, add_gdb_option
from .debug_info import package_of, ways
from .errors import CliError
from .gdb_program import OLDEST, find_gdb, gdb_environment, gdb_version, init_file, light_options
from .interpreters import Interpreter, build_id_of, debug_file, find_interpreters, read_interpreter
from .light import cache_home
from .which_python import interpreter

_USAGE = "[--gdb PATH] [PYTHON]"

_DESCRIPTION = """\
Look at gdb, at the Python inside it, at the interpreters of this machine, and try what the job needs.
With PYTHON, look at that interpreter alone: whether its debug information is there, and what brings it. PYTHON is
a path, a name on PATH, a libpython, or a version; it is not run.

exit status: 0 when programs can be traced, 2 when something essential is missing."""

_STATES = {"ok": "done", "gap": "warning", "missing": "error"}

#: Run inside gdb: what its Python is and which libraries it finds, by itself and with fingdb's help.
_INSIDE = (
    "import json, sys; from importlib.util import find_spec; names = ('pygments', 'tabulate', 'numpy'); "
    "own = [n for n in names if find_spec(n)]; "
    "import fingdb.commands.base as base; base.find_dependencies(); "
    "print('doctor', json.dumps({'version': list(sys.version_info[:3]), 'own': own, "
    "'found': [n for n in names if find_spec(n)]}))"
)


class Check(NamedTuple):
    """One line: what was looked at, ``ok``, ``gap`` (works in part) or ``missing``, and how to mend it."""

    subject: str
    state: str
    finding: str
    mend: str = ""


def run(arguments: List[str]) -> int:
    """Run ``fingdb doctor`` with these words and return the exit status."""
    parser = Parser("doctor", _USAGE, _DESCRIPTION)
    add_gdb_option(parser)
    parser.add_argument("python", metavar="PYTHON", nargs="?", help="the interpreter")
    options = parser.parse_args(arguments)
    if options.python is not None:
        found = _checks_of_one(interpreter(options.python))
        print(_rendered(found, "" if found[0].state == "ok" else "fingdb can do a part of its job with it."))
        return 0
    checks, gdb = _gdb_checks(options.gdb)
    checks += _interpreter_checks(find_interpreters())
    if gdb is not None:
        checks.append(_ptrace_check(gdb))
    checks += [_attach_check(), *_core_checks(), _cache_check()]
    print(_rendered([check for check in checks if check is not None]))
    return 2 if any(check is not None and check.state == "missing" for check in checks) else 0


def _checks_of_one(path: str) -> List[Check]:
    """Return the checks of one interpreter. Raises CliError where it is no CPython that fingdb knows."""
    python = read_interpreter(path)
    if python is None:
        raise CliError(f"{path} is no CPython from 3.8 on")
    subject = f"CPython {python.label}"
    build_id = build_id_of(python.runtime)
    package = package_of(python.runtime)
    about = [Check("  code", "ok", python.runtime)] if python.runtime != path else []
    about.append(Check("  build-id", "ok", build_id) if build_id else Check(
        "  build-id", "gap", "none: debug information in a file of its own would not be found"
    ))
    about.append(Check("  package", "ok", f"{package.name} {package.version}" if package else "of none"))
    if python.has_debug_info:
        where = debug_file(python.runtime)
        inside = "" if where == python.runtime else f" in {where}"
        return [Check(subject, "ok", f"{path}, with debug information{inside}"), *about]
    if build_id and _is_kept(build_id, python.runtime):
        about.append(Check("  kept", "ok", "what was learned of this build when its debug information was there"))
    first = Check(subject, "gap", f"{path}, {_left_without(python)}")
    return [first, *about, *(Check("", "gap", "", way) for way in ways(python, build_id, package))]


def _rendered(checks: List[Check], last: Optional[str] = None) -> str:
    import sys

    from ..report.style import Style
    from ..report.table import Cell, CellLike, Column, table

    terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ
    style = Style(terminal)
    rows: List[List[CellLike]] = [
        [check.subject, Cell(check.state, _STATES[check.state]), check.finding] for check in checks if check.finding
    ]
    columns = [Column("SUBJECT"), Column("STATE"), Column("FINDING", keep="start")]
    lines = [table(columns, rows, style, os.get_terminal_size(1).columns if terminal else 0)]
    mends = list(dict.fromkeys((check.mend, check.subject) for check in checks if check.mend))
    if mends:
        lines += ["", style.heading("To mend it:")]
        lines += [f"  {mend}" + (style.dim(f"   # {subject}") if subject else "") for mend, subject in mends]
    if last is not None:
        return style.output("\n".join([*lines, "", last] if last else lines))
    worst = "missing" if any(c.state == "missing" for c in checks) else ""
    lines += ["", "fingdb cannot do its job here yet." if worst else "fingdb can do its job here."]
    return style.output("\n".join(lines))


def _gdb_checks(option: Optional[str]) -> Tuple[List[Optional[Check]], Optional[str]]:
    """Return the checks of gdb and the path of a gdb that works (None without one)."""
    install = "apt-get install gdb"
    try:
        gdb = find_gdb(option)
    except CliError as error:
        return [Check("gdb", "missing", str(error), install)], None
    version = gdb_version(gdb)
    if version is None:
        return [Check("gdb", "missing", f"{gdb} does not start, or is not gdb", install)], None
    if version[0] < OLDEST:
        return [Check("gdb", "missing", f"{gdb} is {version[1]}; {OLDEST} or newer is needed", install)], None
    checks: List[Optional[Check]] = [Check("gdb", "ok", f"{gdb}, version {version[1]}")]
    inside = _inside(gdb)
    if inside is None:
        checks.append(Check("Python in gdb", "missing", f"{gdb} has no Python that works", install))
        return checks, None
    major, minor, micro = inside.version
    old = (major, minor) < (3, 9)
    text = f"{major}.{minor}.{micro}" + ("; 3.9 or newer is needed" if old else "")
    checks.append(Check("Python in gdb", "missing" if old else "ok", text, install if old else ""))
    for name in ("pygments", "tabulate"):
        if name in inside.own:
            checks.append(Check(f"  {name}", "ok", "installed for gdb's Python"))
        elif name in inside.found:
            checks.append(Check(f"  {name}", "ok", "found in fingdb's own virtual environment"))
        else:
            mend = f"apt-get install python3-{name}"
            checks.append(Check(f"  {name}", "gap", "gdb's Python cannot import it", mend))
    has_numpy = "numpy" in inside.found
    finding = "speeds up walks over very many objects" if has_numpy else "not there; it speeds up very large heaps"
    checks.append(Check("  numpy (optional)", "ok", finding))
    return checks, gdb


class Inside(NamedTuple):
    """The Python in gdb, and which libraries it finds by itself (``own``) and with fingdb's help."""

    version: List[int]
    own: List[str]
    found: List[str]


def _inside(gdb: str) -> Optional[Inside]:
    said = _gdb_output(gdb, ["-x", init_file(), "-ex", f"python {_INSIDE}"])
    for line in said.splitlines():
        if line.startswith("doctor "):
            return Inside(**json.loads(line[len("doctor ") :]))
    return None


def _gdb_output(gdb: str, words: List[str]) -> str:
    try:
        done = subprocess.run(
            [gdb, "-nx", "-q", "-batch", *light_options(), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=gdb_environment(os.environ),
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout.decode("utf-8", "replace")


def _interpreter_checks(interpreters: List[Interpreter]) -> List[Optional[Check]]:
    if not interpreters:
        mend = "apt-get install python3 python3-dbg"
        return [Check("interpreters", "missing", "there is no CPython from 3.8 on", mend)]
    checks: List[Optional[Check]] = []
    for python in interpreters:
        subject = f"CPython {python.label}"
        if python.has_debug_info:
            checks.append(Check(subject, "ok", f"{python.path}, with debug information"))
        else:
            checks.append(Check(subject, "gap", f"{python.path}, {_left_without(python)}", mend_debug_info(python)))
    return checks


def _is_kept(build_id: str, path: str) -> bool:
    """Tell whether the cache has the steps of a build from its debug information."""
    kept = Cache(build_id, path).get("plan")
    return isinstance(kept, dict) and kept.get("source") == SOURCES[-1]


def _left_without(python: Interpreter) -> str:
    """Return what works with an interpreter that has no debug information."""
    if python.version >= (3, 13):
        return "without debug information: steps with exported names, late calls, threads, Python stacks, objects"
    return "without debug information: steps with exported names, late calls and threads only"


def mend_debug_info(python: Interpreter) -> str:
    """Return the command that gives an interpreter its debug information."""
    major, minor = python.version[:2]
    if python.path.startswith("/usr/bin/"):
        default = os.path.realpath("/usr/bin/python3") == os.path.realpath(python.path)
        return "apt-get install " + ("python3-dbg" if default else f"python{major}.{minor}-dbg")
    if "pyenv" in python.label:
        return f"CFLAGS=-g pyenv install --force {python.version_text}"
    return f"build Python {python.version_text} again with CFLAGS=-g, and do not strip it"


def _ptrace_check(gdb: str) -> Check:
    said = _gdb_output(gdb, ["-iex", "set startup-with-shell off", "-ex", "run", "--args", "/bin/true"])
    if "exited normally" in said:
        return Check("ptrace", "ok", "gdb can run a program")
    mend = "run this as a user who may use ptrace; in a container: --cap-add=SYS_PTRACE"
    if "ptrace" in said or "not permitted" in said:
        return Check("ptrace", "missing", "the kernel does not let gdb trace a program", mend)
    words = [line for line in said.splitlines() if line.strip()]
    return Check("ptrace", "missing", f"gdb cannot run a program: {words[-1] if words else 'no word'}", mend)


def _attach_check() -> Optional[Check]:
    scope = _read("/proc/sys/kernel/yama/ptrace_scope")
    if scope in ("", "0") or os.geteuid() == 0 and scope in ("1", "2"):
        return Check("attaching", "ok", "to any process of yours")
    mend = "sysctl kernel.yama.ptrace_scope=0"
    return Check("attaching", "gap", f"only to children: kernel.yama.ptrace_scope is {scope}", mend)


def _core_checks() -> List[Optional[Check]]:
    soft, _hard = resource.getrlimit(resource.RLIMIT_CORE)
    pattern = _read("/proc/sys/kernel/core_pattern")
    if pattern.startswith("|"):
        program = os.path.basename(pattern[1:].split()[0]) if pattern[1:].split() else "a program"
        where = f"the kernel hands them to {program}"
        if "coredump" in program:
            where += " (coredumpctl dump)"
        return [Check("core files", "ok", where)]
    if soft == 0:
        return [Check("core files", "gap", "the shell's limit forbids them (ulimit -c is 0)", "ulimit -c unlimited")]
    return [Check("core files", "ok", f"written as {pattern or 'core'}")]


def _cache_check() -> Check:
    home = cache_home()
    if home is None:
        return Check("cache", "gap", "there is no home directory: each run reads everything anew", "set XDG_CACHE_HOME")
    existing = home
    while not os.path.exists(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing)
    if os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK):
        return Check("cache", "ok", f"{home}")
    return Check("cache", "gap", f"{home} cannot be written: each run reads everything anew", "set XDG_CACHE_HOME")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
