"""Where a function's `**kwargs` go: which calls pass them on, and what is taken out of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard


def calls_with(function: ast.AST, name: str) -> Iterator[ast.Call]:
    """Yield the calls in a function that pass `**name` on."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and any(
            keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == name
            for keyword in node.keywords
        ):
            yield node


def taken_out(function: ast.AST, name: str) -> set[str]:
    """Return the names that a function takes out of `**name` itself: by `pop`, `get` or an index."""
    keys = set()
    for node in ast.walk(function):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_name(node.value, name):
            key = node.slice
        elif _is_call_of(node, ("pop", "get"), name):
            key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            keys.add(key.value)
    return keys


def is_used(function: ast.AST, name: str) -> bool:
    """Return whether a function does anything with `**name`."""
    return any(_is_name(node, name) for node in ast.walk(function))


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_call_of(node: ast.AST, methods: tuple[str, ...], name: str) -> TypeGuard[ast.Call]:
    """Return whether a node calls one of the methods of `name` with an argument."""
    called = node.func if isinstance(node, ast.Call) and node.args else None
    return isinstance(called, ast.Attribute) and called.attr in methods and _is_name(called.value, name)
