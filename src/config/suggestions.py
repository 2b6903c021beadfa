"""What was likely meant by a key that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from src.config.groups import Groups, leaves
from src.config.problems import did_you_mean, listing, nearest
from src.config.schema import SECTIONS
from src.config.signatures import NoSuchTarget, signature

OTHERWISE_CALLED = {
    "learning_rate": "optimizer.lr",
    "pretrained": "model.source=IMAGENET1K_V1",
    "wd": "optimizer.weight_decay",
    "bs": "data.batch_size",
}
"""Names that other programs have for a key of ours, and that are unlike it in letters."""


def for_key(key: str, siblings: Collection[str], elsewhere: Iterable[str]) -> str:
    """Return the question to put behind an unknown dotted key.

    `siblings` are the names valid in its section, `elsewhere` all valid dotted keys. The same name in another place
    comes before a merely similar one in the same place, unless that is very similar.
    """
    section, _, name = key.rpartition(".")
    elsewhere = list(elsewhere)
    meant = OTHERWISE_CALLED.get(name, "")
    if meant.partition("=")[0] in elsewhere:
        return f"did you mean {meant}?"
    close = nearest(name, siblings)
    if close and is_misspelling(name, [close], 0.8):
        return f"did you mean {close}?"
    keys = [other for other in elsewhere if other != key]
    same = [other for other in keys if other.rpartition(".")[2] == name]
    same.sort(key=lambda other: (not other.startswith(f"{section}."), other.count(".")))
    candidates = [*same[:1], *([close] if close else [])]
    if not candidates:
        leaves: dict[str, str] = {}
        for other in keys:
            if "." in other or not section:  # a whole section is not meant by a key inside one
                leaves.setdefault(other.rpartition(".")[2], other)
        match = nearest(name, leaves)
        candidates = [leaves[match]] if match and is_misspelling(name, [match], 0.7) else []
    return f"did you mean {' or '.join(candidates)}?" if candidates else ""


def is_misspelling(name: str, candidates: Collection[str], least: float = 0.85) -> bool:
    """Return whether a name is so like another that it is hardly a name of its own."""
    if any(sorted(name) == sorted(candidate) for candidate in candidates):
        return True
    ratios = (difflib.SequenceMatcher(None, name.lower(), candidate.lower()).ratio() for candidate in candidates)
    return max(ratios, default=0.0) >= least


def choices_with(key: str, groups: Groups) -> str:
    """Return which choices of the key's group have such a key, as a hint; empty where none has."""
    group, _, rest = key.partition(".")
    if not rest or not groups.is_group(group):
        return ""
    found = [
        f"{group}={choice}"
        for choice in groups.choices(group)
        if any(f"{name}.".startswith(f"{rest}.") for name in leaves(groups.content(group, choice).values))
    ]
    verb = "has" if len(found) == 1 else "have"
    return f"{listing(found, 6)} {verb} it" if found else ""


def bringing(key: str, values: Mapping[str, Any], groups: Groups) -> str:
    """Return what would give a section its `_target_`: a choice that brings it, or another name."""
    group, _, name = key.partition(".")
    if not name:
        return f"choose one with {group}=..." if groups.is_group(group) else ""
    for choice in groups.choices(group):
        entry = groups.content(group, choice).values.get(name)
        if isinstance(entry, dict) and "_target_" in entry:
            return f"{group}=[default,{choice}] brings it"
    siblings = values.get(group)
    entries = siblings.items() if isinstance(siblings, Mapping) else ()
    return did_you_mean(name, [other for other, item in entries if isinstance(item, Mapping) and "_target_" in item])


def valid_keys(plain: Iterable[str], sections: Iterable[str], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield every valid dotted key: the plain ones, and all arguments of the sections that are in use."""
    yield from plain
    for name in sections:
        yield name
        value = values.get(name)
        entries = value.items() if SECTIONS[name].named and isinstance(value, Mapping) else [("", value)]
        for entry, item in entries:
            yield from _arguments(f"{name}.{entry}".rstrip("."), item, SECTIONS[name].supplied)


def _arguments(key: str, value: Any, supplied: Collection[str] = ()) -> Iterator[str]:
    if not isinstance(value, Mapping) or not isinstance(value.get("_target_"), str):
        return
    try:
        known = signature(value["_target_"])
    except NoSuchTarget:
        return
    for name in known.parameters:
        if name not in supplied:
            yield f"{key}.{name}"
            yield from _arguments(f"{key}.{name}", value.get(name))
