"""The arguments that a target takes, read from source text without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.config.annotations import AnnotationReader
from src.config.cache import cached
from src.config.modules import Function
from src.config.parameters import Parameter, ParameterReader
from src.config.problems import nearest
from src.config.reader import Definition, Reader, Unreadable, member


@dataclass(frozen=True)
class Signature:
    """The arguments of a class or function that can be given by name."""

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    open: bool = False
    """Whether further names may be taken too: `**kwargs` that go where the text does not tell."""
    place: str = ""
    """The module that defines the target, which re-exports hide; where that could not be read, the name it led to."""


NOT_CALLABLE = (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.JoinedStr)


class NoSuchTarget(Exception):
    """The target's text was read and holds no such name; `suggestion` is the nearest one, or None."""

    def __init__(self, target: str, suggestion: str | None) -> None:
        super().__init__(target)
        self.suggestion = suggestion


def signature(target: str) -> Signature:
    """Return the signature of the class or function at a dotted path.

    Classes that define no constructor inherit one, dataclasses have their fields, `**kwargs` are followed into the
    callees that they are passed to. Compiled targets cannot be read: their signature is open and empty.
    Raises NoSuchTarget where the path leads nowhere, or to something that cannot be called.
    """
    row = cached(f"signature {target}", lambda reader: _read(target, reader))
    parameters = {name: Parameter.from_json(name, parameter) for name, parameter in row["parameters"].items()}
    return Signature(parameters, row["open"], row["place"])


def class_literal(target: str, name: str) -> Any:
    """Return the literal that a class, or the first base that has one, assigns to `name`; None where there is none."""

    def read(reader: Reader) -> dict[str, Any]:
        definition, _ = _locate(target, reader)
        if definition is None or not isinstance(definition.node, ast.ClassDef):
            return {"value": None}
        values = (_assigned(base.node, name) for base in reader.mro(definition))
        return {"value": next((value for value in values if value is not None), None)}

    value = cached(f"literal {target} {name}", read)["value"]
    return tuple(value) if isinstance(value, list) else value


def literal_beside(target: str, name: str, methods: Sequence[str]) -> Any:
    """Return the literal that is assigned to `name` by the first class that defines it or one of the `methods`.

    So a class that overrides a method does not inherit what its base says of that. None where there is no literal.
    """

    def read(reader: Reader) -> dict[str, Any]:
        definition, _ = _locate(target, reader)
        for base in reader.mro(definition) if definition and isinstance(definition.node, ast.ClassDef) else ():
            if _assigns(base.node, name) or any(member(base, method) for method in methods):
                return {"value": _assigned(base.node, name)}
        return {"value": None}

    value = cached(f"literal {target} {name} beside {' '.join(methods)}", read)["value"]
    return tuple(value) if isinstance(value, list) else value


def _read(target: str, reader: Reader) -> dict[str, Any]:
    definition, place = _locate(target, reader)
    if definition is None:
        return {"parameters": {}, "open": True, "place": place}
    parameters, is_open = ParameterReader(reader, AnnotationReader(reader)).of(definition)
    rows = {name: parameter.as_json() for name, parameter in parameters.items()}
    return {"parameters": rows, "open": is_open, "place": place}


def _locate(target: str, reader: Reader) -> tuple[Definition | None, str]:
    """Return the class or function and where it lies; None where it cannot be read, and the name that it led to.

    Raises NoSuchTarget where it does not exist, or is neither a class nor a function of a module.
    """
    try:
        definition = reader.locate(target)
    except Unreadable as unreadable:
        if str(unreadable) == target:  # not even the top-level package is there
            raise NoSuchTarget(target, None) from unreadable
        return None, str(unreadable)
    node = definition.node if definition is not None else None
    if definition is None or node is None or isinstance(node, NOT_CALLABLE) or definition.owner is not None:
        suggestion = _nearest_target(target, reader)
        raise NoSuchTarget(target, suggestion if suggestion != target else None)
    return (definition if isinstance(node, ast.ClassDef | Function) else None), definition.module.name


def _nearest_target(target: str, reader: Reader, *, module: bool = False) -> str | None:
    """Return the target (a `module`, where it is one) with what is misspelt in it as it was likely meant."""
    parent, _, last = target.rpartition(".")
    try:
        owner = reader.locate(parent) if parent else None
    except Unreadable:
        return None
    if owner is None:
        better = _nearest_target(parent, reader, module=True) if parent else None
        return f"{better}.{last}" if better else None
    if owner.node is not None:
        return None
    inner = reader.submodules(owner.module)
    match = nearest(last, sorted(inner if module else reader.names(owner.module) | inner))
    return f"{parent}.{match}" if match else None


def _assigned(node: ast.AST | None, name: str) -> Any:
    """Return the literal assigned to `name` in a class body, or None."""
    try:
        return ast.literal_eval(value) if (value := _assigns(node, name)) is not None else None
    except ValueError:
        return None


def _assigns(node: ast.AST | None, name: str) -> ast.expr | None:
    """Return the expression assigned to `name` in a class body, or None."""
    for statement in node.body if isinstance(node, ast.ClassDef) else ():
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value: ast.expr | None = getattr(statement, "value", None)
        if value is not None and any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return value
    return None
