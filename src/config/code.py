"""The code that a computation uses, as digests: every module of ours that its entry points import, read as text.

What Python does not see is left out: comments, docstrings and blank lines. So a digest moves when the code does.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from src.config.groups import document
from src.config.modules import find, parse

BESIDE_PYTHON = (".html", ".css", ".js", ".json", ".yaml", ".csv", ".txt")
"""Files of a package that its code reads; others are what editors, merges and systems leave."""


def code_digests(
    entries: Iterable[str], *, beside: Collection[str] = (), packages: Iterable[str] = ()
) -> dict[str, str]:
    """Return a digest by module for `entries` and everything of `src`, or of other `packages`, that they import.

    An import counts wherever it stands, also inside a function; only those under `if TYPE_CHECKING:` never run. A
    package's own file runs before its modules, and its files of `BESIDE_PYTHON`, such as templates, count with it.
    Modules and packages in `beside` are left out.
    """
    own = {"src", *packages}
    found: dict[str, str] = {}
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        path = find(name) if name.partition(".")[0] in own and name not in found else None
        if path is not None and path.suffix == ".py":
            found[name], imported = _read(name, path)
            waiting += [name.rpartition(".")[0], *(module for module in imported if not _is_within(module, beside))]
    return dict(sorted(found.items()))


def forget() -> None:
    """Read everything from disk again from now on: what a long computation began with may have been edited since."""
    for read in (_read, find, parse, document):
        read.cache_clear()


@cache
def _read(name: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module and what it imports."""
    text = path.read_text(encoding="utf-8")
    imported = imported_modules(ast.parse(text), name, is_package=path.name == "__init__.py")
    return _digest(significant(text), *_beside_python(path)), tuple(imported)


def module_of(target: str) -> str:
    """Return the module that a `_target_` is taken from; where it only re-exports it, its imports lead on."""
    name = target
    while name and find(name) is None:
        name = name.rpartition(".")[0]
    return name


def imported_modules(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    """Yield the dotted names that a module imports, those of names in them among them: the latter may be modules."""
    package = name if is_package else name.rpartition(".")[0]
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under `if TYPE_CHECKING:`."""
    yield node
    only_types = isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING"
    children = node.orelse if isinstance(node, ast.If) and only_types else ast.iter_child_nodes(node)
    for child in children:
        yield from _running(child)


def significant(text: str) -> str:
    """Return Python text without comments, strings that stand alone, blank lines and spaces behind a line.

    It is cut out of the text, not printed from its tree, so that it is the same for every version of Python.
    """
    lines = text.split("\n")
    inside: set[int] = set()
    """Rows whose end lies within a text, where spaces are part of it."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
        elif token.type in _TEXTS:
            inside.update(range(token.start[0] - 1, token.end[0] - 1))
    for statement, alone in sorted(_descriptions(ast.parse(text)), key=_place, reverse=True):  # places before it stay
        inside.difference_update(range(statement.lineno - 1, statement.end_lineno or 0))
        _cut(lines, statement, "..." if alone else "")
    kept = (line if row in inside else line.rstrip() for row, line in enumerate(lines))
    return "\n".join(line for row, line in enumerate(kept) if line or row in inside)


_TEXTS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
"""From Python 3.12 on, f-strings come in parts."""


def _descriptions(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the strings that stand alone, and whether there is nothing beside each in its block."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in filter(_is_description, node.body):
                yield statement, len(node.body) == 1


def _place(found: tuple[ast.stmt, bool]) -> tuple[int, int]:
    return found[0].lineno, found[0].col_offset


def _is_description(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring, or the string below an attribute."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _cut(lines: list[str], statement: ast.stmt, instead: str) -> None:
    """Take a statement out of its lines; what follows it stays."""
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    rest = lines[last].encode()[statement.end_col_offset :].decode()
    lines[first] = lines[first].encode()[: statement.col_offset].decode() + instead + rest
    lines[first + 1 : last + 1] = [""] * (last - first)


def _beside_python(path: Path) -> list[str]:
    """Return the files of a package that are not Python, such as templates, by name and content."""
    if path.name != "__init__.py":
        return []
    return [f"{file.relative_to(path.parent).as_posix()} {file.read_bytes().hex()}" for file in _others(path.parent)]


def _others(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.glob("[!.]*")):
        if entry.is_file() and entry.suffix in BESIDE_PYTHON:
            yield entry
        elif entry.is_dir() and entry.name != "__pycache__" and not (entry / "__init__.py").exists():
            yield from _others(entry)


def _is_within(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
