"""The check of a composed configuration: every key, type, range and target, before anything heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from src.config import compatibility, schema, suggestions, values
from src.config.composed import Composed
from src.config.groups import leaves
from src.config.problems import Problem, did_you_mean, nearest
from src.config.resolving import BROKEN, resolved, without_broken
from src.config.schema import Section
from src.config.signatures import NoSuchTarget, Signature, signature
from src.config.types import Type


def problems(composed: Composed) -> list[Problem]:
    """Return everything that is wrong with a configuration, composed just now or read back from a run directory."""
    check = _Check(composed)
    check.root()
    misfits = compatibility.problems(composed, without_broken(check.values))
    explained = {problem.key for problem in misfits}
    return [*misfits, *(problem for problem in check.found if problem.key not in explained)]


@dataclass(frozen=True)
class _Call:
    """A section with its target's signature."""

    key: str
    value: Mapping[str, Any]
    known: Signature
    section: Section
    narrower: Mapping[str, Type]

    @cached_property
    def required(self) -> set[str]:
        """The arguments without a default."""
        return {name for name, parameter in self.known.parameters.items() if parameter.required}

    @cached_property
    def given(self) -> set[str]:
        """The arguments that the program gives."""
        return {*self.section.supplied, *(self.required & set(self.section.filled))}

    @cached_property
    def free(self) -> list[str]:
        """The arguments that a configuration may give."""
        return [name for name in self.known.parameters if name not in self.given]

    @cached_property
    def lacking(self) -> list[str]:
        """The arguments that a configuration must give, and this one does not."""
        return [name for name in self.free if name in self.required and name not in self.value]


