"""What was likely meant by a key that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from src.config.groups import Groups
from src.config.problems import listing, nearest


def for_key(key: str, siblings: Collection[str], elsewhere: Iterable[str]) -> str:
    """Return the question to put behind an unknown dotted key.

    `siblings` are the names valid in its section, `elsewhere` all valid dotted keys. The same name in another place
    comes before a merely similar one in the same place, unless that is very similar.
    """
    section, _, name = key.rpartition(".")
    close = nearest(name, siblings)
    if close and difflib.SequenceMatcher(None, name.lower(), close.lower()).ratio() >= 0.8:
        return f"did you mean {close}?"
    keys = [other for other in elsewhere if other != key]
    same = [other for other in keys if other.rpartition(".")[2] == name]
    same.sort(key=lambda other: (not other.startswith(f"{section}."), other.count(".")))
    candidates = [*same[:1], *([close] if close else [])]
    if not candidates:
        leaves: dict[str, str] = {}
        for other in keys:
            leaves.setdefault(other.rpartition(".")[2], other)
        match = nearest(name, leaves)
        candidates = [leaves[match]] if match else []
    return f"did you mean {' or '.join(candidates)}?" if candidates else ""


def choices_with(key: str, groups: Groups) -> str:
    """Return which choices of the key's group have such a key, as a hint; empty where none has."""
    group, _, rest = key.partition(".")
    if not rest or not groups.is_group(group):
        return ""
    found = []
    for choice in groups.choices(group):
        values = groups.content(group, choice).values
        for part in rest.split("."):
            values = values.get(part, ...) if isinstance(values, dict) else ...
        if values is not ...:
            found.append(f"{group}={choice}")
    return f"{listing(found, 6)} has it" if len(found) == 1 else f"{listing(found, 6)} have it" if found else ""
