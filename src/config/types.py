"""What an annotation admits, as far as a plain value can be judged: builtin types, Literals and ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Plain = str | int | float | bool | None


@dataclass(frozen=True)
class Type:
    """One annotation.

    `kind` is the name of a builtin (`int`, `float`, `str`, `bool`, `none`), or one of

    - `any`: whatever it is, it is accepted
    - `literal`: one of `values`
    - `union`: any of `parts`
    - `sequence`: a list of `parts[0]`; `tuple`: a list with one entry of each of `parts`
    - `mapping`: a section from `parts[0]` to `parts[1]`
    - `object`: an object of the class `name`, so nothing that a configuration can write but a section with `_target_`
    """

    kind: str
    parts: tuple[Type, ...] = ()
    values: tuple[Plain, ...] = ()
    name: str = ""
    limits: tuple[tuple[str, float], ...] = ()
    """Bounds as annotated_types names them: `ge`, `gt`, `le`, `lt`, `multiple_of`, `min_length`, `max_length`."""

    def limited(self, limits: tuple[tuple[str, float], ...]) -> Type:
        """Return the type with further bounds, which those alternatives of a union take over that have a size."""
        if self.kind == "union":
            return replace(self, parts=tuple(part.limited(limits) for part in self.parts))
        if self.kind in ("literal", "none", "bool", "object"):
            return self
        return replace(self, limits=self.limits + limits)

    def as_json(self) -> list[Any]:
        """Return the type in lists, for the cache on disk."""
        return [self.kind, [part.as_json() for part in self.parts], list(self.values), self.name, list(self.limits)]

    @classmethod
    def from_json(cls, row: list[Any]) -> Type:
        """Return the type that `as_json` wrote."""
        kind, parts, values, name, limits = row
        bounds = tuple((str(bound), limit) for bound, limit in limits)
        return cls(kind, tuple(cls.from_json(part) for part in parts), tuple(values), name, bounds)


ANY = Type("any")
NONE = Type("none")
INT = Type("int")
FLOAT = Type("float")
STR = Type("str")
BOOL = Type("bool")


def union(*types: Type) -> Type:
    """Return the type that admits what any of `types` admits: flattened, Literals joined, each alternative once."""
    flat = [part for kind in types for part in (kind.parts if kind.kind == "union" else (kind,))]
    if ANY in flat:
        return ANY
    literals = tuple(value for part in flat if part.kind == "literal" for value in part.values)
    joined = Type("literal", values=literals)
    alternatives = tuple(dict.fromkeys(joined if part.kind == "literal" else part for part in flat))
    return alternatives[0] if len(alternatives) == 1 else Type("union", alternatives)