class _Check:
    def __init__(self, composed: Composed) -> None:
        self.composed, self.origins = composed, composed.origins
        self.found: list[Problem] = []
        self.values, broken = resolved(composed.config)
        for key, reason in broken.items():
            self._broken(key, reason)
        plain, self.sections = schema.COMMANDS[composed.command]
        self.plain = {name: p.type for name, p in signature(f"{schema.ARGUMENTS}.{plain}").parameters.items()}
        packages = self.values.get("allowed_packages")
        self.packages = [name for name in packages if isinstance(name, str)] if isinstance(packages, list) else []

    def root(self) -> None:
        """Check the plain keys and the sections of the whole configuration."""
        meant: set[str] = set()
        for key, value in self.values.items():
            if key in self.plain:
                self._value(key, value, self.plain[key])
            elif key in self.composed.unsure:
                continue
            elif key in self.sections:
                self._section(key, value, schema.SECTIONS[key])
            elif self.composed.groups.is_group(key):
                what = "its keys land below this one", "make `# @package _global_` the file's first line"
                if not isinstance(value, Mapping):
                    what = "must hold keys and values", ""
                self.found.append(Problem(self.origins.chosen_by(key), key, *what))
            else:
                meant |= self._unknown(key, [*self.plain, *self.sections])
        for key in (*self.plain, *self.sections):
            if key not in self.values and key not in self.composed.unsure | meant:
                self._missing(key)

    def _section(self, name: str, value: Any, section: Section) -> None:
        if section.plain:
            self._plain_section(name, value, section)
        elif section.named and isinstance(value, Mapping):
            self._entries(name, value, section)
        else:
            self._target(name, value, section)

    def _plain_section(self, name: str, value: Any, section: Section) -> None:
        """Check a section that holds values and no more: its keys are those of a dataclass."""
        if not isinstance(value, Mapping):
            self._report(name, f"must be a section, not {values.show(value)}")
            return
        fields = signature(f"{schema.ARGUMENTS}.{section.plain}").parameters
        meant: set[str] = set()
        for key, item in value.items():
            if key in fields:
                self._value(f"{name}.{key}", item, fields[key].type, section)
            else:
                meant |= self._unknown(f"{name}.{key}", list(fields))
        for key in fields:
            if key not in value and key not in meant:
                self._missing(f"{name}.{key}")

    def _entries(self, key: str, value: Mapping[str, Any], section: Section) -> None:
        for entry, item in value.items():
            if item is not None:  # null removes an entry that a file brought
                self._target(f"{key}.{entry}", item, section)

    def _target(self, key: str, value: Any, section: Section) -> None:
        """Check a section that must become an object."""
        if not isinstance(value, Mapping):
            self._report(key, f"must be a section with `_target_`, not {values.show(value)}")
            return
        target = value.get("_target_")
        if not isinstance(target, str) or target == "???":
            self._without_target(key, value)
            return
        known = self._signature(f"{key}._target_", target)
        if known is not None:
            narrower = {} if target.startswith("src.") else self._narrower(section)
            self._arguments(_Call(key, value, known, section, narrower))

    def _without_target(self, key: str, value: Mapping[str, Any]) -> None:
        misspelt = [name for name in value if nearest(name, ["_target_"])]
        if misspelt:
            self._report(f"{key}.{misspelt[0]}", "unknown", "did you mean _target_?")
        else:
            hint = suggestions.bringing(key, self.values, self.composed.groups)
            self._report(key, "has no `_target_`", hint)

    def _signature(self, key: str, target: str) -> Signature | None:
        """Return the target's signature; report a target that is not there, or not one that may be built."""
        allowed = "name its package in allowed_packages, if you trust it"
        if not self._is_allowed(target):
            self._report(key, f"{target} is outside the packages that may be built", allowed)
            return None
        try:
            known = signature(target)
        except NoSuchTarget as error:
            question = f"did you mean {error.suggestion}?" if error.suggestion else ""
            self._report(key, f"there is no class or function {target}", question)
            return None
        if not self._is_allowed(f"{known.place}."):
            self._report(key, f"{target} is {known.place}'s, outside the packages that may be built", allowed)
            return None
        return known

    def _is_allowed(self, dotted: str) -> bool:
        own = tuple(f"{package}." for package in self.packages if package != "torch")
        return dotted.startswith((*schema.ALLOWED, "lightning_fabric.", *own))

    def _narrower(self, section: Section) -> dict[str, Type]:
        if not section.narrower:
            return {}
        fields = signature(f"{schema.ARGUMENTS}.{section.narrower}").parameters
        return {name: parameter.type for name, parameter in fields.items()}

    def _arguments(self, call: _Call) -> None:
        strange = [name for name in call.section.needed if name not in call.known.parameters]
        if strange and not call.known.open:
            what = f"{call.value['_target_']} is of another kind: it takes no {strange[0]}"
            self._report(f"{call.key}._target_", what, f"choose with {call.key.partition('.')[0]}=")
            return
        meant: set[str] = set()
        for name, item in call.value.items():
            if name != "_target_":
                meant |= self._argument(call, name, item)
        for name in call.lacking:
            if name not in meant:
                self._missing(f"{call.key}.{name}")

    def _argument(self, call: _Call, name: str, item: Any) -> set[str]:
        """Check one argument of a target; returns the names that may have been meant where it has no such argument."""
        dotted = f"{call.key}.{name}"
        if name in call.given:
            self._report(dotted, "is given by the program", self._own_key(name))
        elif name in call.section.entries and isinstance(item, Mapping):
            self._entries(dotted, item, Section(narrower=call.section.narrower))
        elif name in call.known.parameters:
            kind = call.narrower.get(name, call.known.parameters[name].type)
            self._value(dotted, item, kind, call.section)
        elif call.known.open and name in call.narrower:
            self._value(dotted, item, call.narrower[name], call.section)
        elif name.startswith("_"):
            self._report(dotted, "unknown", did_you_mean(name, ["_target_"]))
        elif not call.known.open or suggestions.is_misspelling(name, set(call.free) - set(call.value)):
            siblings = call.lacking if did_you_mean(name, call.lacking) else call.free
            return self._unknown(dotted, siblings, target=call.value["_target_"])
        else:
            self._nested(dotted, item, call.section)
        return set()

    def _value(self, key: str, value: Any, kind: Type, section: Section | None = None) -> None:
        """Check a value against its type, and the sections with a `_target_` in it."""
        if value is BROKEN:
            return
        if value == "???":
            self._missing(key)
            return
        if isinstance(value, Mapping) and "_target_" not in value and kind.kind == "object":
            self._without_target(key, value)
            return
        found = values.fault(value, kind)
        if found is not None:
            self._report(key, str(found))
        else:
            self._nested(key, value, section)

    def _nested(self, key: str, value: Any, section: Section | None) -> None:
        inner = Section(narrower=section.narrower if section else "")
        if isinstance(value, Mapping) and any(str(n).startswith("_") and nearest(n, ["_target_"]) for n in value):
            self._target(key, value, inner)
        elif isinstance(value, Mapping | list):
            for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                self._nested(f"{key}.{name}", item, section)

    def _unknown(self, key: str, siblings: list[str], target: str = "") -> set[str]:
        """Report a key that is not there; returns the names that may have been meant."""
        question = suggestions.for_key(key, siblings, suggestions.valid_keys(self.plain, self.sections, self.values))
        if question or not target:
            self._report(key, "unknown", question)
        else:
            self._report(key, f"unknown to {target}", suggestions.choices_with(key, self.composed.groups))
        return set(re.findall(r"\w+", question))

    def _missing(self, key: str) -> None:
        self._report(key, "is missing", f"type {key}=...")

    def _report(self, key: str, what: str, suggestion: str = "") -> None:
        where, label = self.origins.of(key)
        self.found.append(Problem(where, label, what, suggestion))

    def _own_key(self, name: str) -> str:
        """Return how to say what the program passes on, where there is a key for it."""
        return f"type {name}=..." if name in (*self.sections, *self.plain) else ""

    def _broken(self, key: str, reason: str) -> None:
        """Report an interpolation that fails, unless it leads into a section that was lost with another mistake."""
        named = re.search(r"Interpolation key '([^']+)' not found", reason)
        if named is None:
            what = re.sub(r"^\w+ raised while resolving interpolation: ", "", reason)
            hint = "${hydra:...} is for Hydra's own section" if "HydraConfig" in what else ""
            self._report(key, f"cannot be resolved: {what}", hint)
        elif named[1].partition(".")[0] not in self.composed.unsure | (
            set(schema.SECTIONS) - set(self.composed.config)
        ):
            self._report(
                key, f"refers to {named[1]}, which is not there", did_you_mean(named[1], list(leaves(self.values)))
            )
