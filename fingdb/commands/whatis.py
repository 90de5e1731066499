"""`pyfin whatis ADDR`: what lies at an address of the target."""

from __future__ import annotations

from typing import Optional

from ..cpython.target import PythonTarget
from ..debugger.interface import DebuggerError, TargetKind
from ..findings.whatis import Lookup, WhatIs
from ..report.escape import printable
from .addresses import address
from .arguments import parser
from .base import Command, split
from .summary import origin_of, print_json, print_origin


class WhatIsCommand(Command):
    """Prints one line on each address."""

    def run(self, words: str) -> None:
        """Print what lies at the addresses. Raises DebuggerError."""
        arguments = parser("whatis")
        arguments.add_argument("address", nargs="+")
        arguments.add_argument("--json", action="store_true")
        options = arguments.parse_args(split(words))
        addresses = [address(text) for text in options.address]
        if self.session.debugger.target().kind not in (TargetKind.CORE, TargetKind.LIVE):
            raise DebuggerError(f"there is no process and no core: {self.session.debugger.hints.memory}")
        python = self._python()
        lookup = Lookup(self.session.debugger, python)
        answers = [lookup.what_is(address) for address in addresses]
        if options.json:
            print_json(self.session, [_document(answer) for answer in answers])
            return
        for answer in answers:
            self.session.print(f"{answer.address:#x}: {printable(answer.words)}")
        if python is not None and origin_of(self.session, "whatis").missing:
            print_origin(self.session, "whatis")

    def _python(self) -> Optional[PythonTarget]:
        try:
            return self.session.python()
        except DebuggerError:
            return None


def _document(answer: WhatIs) -> object:
    held = answer.object
    return {
        "address": hex(answer.address),
        "kind": answer.kind,
        "words": answer.words,
        "object": {"address": hex(held.address), "type": held.type} if held is not None else None,
        "refcount": answer.count,
    }


COMMAND = WhatIsCommand()
