"""Composing many command lines that differ in values alone, such as a sweep's: what their choices bring, once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.composition import Composition, compose_leniently
from src.config.groups import Groups
from src.config.overrides import Typed


class SharedChoices:
    """Remembers what each set of choices composes to.

    Hydra merges the files that the choices name and puts typed values into the result: the first part takes a third of
    a second and is the same for all points of a grid over values.
    """

    def __init__(self) -> None:
        self._composed: dict[tuple[str | None, tuple[str, ...]], Composition] = {}

    def compose(self, config_name: str, typed: Sequence[Typed], groups: Groups) -> Composition:
        """Return what `compose_leniently` returns, which is asked where anything is wrong."""
        plain = [override.is_plain(groups) for override in typed]
        values = [override for override, value in zip(typed, plain, strict=True) if value]
        others = [override for override, value in zip(typed, plain, strict=True) if not value]
        key = (config_name, tuple(override.text for override in others))
        if key not in self._composed:
            self._composed[key] = compose_leniently(config_name, others, groups)
        base = self._composed[key]
        if base.config is None or base.problems:
            return compose_leniently(config_name, typed, groups)
        config = copy.deepcopy(base.config)
        try:
            for override in values:  # as Hydra does it
                OmegaConf.update(config, override.key, override.values[0], merge=True, force_add=True)
        except OmegaConfBaseException:  # what is wrong with it is told by the whole way
            return compose_leniently(config_name, typed, groups)
        return replace(base, config=config, problems=[])
