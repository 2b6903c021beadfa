"""A composed configuration and what it was composed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.groups import Groups
from src.config.origins import Layer, Origins
from src.config.overrides import Typed, read

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True)
class Composed:
    """The unresolved configuration of one command; also one read back from a run directory."""

    config: DictConfig
    overrides: tuple[str, ...]
    """What was typed, without the plus signs that Hydra knows and nobody needs here."""
    choices: Mapping[str, Any]
    """The choice of each group; a list where several were chosen, None where none was."""
    command: str = "train"
    for_the_run: tuple[str, ...] = ()
    """What was typed for the saved run that the command names (`run=`, `resume=`), not for the command itself."""
    layers: tuple[Layer, ...] = ()
    """The files that were merged, in their order; none where the configuration was saved by a run."""
    fallback: str = "conf"
    """Where a key came from that was neither typed nor found in a file: RUN_DIR/compose.yaml of a saved run."""
    groups: Groups = field(default_factory=Groups)
    unsure: frozenset[str] = frozenset()
    """Sections that cannot be judged, because what was typed for them could not be used."""

    launcher: Mapping[str, Any] = field(default_factory=dict)
    """Hydra's section for the launcher of a sweep; empty where the configuration was saved by a run."""

    @cached_property
    def typed(self) -> tuple[Typed, ...]:
        """The overrides, read; those that cannot be read have been reported when they were typed."""
        return tuple(typed for typed in map(read, self.overrides) if isinstance(typed, Typed))

    @cached_property
    def origins(self) -> Origins:
        """Where the keys came from."""
        return Origins(self.layers, self.typed, self.fallback)

    @property
    def config_folders(self) -> tuple[Path, ...]:
        """The user's own folders of configuration (`--config-dir`)."""
        return self.groups.folders[1:]
