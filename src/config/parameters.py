"""Parameters of functions, constructors and dataclasses as text, with `**kwargs` followed to where they go."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import Any

from src.config.annotations import AnnotationReader
from src.config.forwarding import calls_with, is_used, taken_out
from src.config.modules import Function
from src.config.reader import Definition, Reader, Unreadable, member
from src.config.types import ANY, NONE, Type, union

DEEPEST = 8
"""`**kwargs` passed on more often than this are no longer followed."""


@dataclass(frozen=True)
class Parameter:
    """One argument that can be given by name."""

    name: str
    type: Type
    required: bool
    keyword_only: bool = False
    position: int = -1
    """Its place among positional arguments, -1 where it has none."""

    def as_json(self) -> list[Any]:
        """Return everything but the name in a list, for the cache on disk."""
        return [self.type.as_json(), self.required, self.keyword_only, self.position]

    @classmethod
    def from_json(cls, name: str, row: list[Any]) -> Parameter:
        """Return the parameter that `as_json` wrote."""
        kind, required, keyword_only, position = row
        return cls(name, Type.from_json(kind), required, keyword_only, position)


Parameters = dict[str, Parameter]


@dataclass(frozen=True)
class _Call:
    """A function in the light of the class that it is called for: `super()` depends on it."""

    function: Definition
    mro: tuple[Definition, ...] = ()
    bound: bool = False
    """Whether the first argument is filled in: self or cls."""


class ParameterReader:
    """Reads what a class or function takes by name."""

    def __init__(self, reader: Reader, annotations: AnnotationReader) -> None:
        self.reader, self.annotations = reader, annotations

    def of(self, definition: Definition, depth: int = 0) -> tuple[Parameters, bool]:
        """Return the parameters, and whether there may be more that the text does not tell."""
        if isinstance(definition.node, ast.ClassDef):
            return self._of_class(definition, depth)
        return self._of_call(_Call(definition), depth)

    def _of_class(self, definition: Definition, depth: int) -> tuple[Parameters, bool]:
        mro = tuple(self.reader.mro(definition))
        for base in mro:
            constructor = _constructor(base)
            if constructor is not None:
                return self._of_call(_Call(constructor, mro, bound=True), depth)
            if _is_decorated(base.node, "dataclass"):
                return self._of_dataclass(mro[mro.index(base) :]), False
        return {}, self._has_unread_base(mro)

    def _has_unread_base(self, mro: tuple[Definition, ...]) -> bool:
        """Return whether some base is neither read nor known to bring no constructor."""
        read = {ancestor.node.name for ancestor in mro if isinstance(ancestor.node, ast.ClassDef)}
        harmless = read | {"object", "ABC", "Generic", "Protocol"}
        bases = [base for ancestor in mro for base in getattr(ancestor.node, "bases", ())]
        return any(ast.unparse(base).partition("[")[0].rpartition(".")[2] not in harmless for base in bases)

    def _of_dataclass(self, mro: tuple[Definition, ...]) -> Parameters:
        parameters: Parameters = {}
        for base in reversed(mro):
            if not _is_decorated(base.node, "dataclass") or not isinstance(base.node, ast.ClassDef):
                continue
            keyword_only = any(_keyword(d, "kw_only") is True for d in base.node.decorator_list)
            for statement in base.node.body:
                if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                    continue
                written = ast.unparse(statement.annotation)
                if "KW_ONLY" in written:
                    keyword_only = True
                elif "ClassVar" not in written and _keyword(statement.value, "init") is not False:
                    name = statement.target.id
                    kind = self.annotations.read(base.module, statement.annotation)
                    only = keyword_only or _keyword(statement.value, "kw_only") is True
                    parameters[name] = Parameter(name, kind, _is_required_field(statement.value), only)
        places = [name for name, parameter in parameters.items() if not parameter.keyword_only]
        return {
            name: replace(parameter, position=places.index(name) if name in places else -1)
            for name, parameter in parameters.items()
        }

    def _of_call(self, call: _Call, depth: int) -> tuple[Parameters, bool]:
        node = call.function.node
        assert isinstance(node, Function)
        arguments = node.args
        positional = arguments.posonlyargs + arguments.args
        first_default = len(positional) - len(arguments.defaults)
        parameters: Parameters = {}
        for place, argument in enumerate(positional):
            default = arguments.defaults[place - first_default] if place >= first_default else None
            if place >= len(arguments.posonlyargs) and not (call.bound and place == 0):
                position = place - call.bound
                parameters[argument.arg] = self._parameter(call.function, argument, default, position)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            parameters[argument.arg] = self._parameter(call.function, argument, default, -1)
        if arguments.kwarg is None:
            return parameters, False
        passed_on, is_open = self._passed_on(call, arguments.kwarg.arg, depth)
        return {**passed_on, **parameters}, is_open

    def _parameter(self, function: Definition, argument: ast.arg, default: ast.expr | None, position: int) -> Parameter:
        kind = self.annotations.read(function.module, argument.annotation)
        if isinstance(default, ast.Constant) and default.value is None:
            kind = union(kind, NONE)
        return Parameter(argument.arg, kind, default is None, position < 0, position)

    def _passed_on(self, call: _Call, name: str, depth: int) -> tuple[Parameters, bool]:
        """Return what `**name` may hold: what the callees that it is passed to take, and what is taken out of it."""
        assert isinstance(call.function.node, Function)
        parameters = {key: Parameter(key, ANY, False, True) for key in taken_out(call.function.node, name)}
        is_open = False
        callees = 0
        for inner in calls_with(call.function.node, name):
            callees += 1
            try:
                found, more = self._of_callee(call, inner, depth)
            except Unreadable:
                found, more = {}, True
            parameters, is_open = {**found, **parameters}, is_open or more
        goes_elsewhere = not callees and is_used(call.function.node, name) and not parameters
        return parameters, is_open or goes_elsewhere

    def _of_callee(self, call: _Call, inner: ast.Call, depth: int) -> tuple[Parameters, bool]:
        """Return what one callee still takes, less what the call itself gives."""
        if depth > DEEPEST:
            raise Unreadable(ast.unparse(inner.func))
        callee = self._callee(call, inner.func)
        if callee is None:
            return {}, False
        parameters, is_open = (
            self._of_call(callee, depth + 1) if isinstance(callee, _Call) else self.of(callee, depth + 1)
        )
        given = {keyword.arg for keyword in inner.keywords}
        starred = any(isinstance(argument, ast.Starred) for argument in inner.args)
        filled = 0 if starred else len(inner.args)
        rest = {
            name: replace(parameter, position=-1, keyword_only=True)
            for name, parameter in parameters.items()
            if name not in given and not 0 <= parameter.position < filled
        }
        return rest, is_open

    def _callee(self, call: _Call, function: ast.expr) -> _Call | Definition | None:
        """Return what is called, None where it is `object`'s constructor. Raises Unreadable where that is unknown."""
        if isinstance(function, ast.Attribute):
            owner = function.value
            if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super":
                return self._method(call, function.attr, after=call.function.owner)
            if isinstance(owner, ast.Name) and owner.id in ("self", "cls") and call.mro:
                return self._method(call, function.attr, after=None)
        if isinstance(function, ast.Name) and function.id == "cls" and call.mro:
            return call.mro[0]
        found = self.reader.evaluate(call.function.module, function)
        if found is None or not isinstance(found.node, ast.ClassDef | Function):
            raise Unreadable(ast.unparse(function))
        return _Call(found, call.mro) if found.owner is not None else found

    def _method(self, call: _Call, name: str, after: ast.ClassDef | None) -> _Call | None:
        """Return the next method of that name behind the class `after`, None where only `object` is left."""
        places = [place for place, base in enumerate(call.mro) if base.node is after]
        for base in call.mro[places[0] + 1 if places else 0 :]:
            found = member(base, name)
            if found is not None:
                return _Call(found, call.mro, bound=True)
        if name in ("__init__", "__new__") and not self._has_unread_base(call.mro):
            return None
        raise Unreadable(name)


def _constructor(definition: Definition) -> Definition | None:
    """Return the class's own `__init__`, or the `__new__` of a factory."""
    init, new = member(definition, "__init__"), member(definition, "__new__")
    if init is None or new is None:
        return init or new
    takes_anything = (
        isinstance(init.node, Function) and not init.node.args.args[1:] and init.node.args.kwarg is not None
    )
    return new if takes_anything else init


def _is_decorated(node: ast.AST | None, name: str) -> bool:
    bare = [d.func if isinstance(d, ast.Call) else d for d in getattr(node, "decorator_list", ())]
    return any(ast.unparse(decorator).rpartition(".")[2] == name for decorator in bare)


def _keyword(expression: ast.expr | None, name: str) -> Any:
    """Return the constant that a call such as `field(init=False)` gives for `name`, or None."""
    for keyword in expression.keywords if isinstance(expression, ast.Call) else ():
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def _is_required_field(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        return not {"default", "default_factory"} & {keyword.arg for keyword in value.keywords}
    return value is None
