"""Names of the standard library's annotations, known by meaning and not read."""

from __future__ import annotations

from src.config.types import ANY, BOOL, FLOAT, INT, NONE, STR, Type, union

MODULES = ("typing", "typing_extensions", "collections", "pathlib", "os", "numbers", "types", "annotated_types")
"""Where the names below come from."""

NUMBER = union(INT, FLOAT)
PLAIN: dict[str, Type] = {
    **{"int": INT, "SupportsInt": NUMBER, "SupportsIndex": INT},
    **{"float": FLOAT, "complex": FLOAT, "SupportsFloat": FLOAT},
    **{"str": STR, "LiteralString": STR, "Text": STR, "bool": BOOL, "None": NONE, "NoneType": NONE},
    **dict.fromkeys(("Path", "PurePath", "PosixPath", "PathLike"), STR),
    **dict.fromkeys(("Number", "Real", "Complex"), NUMBER),
    **{name: Type("object", name=name) for name in ("bytes", "Callable", "Type", "type", "ModuleType", "FunctionType")},
}
SEQUENCES = {
    *("list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "Container", "Iterator", "Reversible"),
    *("set", "Set", "AbstractSet", "MutableSet", "frozenset", "FrozenSet", "deque", "Deque"),
}
TUPLES = {"tuple", "Tuple"}
MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict", "DefaultDict"}
BUILTINS = {
    *("int", "float", "complex", "str", "bool", "bytes", "type", "object"),
    *("list", "set", "frozenset", "tuple", "dict"),
}
LOOSE_BASES = {
    *("Enum", "IntEnum", "StrEnum", "Flag", "Protocol", "TypedDict", "NamedTuple"),
    *("str", "int", "float", "dict", "list", "tuple"),
}
"""Bases of classes that plain values may stand for: enumerations by name, protocols, kinds of builtins."""

BOUNDS = {
    **{"Ge": "ge", "Gt": "gt", "Le": "le", "Lt": "lt"},
    **{"MultipleOf": "multiple_of", "MinLen": "min_length", "MaxLen": "max_length"},
}
"""The bounds that annotated_types names by a class."""


def bare(name: str) -> Type:
    """Return what a name without arguments admits."""
    if name in PLAIN:
        return PLAIN[name]
    if name in SEQUENCES | TUPLES:
        return Type("sequence", (ANY,))
    return Type("mapping", (ANY, ANY)) if name in MAPPINGS else ANY


def generic(name: str, arguments: list[Type], *, endless: bool) -> Type:
    """Return what a name with arguments admits; `endless` is a tuple that ends in an ellipsis."""
    if name == "Union":
        return union(*arguments)
    if name == "Optional":
        return union(arguments[0], NONE)
    if name in ("ClassVar", "Final", "Required", "NotRequired"):
        return arguments[0]
    if name in SEQUENCES or (name in TUPLES and endless):
        return Type("sequence", (arguments[0],))
    if name in TUPLES:
        return Type("tuple", tuple(arguments))
    if name in MAPPINGS and len(arguments) == 2:
        return Type("mapping", tuple(arguments))
    return bare(name)
