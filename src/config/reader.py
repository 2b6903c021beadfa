"""Names looked up across modules that are read as text: re-exports, star imports, aliases, bases of classes."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from pathlib import Path

from src.config.modules import Function, Imported, Module, find, parse, statements


@dataclass(frozen=True, eq=False)
class Definition:
    """Where a name ends up: a class, a function, an assigned expression, or a whole module (`node` is None)."""

    module: Module
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr | None
    owner: ast.ClassDef | None = None
    """The class, where the node is a method."""


class Unreadable(Exception):
    """The name may well exist, but not as Python text: compiled, built in, made at run time, or not installed."""


class Reader:
    """Looks names up across modules and remembers the files that the answers depended on."""

    def __init__(self) -> None:
        self.files: set[Path] = set()

    def module(self, name: str) -> Module | None:
        """Return the module called `name`, or None where there is no such Python file."""
        path = find(name)
        module = parse(name, path) if path is not None else None
        if module is not None:
            self.files.add(module.path)
        return module

    def locate(self, target: str) -> Definition | None:
        """Return what a dotted name stands for, or None where it does not exist.

        Raises Unreadable where that cannot be told from the text.
        """
        parts = target.split(".")
        module = self.module(parts[0])
        if module is None:
            raise Unreadable(target)
        for index, part in enumerate(parts[1:], start=1):
            inner = self.module(f"{module.name}.{part}")
            if inner is not None and index < len(parts) - 1:
                module = inner
                continue
            found = self.lookup(module, part)
            return found if found is None else self._attributes(found, parts[index + 1 :])
        return Definition(module, None)

    def _attributes(self, found: Definition, rest: list[str]) -> Definition | None:
        """Follow what is left of a dotted name into a module or a class."""
        for name in rest:
            if found.node is None:
                inner = self.lookup(found.module, name)
            elif isinstance(found.node, ast.ClassDef):
                inner = next((d for base in self.mro(found) if (d := member(base, name))), None)
            else:
                raise Unreadable(name)
            if inner is None:
                return None
            found = inner
        return found

    def lookup(self, module: Module, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Definition | None:
        """Return what `name` means at the top level of `module`, through re-exports, star imports and aliases."""
        if (module.name, name) in seen:  # `from torch import optim` inside torch itself
            return self._submodule(module, name)
        seen |= {(module.name, name)}
        binding = module.bindings.get(name)
        if isinstance(binding, Imported):
            return self._imported(binding, seen)
        if isinstance(binding, ast.Name | ast.Attribute):
            return self.evaluate(module, binding, seen)
        if binding is not None:
            return Definition(module, binding)
        inner = self._submodule(module, name)
        try:  # `from .alexnet import *` binds the function over the module of that name
            return self._starred(module, name, seen) or inner
        except Unreadable:
            if inner is None:
                raise
            return inner

    def _submodule(self, module: Module, name: str) -> Definition | None:
        inner = self.module(f"{module.name}.{name}") if module.is_package else None
        return None if inner is None else Definition(inner, None)

    def _imported(self, binding: Imported, seen: frozenset[tuple[str, str]]) -> Definition | None:
        module = self.module(binding.module)
        if module is None:
            raise Unreadable(binding.module)
        return Definition(module, None) if binding.name is None else self.lookup(module, binding.name, seen)

    def _starred(self, module: Module, name: str, seen: frozenset[tuple[str, str]]) -> Definition | None:
        unreadable = "__getattr__" in module.bindings
        for source in reversed(module.stars):
            other = self.module(source)
            try:
                found = self.lookup(other, name, seen) if other is not None else None
                unreadable |= other is None
            except Unreadable:
                unreadable, found = True, None
            if found is not None:
                return found
        if unreadable:
            raise Unreadable(f"{module.name}.{name}")
        return None

    def evaluate(
        self, module: Module, expression: ast.expr, seen: frozenset[tuple[str, str]] = frozenset()
    ) -> Definition | None:
        """Return what a plain or dotted name written in `module` stands for."""
        if isinstance(expression, ast.Name):
            if expression.id not in module.bindings and hasattr(builtins, expression.id):
                raise Unreadable(expression.id)
            return self.lookup(module, expression.id, seen)
        if isinstance(expression, ast.Attribute):
            owner = self.evaluate(module, expression.value, seen)
            return None if owner is None else self._attributes(owner, [expression.attr])
        raise Unreadable(ast.unparse(expression))

    def mro(self, definition: Definition) -> list[Definition]:
        """Return the class and its bases in the order of method resolution (of those that can be read)."""
        found: list[Definition] = []
        self._ancestors(definition, found)
        latest = {id(base.node): position for position, base in enumerate(found)}
        return [base for position, base in enumerate(found) if latest[id(base.node)] == position]

    def _ancestors(self, definition: Definition, found: list[Definition]) -> None:
        assert isinstance(definition.node, ast.ClassDef)
        found.append(definition)
        for expression in definition.node.bases:
            bare = expression.value if isinstance(expression, ast.Subscript) else expression
            try:
                base = self.evaluate(definition.module, bare)
            except Unreadable:
                continue
            if base is not None and isinstance(base.node, ast.ClassDef) and base.node is not definition.node:
                self._ancestors(base, found)

    def names(self, module: Module, depth: int = 0) -> set[str]:
        """Return the public names of a module, those of its star imports among them."""
        names = {name for name in module.bindings if not name.startswith("_")}
        for source in module.stars if depth < 4 else ():
            other = self.module(source)
            names |= self.names(other, depth + 1) if other is not None else set()
        return names

    def submodules(self, module: Module) -> set[str]:
        """Return the names of the modules inside a package."""
        if not module.is_package:
            return set()
        folder = module.path if module.path.is_dir() else module.path.parent
        found = (path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
        return {path.stem for path in found if not path.name.startswith("_")}


def member(definition: Definition, name: str) -> Definition | None:
    """Return the method `name` that the class's own body defines, the last of several (overloads come first)."""
    assert isinstance(definition.node, ast.ClassDef)
    found = None
    for statement in statements(definition.node.body):
        if isinstance(statement, Function) and statement.name == name:
            found = Definition(definition.module, statement, definition.node)
    return found
