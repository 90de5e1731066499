"""Many cores at once: one line each, the same bug counted once."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from ..model.report import SCHEMA
from ..model.words import plural
from ..report.escape import printable
from ..report.lines import DOT, paragraph
from ..report.style import Style
from .command_core import exit_status
from .core_examine import CoreOptions, examine
from .errors import CliError
from .output import Destination
from .waiting import progress_on_stderr

Document = Dict[str, object]


class Group(NamedTuple):
    """What makes two crashes the same bug: the kind of verdict, and whose code it was ("" for nobody's).

    The library is its file's name without what differs from one Python to the next.
    """

    kind: str
    function: str
    library: str

    def title(self) -> str:
        """Return the group in a few words."""
        if not self.function and not self.library:
            return self.kind
        by = f" by {printable(self.function)}" if self.function else ""
        return self.kind + by + (f" ({printable(self.library)})" if self.library else "")


@dataclass
class Result:
    """One core: its report, or the sentence that says why there is none."""

    path: str
    document: Optional[Document] = None
    error: Optional[str] = None

    def group(self) -> Group:
        """Return which bug it is."""
        verdict = _part(self.document, "verdict")
        kind = str(verdict.get("kind") or "unknown")
        findings = (self.document or {}).get("findings")
        for part in (verdict, *(findings if isinstance(findings, list) else ())):
            culprit = part.get("culprit") if isinstance(part, dict) else None
            if isinstance(culprit, dict):
                return Group(kind, _function(culprit.get("function")), _library(culprit.get("library")))
        return Group(kind, "", "")

    def to_json(self) -> str:
        """Return one line of JSON: the report with the key ``group``, or with ``error``."""
        if self.document is None:
            failed = {"schema": SCHEMA, "target": {"kind": "core", "core": self.path}, "error": self.error}
            return json.dumps(failed)
        return json.dumps({**self.document, "group": self.group()._asdict()})


def examine_all(
    paths: Sequence[str], options: CoreOptions, jobs: int, output: Optional[str], as_json: bool
) -> int:
    """Examine cores in parallel (``jobs`` at once, 0 for as many as suit the machine), print one line for each.

    Returns the exit status: 2 when a core could not be read, 1 when a report complains, 0 otherwise.
    Raises KeyboardInterrupt.
    """
    results: List[Result] = []
    destination = Destination(output or "-", as_json)
    with _several(jobs or _at_once()) as start:
        futures = [start(partial(_examine, path, options)) for path in paths]
        with progress_on_stderr("looking into cores", len(paths)) as progress:
            for future in futures:
                results.append(future.result())
                progress.update(len(results))
                if as_json and output is None:
                    destination.write_text(results[-1].to_json() + "\n")  # whoever reads them need not wait
    if not as_json:
        styling, width = destination.terminal()
        destination.write_text(render(results, Style(styling), width))
    elif output is not None:
        destination.write_text("".join(result.to_json() + "\n" for result in results))
    for result in results:
        if result.error:
            sys.stderr.write(f"fingdb: {result.error}\n")
    if any(result.error for result in results):
        return 2
    return max(exit_status(result.document or {}) for result in results)


def _examine(path: str, options: CoreOptions, stop: int) -> Result:
    try:
        return Result(path, examine(path, options, stop))
    except CliError as error:
        return Result(path, error=str(error))
    except Exception as error:  # noqa: BLE001 - one core must not end the others
        if os.environ.get("FINGDB_DEBUG"):
            raise
        return Result(path, error=f"{printable(path)}: fingdb failed: {type(error).__name__}: {error}")


def _at_once() -> int:
    return max(1, len(os.sched_getaffinity(0)))


@contextmanager
def _several(jobs: int) -> Iterator[Callable[[Callable[[int], Result]], "Future[Result]"]]:
    """Yield what starts work in the background: a function that gets a descriptor which says when to stop.

    Whatever ends the block, all work is over afterwards.
    """
    reading, writing = os.pipe()
    pool = ThreadPoolExecutor(jobs)
    try:
        yield lambda work: pool.submit(work, reading)
    except BaseException:
        os.write(writing, b"!")
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        os.close(reading)
        os.close(writing)


#: "_ctypes.cpython-311-x86_64-linux-gnu.so", "libpython3.11.so.1.0", "libfoo.so.2": what comes after the name.
_BUILD = re.compile(r"\.(?:cpython|abi3|pypy)[^/]*\.so$|(?<=libpython)[0-9.]+d?(?=\.so)|(?<=\.so)[0-9.]+$")

#: "list_dealloc.part.0", "_Py_Finalize.constprop.0.cold"
_CLONE = re.compile(r"(?:\.(?:constprop|isra|part|cold|lto_priv)(?:\.[0-9]+)*)+$")


def _library(path: object) -> str:
    """Return the name of a library or file, the same for each build of it."""
    name = os.path.basename(str(path or ""))
    return _BUILD.sub(lambda found: ".so" if found[0].endswith(".so") else "", name)


def _function(name: object) -> str:
    """Return the name of a function without what a compiler adds; "" for code without a name."""
    text = str(name or "")
    return "" if text.startswith("0x") else _CLONE.sub("", text)


# -- text -----------------------------------------------------------------------------------------
def render(results: Sequence[Result], style: Style, width: int) -> str:
    """Return all results as text: the most frequent bug first, the cores that could not be read last."""
    groups: Dict[Group, List[Result]] = {}
    for result in results:
        if result.document is not None:
            groups.setdefault(result.group(), []).append(result)
    lines: List[str] = []
    for group, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        title = f"{style.strong(group.title())}{DOT}{plural(len(members), 'core')}"
        lines += ["", title] if lines else [title]
        lines += paragraph(_summary(members), style, width, 2)
        lines += _table([_cells(member) for member in members])
    failed = [result for result in results if result.error]
    if failed:
        title = f"{style.paint('error', 'could not be read')}{DOT}{plural(len(failed), 'core')}"
        lines += ["", title] if lines else [title]
        lines += [f"    {printable(result.path)}" for result in failed]
    return style.output("\n".join(lines)) + "\n"


def _summary(members: Sequence[Result]) -> str:
    """Return the sentence that most of a group's verdicts say."""
    said = Counter(str(_part(member.document, "verdict").get("summary") or "") for member in members)
    return said.most_common(1)[0][0]


def _part(document: Optional[Mapping[str, object]], key: str) -> Mapping[str, Any]:
    part = (document or {}).get(key)
    return part if isinstance(part, dict) else {}


def _cells(result: Result) -> List[str]:
    document = result.document or {}
    target = _part(document, "target")
    version = _part(document, "python").get("version")
    return [
        printable(result.path),
        str(_part(document, "verdict").get("confidence") or ""),
        printable(str(target.get("signal") or "no signal")),
        printable(str(document.get("phase") or "")),
        f"Python {printable(str(version))}" if version else "",
    ]


def _table(rows: List[List[str]]) -> List[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
