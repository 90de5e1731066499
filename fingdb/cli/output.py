"""Where a report goes, and in which form."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Dict, List, Optional, TextIO, Tuple

from .errors import CliError

if TYPE_CHECKING:
    from ..model.report import Report


class Destination:
    """A file, standard output (``-``) or standard error (None), for one report as text or JSON.

    A file is opened at once, so that one that cannot be written is known before the program runs; its old
    contents go only when the report is there. Raises CliError.
    """

    def __init__(self, output: Optional[str], as_json: bool) -> None:
        self._as_json = as_json
        self._path = output
        self._file: Optional[int] = None
        if output == "":
            raise CliError("--output needs the name of a file")
        if output not in (None, "-"):
            try:
                self._file = os.open(str(output), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise CliError(f"cannot write {output}: {error.strerror}") from None

    def prepare(self) -> None:
        """Import what `write` needs; called while gdb works."""
        import json  # noqa: F401

        if not self._as_json:
            from ..report import text_report  # noqa: F401

    def write(self, document: Dict[str, object], children: Optional[List[Dict[str, object]]] = None) -> None:
        """Write the report that gdb left as a JSON document. Raises CliError.

        ``children`` are those on the processes that the program made: a key of that name in the
        document, and one after the other as text.
        """
        if children is not None:
            document = {**document, "children": children}
        text = self._render(document)
        for child in () if self._as_json or children is None else children:
            text += f"\nprocess {child.get('pid')}, made by the program\n"
            text += self._render(child) if "target" in child else f"{child.get('error', 'no report')}\n"
        self.write_text(text)

    def write_text(self, text: str) -> None:
        """Write text: to a file all of it at once, to a stream as often as you like. Raises CliError."""
        try:
            if self._file is not None:
                with open(self._file, "w", encoding="utf-8", errors="surrogateescape") as file:
                    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        file.truncate(0)
                    file.write(text)
            else:
                _write_all(1 if self._path == "-" else 2, text.encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            pass  # the reader has gone; the program's status is still worth passing on
        except OSError as error:
            raise CliError(f"cannot write the report: {error.strerror}") from None

    def _render(self, document: Dict[str, object]) -> str:
        if self._as_json:
            import json

            return json.dumps(document, indent=1) + "\n"
        from ..report import text_report

        text = text_report.render(_report(document), styling=self._styling(), width=self._width())
        return text if text.endswith("\n") else text + "\n"

    def terminal(self) -> Tuple[bool, int]:
        """Return whether colours suit the destination, and its width in columns."""
        return self._styling(), self._width()

    def _stream(self) -> Optional[TextIO]:
        if self._file is not None:
            return None
        return sys.stdout if self._path == "-" else sys.stderr

    def _styling(self) -> bool:
        stream = self._stream()
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
        return stream is not None and stream.isatty() and not plain

    def _width(self) -> int:
        stream = self._stream()
        try:
            return os.get_terminal_size(stream.fileno()).columns if stream is not None else 100
        except (OSError, ValueError):
            return 100


def _report(document: Dict[str, object]) -> "Report":
    from ..report import from_json

    return from_json(document)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
