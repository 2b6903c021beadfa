"""Python modules read as text: found by path, never imported, so that a check costs no import of torch.

`importlib.util.find_spec("torch.optim.sgd")` imports torch; so only the top-level name is asked for, and the rest of a
dotted name is walked through folders.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
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
    is_package: bool
    bindings: dict[str, Binding] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@cache
def find(name: str) -> Path | None:
    """Return the file of a module, or the folder of a package without `__init__.py`; None where there is neither."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest and spec.origin and spec.has_location:
        return Path(spec.origin)
    places = [
        Path(folder, *rest.split(".")) if rest else Path(folder) for folder in spec.submodule_search_locations or ()
    ]
    candidates = [file for path in places for file in (path / "__init__.py", path.with_name(f"{path.name}.py"))]
    files = [file for file in candidates if file.is_file()] or [path for path in places if path.is_dir()]
    return files[0] if files else None


@cache
def parse(name: str, path: Path) -> Module | None:
    """Return what a module's file binds, None where it is not Python text."""
    module = Module(name, path, is_package=path.is_dir() or path.name == "__init__.py")
    if path.is_dir():
        return module
    try:
        tree = ast.parse(path.read_bytes()) if path.suffix == ".py" else None
    except (OSError, SyntaxError, ValueError):
        return None
    for statement in statements(tree.body if tree else []):
        _bind(module, statement)
    return module if tree else None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body and of its branches, those that normally run last."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from statements(statement.orelse)
            yield from statements(statement.body)
        elif isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from statements(handler.body)
            yield from statements(statement.body + statement.orelse + statement.finalbody)
        elif isinstance(statement, ast.With):
            yield from statements(statement.body)
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
