"""The gdb to use: where it is, how it is started, and why it cannot do the job."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional

from .errors import CliError

OLDEST = 12

#: Variables that are meant for the program and would change gdb or the Python inside it.
_NOT_FOR_GDB = ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DEBUGINFOD_URLS", "GDBHISTFILE")


def find_gdb(option: Optional[str]) -> str:
    """Return the path of gdb: the ``--gdb`` option, $FINGDB_GDB, or the first on PATH. Raises CliError."""
    for asked, said in ((option, "--gdb"), (os.environ.get("FINGDB_GDB"), "FINGDB_GDB")):
        if asked:
            found = which(asked)
            if found is None:
                raise CliError(f"{said} names {asked!r}, which is not a program")
            return found
    found = which("gdb")
    if found is None:
        raise CliError("there is no gdb on PATH: install it (Debian: apt-get install gdb) or set FINGDB_GDB")
    return found


def which(name: str) -> Optional[str]:
    """Return the absolute path of an executable file found by name or path, None if there is none."""
    # Not shutil.which: importing shutil costs two milliseconds of every start.
    if "/" in name:
        candidates = [name]
    else:
        candidates = [os.path.join(d or ".", name) for d in os.environ.get("PATH", os.defpath).split(":")]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)
    return None


def init_file() -> str:
    """Return the path of the file that gdb sources. Raises CliError if the installation lacks it."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "init.py")
    if not os.path.isfile(path):
        raise CliError(f"the installation of fingdb is incomplete: {path} is missing")
    return path


#: python3.x-gdb.py beside an interpreter: not needed, and refusing it takes gdb ten lines of warning.
NO_PYTHON_GDB_PY = ("-iex", "set auto-load python-scripts off")


#: When gdb fails inside itself it is to end, and not to leave a core file of itself where the user works.
_NO_CORE_OF_GDB = ("-iex", "maint set internal-error corefile no", "-iex", "maint set internal-error quit yes")
_INTERNAL_ERROR = "internal-error: "


#: gdb keeps its index of debug information: worth it where stacks are read.
INDEX_CACHE = ("-iex", "set index-cache enabled on")


def light_options() -> List[str]:
    """Return options that keep gdb's start short and its log free of what is not about the program."""
    return ["-iex", "set debuginfod enabled off", *NO_PYTHON_GDB_PY, *_NO_CORE_OF_GDB]


def gdb_environment(environment: Mapping[str, str]) -> Dict[str, str]:
    """Return the environment for gdb itself, made from the user's.

    The program's own environment does not come from here. A /bin/sh starts the program: what gdb
    asks of a shell is one ``exec``, and the user's login shell may read files first.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _NOT_FOR_GDB and not name.startswith(("PYTHON", "FINGDB_"))
    }
    if "FINGDB_DEBUG" in environment:
        kept["FINGDB_DEBUG"] = environment["FINGDB_DEBUG"]
    kept["SHELL"] = "/bin/sh"
    return kept


def explain_failure(gdb: str, log: str) -> str:
    """Return one sentence about a gdb that ended without doing the job. ``log`` is what it printed."""
    reason = what_is_wrong(gdb)
    if reason:
        return reason
    failure = own_failure(log)
    if failure:
        return failure
    said = last_words(log)
    if said.startswith("cannot write the result"):
        return said
    return "gdb ended without a result" + (f"; its last words: {said}" if said else "")


#: What begins the plugin's sentence about a failure of its own where gdb called it, and gdb's about what escaped.
_PLUGIN_FAILURES = ("fingdb failed: ", "Python Exception <class ")


def plugin_failure(log: str) -> Optional[str]:
    """Return the sentence about a failure of our own code inside gdb if its ``log`` tells of one, else None."""
    for line in log.splitlines():
        if line.startswith(_PLUGIN_FAILURES):
            return line[:500]
    return None


def own_failure(log: str) -> Optional[str]:
    """Return a sentence about gdb's own failure if its ``log`` tells of one, else None."""
    if _INTERNAL_ERROR not in log:
        return None
    words = log.split(_INTERNAL_ERROR, 1)[1].splitlines()[0]
    return f"gdb failed inside itself ({words[:200]}); this is a fault of gdb, another version may do better"


def last_words(log: str) -> str:
    """Return the last line of a log that says something, "" if there is none."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    words = lines[-1] if lines else ""
    return words if len(words) <= 300 else words[:297] + "..."


def what_is_wrong(gdb: str) -> Optional[str]:
    """Return one sentence when a gdb is none, too old or has no Python, else None. Starts it twice."""
    version = gdb_version(gdb)
    if version is None:
        return f"{gdb} does not start, or is not gdb"
    if version[0] < OLDEST:
        return f"{gdb} is gdb {version[1]}; fingdb needs gdb {OLDEST} or newer"
    inside = ask_gdb(gdb, "import sys; print('python', *sys.version_info[:3])")
    if not inside or not inside.startswith("python "):
        return f"{gdb} was built without Python: install a gdb that has it (Debian: apt-get install gdb)"
    return None


def gdb_version(gdb: str) -> "Optional[tuple[int, str]]":
    """Return (major version, the version as gdb prints it), None if the program is not a working gdb."""
    text = _output([gdb, "--version"])
    first = text.splitlines()[0] if text else ""
    if "GNU gdb" not in first:
        return None
    shown = first.split()[-1]
    for word in reversed(first.replace("(", " ").replace(")", " ").split()):
        digits = word.split(".")[0].split("-")[0]
        if digits.isdigit():
            return int(digits), shown
    return None


def ask_gdb(gdb: str, statement: str) -> Optional[str]:
    """Return what a Python statement prints inside gdb, None if gdb fails or has no Python."""
    text = _output([gdb, "-nx", "-q", "-batch", *light_options(), "-ex", f"python {statement}"])
    return text.strip() or None if text is not None else None


def _output(command: List[str]) -> Optional[str]:
    import subprocess

    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=gdb_environment(os.environ),
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
