"""`pyfin modules`: what is left of ``sys.modules``."""

from __future__ import annotations

from typing import Any, List

from ..cpython.modules import read_modules
from ..report.records import encode
from .base import Command, split
from .summary import interpreters_of, origin_document, print_json, print_origin, print_problems, summary_parser


class ModulesCommand(Command):
    """Prints the modules of each interpreter in the order of ``sys.modules``."""

    def run(self, words: str) -> None:
        """Print the modules. Raises DebuggerError."""
        options = summary_parser("modules").parse_args(split(words))
        problems: List[str] = []
        found = interpreters_of(self.session, problems)
        documents: List[Any] = []
        blocks = []
        for interpreter in found:
            own: List[str] = []
            modules = read_modules(self.session.python(), interpreter.address, own)
            if options.json:
                document = encode(interpreter)
                del document["threads"], document["gc"]  # not read
                document["sys_modules"] = encode(modules)
                document["problems"] = own
                documents.append(document)
                continue
            from ..report.summaries import render_modules

            if modules is None and not own:
                blocks.append(f"interpreter {interpreter.id} has no sys.modules (any more)")
                continue
            style, width = self.session.style(), self.session.width()
            if modules is None:
                blocks.extend(own)
                continue
            blocks.append(render_modules(modules, style, width, interpreter.id, own))
        if options.json:
            document = {"interpreters": documents, "problems": problems}
            print_json(self.session, {**document, **origin_document(self.session, "modules")})
            return
        self.session.print("\n\n".join(blocks) or "no interpreter is alive")
        print_problems(self.session, problems)
        print_origin(self.session, "modules")


COMMAND = ModulesCommand()
