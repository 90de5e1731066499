"""What survives, in words. They may hold text from the target: whoever shows them makes them printable."""

from __future__ import annotations

from ..model.objects import Account
from ..model.survivors import SurvivorGroup, Suspect
from ..model.words import plural


def title_of(group: SurvivorGroup) -> str:
    """Return a group in a few words."""
    head, kept = f"{group.head.type} {group.head.repr}", "is kept by"
    if group.count > 1:
        head, kept = f"{group.count} objects like {head}", "are kept, each by" if group.kind == "lost" else "are kept by"
    if group.kind == "unvisited":
        suspect = group.suspects[0]
        return f"{_what(suspect)} is not visited: {head} and what it refers to can never be collected"
    if group.kind == "static":
        return f"{head} {kept} {_holder(group, 'C data of a library')}"
    if group.kind == "lost":
        return f"{head} {kept} {plural(group.account.unexplained or 0, 'reference')} that nothing shows"
    if group.kind == "memory":
        return f"{head} {kept} {_holder(group, 'memory of C code')}"
    if group.kind == "immortal":
        return f"{head} {'is' if group.count == 1 else 'are'} immortal, and nothing of CPython's own keeps it"
    return f"{head} is only held by its own cycle"


def _holder(group: SurvivorGroup, otherwise: str) -> str:
    """Return who holds the objects of a group: several have only the variable in common."""
    if not group.holders:
        return otherwise
    first = group.holders[0]
    if group.count == 1 or not first.through or not first.library:
        return first.words
    variable = f"{first.through} in {first.library.rsplit('/', 1)[-1]}"
    return f"memory to which {variable} leads" if group.kind == "memory" else variable


def _what(suspect: Suspect) -> str:
    if suspect.edge == "ob_type":
        return f"the type of {suspect.type} objects"
    return f"{suspect.edge} of {suspect.type} objects"


def account_words(account: Account) -> str:
    """Return the account of an object's references in a sentence."""
    if account.count is None:
        return "immortal: its references are not counted, and it is never freed"
    parts = [
        (account.objects, "by objects"), (account.frames, "by running frames"), (account.static, "by C data of libraries"),
        (account.structures, "by CPython's own structures"), (account.callbacks, "by callbacks of atexit"),
    ]  # fmt: skip
    named = [f"{number} {words}" for number, words in parts if number]
    left = account.unexplained or 0
    if 0 < left <= account.pointed:
        named.append(f"{left} by memory of C code to which a C variable leads")
        left = 0
    text = f"{plural(account.count, 'reference')}: {', '.join(named) or 'none by anything that shows'}"
    if left > 0:
        text += f", {left} unexplained (held from outside of the collector: by C code that nobody shows"
        hints = [(account.stack, "on a C stack"), (account.memory, "in memory of C code")]
        seen = [f"{plural(number, 'word')} {words}" for number, words in hints if number]
        text += f"; {' and '.join(seen)} may be it)" if seen else "; no word in memory is its address)"
    elif left < 0:
        text += f"; {-left} more than are counted: a reference is missing, or a word in C data owns none"
    return text
