"""The arguments that a target takes, read from source text without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from src.config.annotations import AnnotationReader
from src.config.cache import cached
from src.config.modules import Function
from src.config.parameters import Parameter, ParameterReader
from src.config.problems import nearest
from src.config.reader import Definition, Reader, Unreadable


@dataclass(frozen=True)
class Signature:
    """The arguments of a class or function that can be given by name."""

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    open: bool = False
    """Whether further names may be taken too: `**kwargs` that go where the text does not tell."""
    module: str = ""
    """Where the target is defined, which re-exports hide; empty where that could not be read."""


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
    return Signature(parameters, row["open"], row["module"])


def class_literal(target: str, name: str) -> Any:
    """Return the literal that a class, or the first base that has one, assigns to `name`; None where there is none."""

    def read(reader: Reader) -> dict[str, Any]:
        definition = _locate(target, reader)
        if definition is None or not isinstance(definition.node, ast.ClassDef):
            return {"value": None}
        values = (_assigned(base.node, name) for base in reader.mro(definition))
        return {"value": next((value for value in values if value is not None), None)}

    value = cached(f"literal {target} {name}", read)["value"]
    return tuple(value) if isinstance(value, list) else value


def _read(target: str, reader: Reader) -> dict[str, Any]:
    definition = _locate(target, reader)
    if definition is None:
        return {"parameters": {}, "open": True, "module": ""}
    parameters, is_open = ParameterReader(reader, AnnotationReader(reader)).of(definition)
    rows = {name: parameter.as_json() for name, parameter in parameters.items()}
    return {"parameters": rows, "open": is_open, "module": definition.module.name}


def _locate(target: str, reader: Reader) -> Definition | None:
    """Return the class or function, None where it cannot be read. Raises NoSuchTarget where it does not exist."""
    try:
        definition = reader.locate(target)
    except Unreadable as unreadable:
        if str(unreadable) == target:  # not even the top-level package is there
            raise NoSuchTarget(target, None) from unreadable
        return None
    if definition is None or definition.node is None:
        raise NoSuchTarget(target, _nearest_target(target, reader))
    if isinstance(definition.node, ast.ClassDef | Function):
        return definition
    if isinstance(definition.node, ast.Constant | ast.Dict | ast.List | ast.Tuple | ast.Set | ast.JoinedStr):
        raise NoSuchTarget(target, _nearest_target(target, reader))
    return None


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
    for statement in node.body if isinstance(node, ast.ClassDef) else ():
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        if value is not None and any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(value)
            except ValueError:
                return None
    return None
