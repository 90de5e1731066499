"""How many columns a terminal gives to a text, and how to make a text fit.

Only for text that `escape.printable` has seen: it holds neither control characters nor colours.
"""

from __future__ import annotations

import unicodedata
from typing import List

from .escape import ELLIPSIS


def character_width(character: str) -> int:
    """Return 0 for a combining mark, 2 for a wide (East Asian, emoji) character, else 1."""
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def display_width(text: str) -> int:
    """Return the columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(character_width, text))


def shorten(text: str, columns: int, keep: str = "start") -> str:
    """Return ``text`` cut to at most ``columns`` columns, with an ellipsis where it was cut.

    ``keep`` says which side is worth more: ``start``, or ``end`` (the file name of a long path).
    """
    if display_width(text) <= columns:
        return text
    if columns <= 0:
        return ""
    kept: List[str] = []
    used = 0
    for character in text if keep == "start" else reversed(text):
        used += character_width(character)
        if used > columns - 1:
            break
        kept.append(character)
    if keep == "start":
        return "".join(kept) + ELLIPSIS
    return ELLIPSIS + "".join(reversed(kept))


def pad(text: str, columns: int) -> str:
    """Return ``text`` with spaces after it up to ``columns`` columns."""
    return text + " " * max(0, columns - display_width(text))


def wrap(text: str, columns: int) -> List[str]:
    """Return the lines of a paragraph broken at spaces; 0 columns means one line.

    A word longer than a line is left whole: a path or an address is of no use in two pieces.
    """
    if columns <= 0:
        return [text]
    lines: List[str] = []
    line = ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if line and display_width(candidate) > columns:
            lines.append(line)
            line = word
        else:
            line = candidate
    lines.append(line)
    return lines
