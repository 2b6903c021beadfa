"""Python modules read as text: found by path, never imported, so that a check costs no import of torch.

`importlib.util.find_spec("torch.optim.sgd")` imports torch; so only the top-level name is asked for, and the rest of a
dotted name is walked through folders.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Imported:
    """A name bound by an import: `name` of `module`, or the module itself where `name` is None."""

    module: str
    name: str | None


Function = ast.FunctionDef | ast.AsyncFunctionDef
Binding = Imported | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr


@dataclass(eq=False)
class Module:
    """A module's text: what its top level binds, and the modules it imports everything from."""

    name: str
    path: Path
    bindings: dict[str, Binding] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


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
        path = _find(name)
        if path is None or path.suffix != ".py":
            return None
        self.files.add(path)
        return _parse(name, path)

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
        inner = self.module(f"{module.name}.{name}") if module.path.name == "__init__.py" else None
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
        if module.path.name != "__init__.py":
            return set()
        found = (path for path in module.path.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
        return {path.stem for path in found if not path.name.startswith("_")}


def member(definition: Definition, name: str) -> Definition | None:
    """Return the method `name` that the class's own body defines, the last of several (overloads come first)."""
    assert isinstance(definition.node, ast.ClassDef)
    found = None
    for statement in _statements(definition.node.body):
        if isinstance(statement, Function) and statement.name == name:
            found = Definition(definition.module, statement, definition.node)
    return found


@lru_cache(maxsize=None)
def _find(name: str) -> Path | None:
    """Return the file of a module; a file that is not Python text where it is compiled."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.has_location else _namespace(spec.submodule_search_locations)
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest.split("."))
        for candidate in (path / "__init__.py", path.with_name(path.name + ".py")):
            if candidate.is_file():
                return candidate
    return None


def _namespace(folders: Iterable[str] | None) -> Path | None:
    return next((Path(folder) for folder in folders or ()), None)


@lru_cache(maxsize=None)
def _parse(name: str, path: Path) -> Module | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    module = Module(name, path)
    for statement in _statements(tree.body):
        _bind(module, statement)
    return module


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body and of its branches, those that normally run last."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _statements(statement.orelse)
            yield from _statements(statement.body)
        elif isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from _statements(handler.body)
            yield from _statements(statement.body + statement.orelse + statement.finalbody)
        elif isinstance(statement, ast.With):
            yield from _statements(statement.body)
        else:
            yield statement


def _bind(module: Module, statement: ast.stmt) -> None:
    if isinstance(statement, ast.ImportFrom):
        source = _absolute(module, statement)
        for alias in statement.names:
            if alias.name == "*":
                module.stars.append(source)
            else:
                module.bindings[alias.asname or alias.name] = Imported(source, alias.name)
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            module.bindings[alias.asname or name] = Imported(name, None)
    elif isinstance(statement, ast.ClassDef | Function):
        module.bindings[statement.name] = statement
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                module.bindings[target.id] = statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        module.bindings[statement.target.id] = statement.value
    elif type(statement).__name__ == "TypeAlias":  # `type X = ...` of Python 3.12
        module.bindings[statement.name.id] = statement.value  # type: ignore[attr-defined]


def _absolute(module: Module, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    package = module.package.split(".")
    base = package[: len(package) - (statement.level - 1)]
    return ".".join([*base, statement.module] if statement.module else base)
