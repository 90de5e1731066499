"""Addresses that the user types."""

from __future__ import annotations

import re

from ..debugger.interface import DebuggerError
from ..report.escape import printable

_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]+|\d+)\Z")


def address(text: str) -> int:
    """Return the address that a word is, hexadecimal or decimal. Raises DebuggerError."""
    if not _NUMBER.match(text):
        raise DebuggerError(f'"{printable(text, 40)}" is not an address: write it as 0x… or as a number')
    number = int(text, 0) if text[:2].lower() == "0x" else int(text)
    if number >= 1 << 64:
        raise DebuggerError(f"{printable(text, 40)} is larger than any address")
    return number
