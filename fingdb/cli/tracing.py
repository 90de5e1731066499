"""What the subcommands that run a program share: start it, render the report, end as it ended."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional

from .errors import CliError
from .gdb_program import find_gdb, which
from .output import Destination
from .program import refuse_privileged, resolve
from .surroundings import read_surroundings, with_underscore

if TYPE_CHECKING:
    from .children import Family


class ProgramEnd(NamedTuple):
    """How the program ended; ``error`` is a sentence when the job could not be done."""

    code: Optional[int]
    signal: Optional[str]
    error: Optional[str]
    #: Whether there are findings of severity warning or error.
    found: bool = False

    def pass_on(self) -> int:
        """Return the program's exit code, or end this process by the signal that ended the program."""
        number = _signal_number(self.signal)
        if number is None:
            if self.code is None:
                raise CliError("gdb did not tell how the program ended")
            return self.code & 0xFF
        _die_by(number)
        return 128 + number  # the signal was blocked, or is none that kills


def run_traced(
    mode: str,
    program: List[str],
    gdb: Optional[str],
    timeout: Optional[float],
    output: Optional[str],
    as_json: bool,
    family: "Optional[Family]" = None,
    leaks: bool = False,
) -> ProgramEnd:
    """Run a program under gdb, write the report and return how the program ended. Raises CliError.

    ``timeout`` is in seconds. The report goes to the file ``output``, to standard error if None. With a
    ``family`` the processes that the program makes are followed as well, and are in the report.
    """
    surroundings = read_surroundings()
    launch = resolve(program, surroundings.variables())
    refuse_privileged(launch)
    ours = [os.environ.pop("FINGDB_SELF", None), sys.argv[0], which(sys.argv[0])]
    environment = with_underscore(surroundings.environment, ours, launch.path)
    destination = Destination(output, as_json)
    gdb_path = find_gdb(gdb)

    from . import light
    from .session import trace

    request: Dict[str, object] = {"mode": mode, "timeout": timeout}
    if leaks:
        request["leaks"] = True
    start = light.start_for(launch.elf, stacks=mode != "run")
    if family is not None:
        request["follow"] = family.request()  # what gdb tells of forks comes with symbols
    elif launch.elf.isprintable():  # or it could not be given to a command of gdb
        request.update(executable=launch.elf, known=start.known)
    started = time.monotonic()
    outcome = trace(gdb_path, launch, surroundings, environment, request, start.options, destination.prepare)
    elapsed = time.monotonic() - started
    children = family.collect() if family is not None else []
    if outcome.result is None:
        light.forget(launch.elf)
        raise CliError(outcome.failure or "gdb ended without a result")
    if "target" in outcome.result:
        destination.write(outcome.result, children if family is not None else None)
    end = _end(outcome.result)
    if any(_found(child.get("findings")) for child in children):
        end = end._replace(found=True)
    if end.error:
        light.forget(launch.elf)
    elif not start.known:
        light.remember(launch.elf)
    if timeout is not None and elapsed >= timeout and end.signal == "SIGKILL" and not end.found:
        return end._replace(error=f"the program did not end within {timeout:g} seconds and was killed")
    return end


def _end(result: Mapping[str, object]) -> ProgramEnd:
    error = result.get("error")
    end = result.get("exit")
    ended: Mapping[str, object] = end if isinstance(end, dict) else {}
    code, name = ended.get("code"), ended.get("signal")
    return ProgramEnd(
        code=code if isinstance(code, int) else None,
        signal=name if isinstance(name, str) else None,
        error=error if isinstance(error, str) and error else None,
        found=_found(result.get("findings")),
    )


def _found(findings: object) -> bool:
    listed = findings if isinstance(findings, list) else []
    return any(isinstance(f, dict) and f.get("severity") in ("warning", "error") for f in listed)


def _signal_number(name: Optional[str]) -> Optional[int]:
    """Return the number of a signal (SIGSEGV, SIG34, "signal 34"), None for no or an unknown name."""
    if not name:
        return None
    digits = name.replace("signal ", "").replace("SIG", "")
    if digits.isdigit():
        return int(digits)
    number = getattr(signal, name, None) if name.startswith("SIG") else None
    return int(number) if isinstance(number, int) else None


def _die_by(number: int) -> None:
    """End this process by a signal, as the program ended; the only core file is the program's own."""
    import resource

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    # One byte, not zero: the kernel then starts no program named in core_pattern either.
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 1 if hard == resource.RLIM_INFINITY or hard >= 1 else 0
    resource.setrlimit(resource.RLIMIT_CORE, (limit, hard))
    try:
        signal.signal(number, signal.SIG_DFL)
    except OSError:
        pass  # SIGKILL
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
