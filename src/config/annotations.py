"""Annotations read as text: aliases followed through modules, Literals and `annotated_types` bounds understood."""

from __future__ import annotations

import ast

from src.config.modules import Imported, Module
from src.config.reader import Definition, Reader, Unreadable
from src.config.standard import BOUNDS, BUILTINS, LOOSE_BASES, MODULES, bare, generic
from src.config.types import ANY, NONE, Plain, Type, union

DEEPEST = 12
"""Aliases nested deeper than this are taken for `Any`."""


class AnnotationReader:
    """Turns the annotations written in modules into types."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def read(self, module: Module, annotation: ast.expr | None, depth: int = 0) -> Type:
        """Return what `annotation`, written in `module`, admits; `any` where it cannot be told."""
        if annotation is None or depth > DEEPEST:
            return ANY
        if isinstance(annotation, ast.Constant):
            return self._constant(module, annotation, depth)
        if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            return union(*(self.read(module, side, depth) for side in (annotation.left, annotation.right)))
        if isinstance(annotation, ast.Subscript):
            return self._subscript(module, annotation, depth)
        if isinstance(annotation, ast.Name | ast.Attribute):
            return self._name(module, annotation, depth)
        return ANY

    def _constant(self, module: Module, annotation: ast.Constant, depth: int) -> Type:
        if annotation.value is None:
            return NONE
        if not isinstance(annotation.value, str):
            return ANY
        try:
            return self.read(module, ast.parse(annotation.value.strip(), mode="eval").body, depth + 1)
        except SyntaxError:
            return ANY

    def _name(self, module: Module, annotation: ast.Name | ast.Attribute, depth: int) -> Type:
        standard = self.standard(module, annotation)
        if standard is not None:
            return bare(standard)
        found = self._follow(module, annotation)
        if found is None or found.node is None:
            return ANY
        if isinstance(found.node, ast.ClassDef):
            return ANY if self._is_loose(found) else Type("object", name=found.node.name)
        if isinstance(found.node, ast.Call):
            return self._made(found.module, found.node, depth)
        return self.read(found.module, found.node, depth + 1) if isinstance(found.node, ast.expr) else ANY

    def _made(self, module: Module, call: ast.Call, depth: int) -> Type:
        """Return what a NewType or a TypeVar admits."""
        maker = self.standard(module, call.func)
        if maker == "NewType" and len(call.args) == 2:
            return self.read(module, call.args[1], depth + 1)
        bound = next((keyword.value for keyword in call.keywords if keyword.arg == "bound"), None)
        if maker == "TypeVar" and bound is not None:
            return self.read(module, bound, depth + 1)
        return ANY

    def _follow(self, module: Module, annotation: ast.expr) -> Definition | None:
        try:
            return self.reader.evaluate(module, annotation)
        except Unreadable:
            return None

    def _is_loose(self, definition: Definition) -> bool:
        """Return whether plain values may stand for the class: enumerations by name, protocols, kinds of builtins."""
        bases = [base for ancestor in self.reader.mro(definition) for base in getattr(ancestor.node, "bases", ())]
        names = {_last(base.value if isinstance(base, ast.Subscript) else base) for base in bases}
        return not names.isdisjoint(LOOSE_BASES)

    def standard(self, module: Module, expression: ast.expr) -> str | None:
        """Return the name that an expression has in the standard modules or the builtins, None if it has none."""
        root, last = expression, _last(expression)
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name):
            return None
        binding = module.bindings.get(root.id)
        if binding is None:
            return last if root is expression and last in BUILTINS else None
        if not isinstance(binding, Imported) or binding.module.partition(".")[0] not in MODULES:
            return None
        return last if binding.name is None or root is not expression else binding.name

    def _subscript(self, module: Module, annotation: ast.Subscript, depth: int) -> Type:
        inner = annotation.slice
        arguments = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        name = self.standard(module, annotation.value)
        if name is None:
            return self.read(module, annotation.value, depth + 1)
        if name == "Literal":
            return self._literal(module, arguments, depth)
        if name == "Annotated":
            limits = tuple(limit for extra in arguments[1:] for limit in _limits(extra))
            return self.read(module, arguments[0], depth + 1).limited(limits)
        types = [self.read(module, argument, depth + 1) for argument in arguments]
        endless = any(isinstance(argument, ast.Constant) and argument.value is ... for argument in arguments)
        return generic(name, types, endless=endless)

    def _literal(self, module: Module, arguments: list[ast.expr], depth: int) -> Type:
        values: list[Plain] = []
        for argument in arguments:
            try:
                values.append(ast.literal_eval(argument))
            except ValueError:
                nested = self.read(module, argument, depth + 1)
                if nested.kind != "literal":
                    return ANY
                values += nested.values
        return Type("literal", values=tuple(values))


def _limits(expression: ast.expr) -> list[tuple[str, float]]:
    """Return the bounds in one piece of Annotated's metadata, such as `Ge(1)` or `Interval(ge=0, lt=1)`."""
    if not isinstance(expression, ast.Call):
        return []
    named: list[tuple[str, ast.expr]] = list(zip(_positions(_last(expression.func)), expression.args, strict=False))
    named += [(keyword.arg, keyword.value) for keyword in expression.keywords if keyword.arg]
    found = []
    for bound, value in named:
        try:
            limit = ast.literal_eval(value)
        except ValueError:
            continue
        if bound in BOUNDS.values() and isinstance(limit, int | float):
            found.append((bound, limit))
    return found


def _positions(maker: str) -> list[str]:
    """Return the bounds that the positional arguments of `maker` stand for."""
    if maker == "Len":
        return ["min_length", "max_length"]
    return [BOUNDS[maker]] if maker in BOUNDS else []


def _last(expression: ast.expr) -> str:
    """Return the last name of a dotted expression."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
