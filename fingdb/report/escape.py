"""Text that comes from the target is untrusted: show it without letting it speak to the terminal."""

from __future__ import annotations

from typing import List, Optional

ELLIPSIS = "…"


def escape_character(character: str) -> str:
    """Return the visible form of one character: ``\\xNN``, ``\\uNNNN`` or ``\\UNNNNNNNN``."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"


def printable(text: str, limit: Optional[int] = None) -> str:
    """Return ``text`` with everything that a terminal would not simply show made visible.

    Control characters (C0, DEL, C1), bidirectional overrides and isolates, line and paragraph
    separators, lone surrogates, unassigned and private characters and exotic spaces become
    ``\\xNN`` or ``\\uNNNN``. With ``limit`` the answer has at most that many characters, the last
    one an ellipsis where something was cut. An escape is never cut in its middle.
    """
    if limit is None:
        if text.isprintable():
            return text
        return "".join(c if c.isprintable() else escape_character(c) for c in text)
    if limit <= 0:
        return ""
    # A character never gets shorter by escaping: one more than the limit decides whether to cut.
    head = text[: limit + 1]
    if head.isprintable() and len(head) <= limit:
        return head
    pieces: List[str] = []
    used = 0
    room = 0  # pieces that still fit when an ellipsis follows
    for character in head:
        piece = character if character.isprintable() else escape_character(character)
        if used + len(piece) > limit:
            return "".join(pieces[:room]) + ELLIPSIS
        pieces.append(piece)
        used += len(piece)
        if used <= limit - 1:
            room = len(pieces)
    return "".join(pieces)
