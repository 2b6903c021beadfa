"""Plain values against types: what is wrong with one, said for a person; nothing is ever converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from src.config.problems import did_you_mean, listing
from src.config.types import Type

NAMES = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "none": "null"}
BOUNDS: dict[str, tuple[str, Callable[[Any, float], bool]]] = {
    "ge": ("at least", lambda value, limit: value >= limit),
    "gt": ("more than", lambda value, limit: value > limit),
    "le": ("at most", lambda value, limit: value <= limit),
    "lt": ("less than", lambda value, limit: value < limit),
    "multiple_of": ("a multiple of", lambda value, limit: value % limit == 0),
}
LENGTHS = {"min_length": ("at least", "ge"), "max_length": ("at most", "le")}


class Fault(str):
    """What is wrong with a value; `near` where its kind is right and only its size or a part of it is not."""

    near: bool

    def __new__(cls, text: str, *, near: bool = False) -> Fault:
        fault = super().__new__(cls, text)
        fault.near = near
        return fault


def fault(value: Any, kind: Type) -> Fault | None:
    """Return what is wrong with a plain value for a type, or None where nothing is.

    Whole numbers are numbers, but true and false are not; a list fits a tuple of its length. Objects cannot be written
    in plain values. A section with a `_target_` builds an object and is judged elsewhere, so it fits any type.
    """
    if kind.kind == "any" or (isinstance(value, Mapping) and "_target_" in value):
        return _outside(value, kind) if kind.limits else None
    if kind.kind == "union":
        return _none_of(value, kind)
    if kind.kind in ("sequence", "tuple"):
        return _list_fault(value, kind)
    if kind.kind == "mapping":
        return _mapping_fault(value, kind)
    if not _fits(value, kind):
        return Fault(f"must be {describe(kind)}, not {show(value)}{_quoted(value, kind)}")
    return _outside(value, kind)


def describe(kind: Type) -> str:
    """Return a type in words, for "must be ..."."""
    if kind.kind == "literal":
        return ("one of " if len(kind.values) > 1 else "") + listing(_literal(value) for value in kind.values)
    if kind.kind == "union":
        plain = [part for part in kind.parts if part.kind != "object"] or list(kind.parts)
        return " or ".join(describe(part) for part in plain)
    if kind.kind == "sequence":
        inner = kind.parts[0]
        return "a list" if inner.kind == "any" else f"a list with {describe(inner)} in each place"
    if kind.kind == "tuple":
        return f"a list of {len(kind.parts)}"
    if kind.kind == "mapping":
        return "a section of keys and values"
    if kind.kind == "object":
        return f"a section with `_target_` ({kind.name})"
    return _bounded(NAMES.get(kind.kind, "anything"), kind)


def show(value: Any) -> str:
    """Return a value as a person would type it, saying what it is where that could be mistaken."""
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return _literal(value)


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and _looks_like_number(value):
        return repr(value)
    return str(value)


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quoted(value: Any, kind: Type) -> str:
    """Return how to write as text what was read as a number."""
    admits_text = kind.kind == "str" or str(value) in [v for v in kind.values if isinstance(v, str)]
    if admits_text and isinstance(value, int | float):
        return f"""; as text: "'{_literal(value)}'\""""
    if kind.kind == "literal" and isinstance(value, str):
        question = did_you_mean(value, [v for v in kind.values if isinstance(v, str)])
        return f"; {question}" if question else ""
    return ""


def _fits(value: Any, kind: Type) -> bool:
    """Return whether a value is of a builtin type, or among the literals, without regard to bounds."""
    if kind.kind == "literal":
        return any(value == allowed and type(value) is type(allowed) for allowed in kind.values)
    if kind.kind == "none":
        return value is None
    if kind.kind == "bool" or isinstance(value, bool):
        return kind.kind == "bool" and isinstance(value, bool)
    if kind.kind == "float":
        return isinstance(value, int | float)
    return isinstance(value, {"int": int, "str": str}.get(kind.kind, ()))


def _none_of(value: Any, kind: Type) -> Fault | None:
    """Return the fault of the alternative that was likely meant, or one for all of them."""
    faults = [fault(value, part) for part in kind.parts]
    if None in faults:
        return None
    near = [found for found in faults if found is not None and found.near]
    if near:
        return near[0]
    hints = "".join(dict.fromkeys(_quoted(value, part) for part in kind.parts))
    return Fault(f"must be {describe(kind)}, not {show(value)}{hints}")


def _list_fault(value: Any, kind: Type) -> Fault | None:
    if not isinstance(value, list | tuple):
        return Fault(f"must be {describe(kind)}, not {show(value)}")
    if kind.kind == "tuple" and len(value) != len(kind.parts):
        return Fault(f"must be a list of {len(kind.parts)}, not of {len(value)}", near=True)
    for name, limit in kind.limits:
        if name in LENGTHS and not BOUNDS[LENGTHS[name][1]][1](len(value), limit):
            return Fault(f"must have {LENGTHS[name][0]} {limit:g} entries, not {len(value)}", near=True)
    parts = kind.parts if kind.kind == "tuple" else kind.parts * len(value)
    for place, (item, part) in enumerate(zip(value, parts, strict=True)):
        found = fault(item, part)
        if found is not None:
            return Fault(f"entry {place} {found}", near=True)
    return None


def _mapping_fault(value: Any, kind: Type) -> Fault | None:
    if not isinstance(value, Mapping):
        return Fault(f"must be {describe(kind)}, not {show(value)}")
    for key, item in value.items():
        found = fault(item, kind.parts[1])
        if found is not None:
            return Fault(f"key {key} {found}", near=True)
    return None


def _outside(value: Any, kind: Type) -> Fault | None:
    """Return what is wrong with a value's size; for a list, with that of its entries."""
    if isinstance(value, list | tuple):
        faults = [_outside(item, kind) for item in value]
        return next((found for found in faults if found is not None), None)
    if isinstance(value, str) or value is None or isinstance(value, bool | Mapping):
        return None
    if all(BOUNDS[name][1](value, limit) for name, limit in kind.limits if name in BOUNDS):
        return None
    return Fault(f"must be {_bounded('', kind)}, not {value}", near=True)


def _bounded(name: str, kind: Type) -> str:
    bounds = [f"{BOUNDS[bound][0]} {limit:g}" for bound, limit in kind.limits if bound in BOUNDS]
    return " ".join(part for part in (name, " and ".join(bounds)) if part)
