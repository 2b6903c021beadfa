"""The check of a composed configuration: every key, type, range and target, before anything heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from src.config import compatibility, schema, suggestions, values
from src.config.composed import Composed
from src.config.groups import leaves
from src.config.problems import Problem, did_you_mean
from src.config.resolving import BROKEN, resolved
from src.config.schema import Section
from src.config.signatures import NoSuchTarget, Signature, signature
from src.config.types import Type


def problems(composed: Composed) -> list[Problem]:
    """Return everything that is wrong with a configuration, composed just now or read back from a run directory."""
    check = _Check(composed)
    check.root()
    misfits = compatibility.problems(composed)
    explained = {problem.key for problem in misfits}
    return [*misfits, *(problem for problem in check.found if problem.key not in explained)]


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
                self._unknown(key, [*self.plain, *self.sections])
        for key in (*self.plain, *self.sections):
            if key not in self.values and key not in self.composed.unsure:
                self._missing(key)

    def _section(self, name: str, value: Any, section: Section) -> None:
        if section.named and isinstance(value, Mapping):
            for entry, item in value.items():
                if item is not None:  # null removes an entry that a file brought
                    self._target(f"{name}.{entry}", item, section)
        elif value is not None or not section.optional:
            self._target(name, value, section)

    def _target(self, key: str, value: Any, section: Section) -> None:
        """Check a section that must become an object."""
        if not isinstance(value, Mapping):
            self._report(key, f"must be a section with `_target_`, not {values.show(value)}")
            return
        target = value.get("_target_")
        if not isinstance(target, str) or target == "???":
            self._report(key, "has no `_target_`", suggestions.bringing(key, value, self.values, self.composed.groups))
            return
        known = self._signature(f"{key}._target_", target)
        if known is not None:
            narrower = {} if target.startswith("src.") else self._narrower(section)
            self._arguments(key, value, known, section, narrower)

    def _signature(self, key: str, target: str) -> Signature | None:
        """Return the target's signature; report a target that is not there, or not one that may be built."""
        allowed = "name its package in allowed_packages, if you trust it"
        if not self._is_allowed(target):
            self._report(key, f"{target} is outside the packages that may be built", allowed)
            return None
        try:
            known = signature(target)
        except NoSuchTarget as error:
            self._report(key, f"there is no {target}", f"did you mean {error.suggestion}?" if error.suggestion else "")
            return None
        if known.module and not self._is_allowed(f"{known.module}."):
            self._report(key, f"{target} is {known.module}'s, outside the packages that may be built", allowed)
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

    def _arguments(
        self, key: str, value: Mapping[str, Any], known: Signature, section: Section, narrower: Mapping[str, Type]
    ) -> None:
        required = {name for name, parameter in known.parameters.items() if parameter.required}
        given = {*section.supplied, *(required & set(section.filled))}
        free = [name for name in known.parameters if name not in given]
        meant: set[str] = set()
        for name, item in value.items():
            dotted = f"{key}.{name}"
            if name == "_target_":
                continue
            if name in given:
                self._report(dotted, "is given by the program", self._own_key(name))
            elif name in known.parameters:
                self._value(dotted, item, narrower.get(name, known.parameters[name].type), section)
            elif not known.open or did_you_mean(name, required - given - set(value)):
                meant.update(re.findall(r"\w+", self._unknown(dotted, free, target=value["_target_"])))
            else:
                self._nested(dotted, item, section)
        for name in free:
            if name in required and name not in value and name not in meant:
                self._missing(f"{key}.{name}")

    def _value(self, key: str, value: Any, kind: Type, section: Section | None = None) -> None:
        """Check a value against its type, and the sections with a `_target_` in it."""
        if value is BROKEN:
            return
        if value == "???":
            self._missing(key)
            return
        if isinstance(value, Mapping) and "_target_" not in value and kind.kind == "object":
            self._report(key, "has no `_target_`", suggestions.bringing(key, value, self.values, self.composed.groups))
            return
        found = values.fault(value, kind)
        if found is not None:
            self._report(key, str(found))
        else:
            self._nested(key, value, section)

    def _nested(self, key: str, value: Any, section: Section | None) -> None:
        inner = Section(narrower=section.narrower if section else "")
        if isinstance(value, Mapping) and "_target_" in value:
            self._target(key, value, inner)
        elif isinstance(value, Mapping | list):
            for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                self._nested(f"{key}.{name}", item, section)

    def _unknown(self, key: str, siblings: list[str], target: str = "") -> str:
        """Report a key that is not there; returns the question that goes with it."""
        question = suggestions.for_key(key, siblings, suggestions.valid_keys(self.plain, self.sections, self.values))
        if question or not target:
            self._report(key, "unknown", question)
        else:
            self._report(key, f"unknown to {target}", suggestions.choices_with(key, self.composed.groups))
        return question

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
