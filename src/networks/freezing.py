"""Which part of a network learns, and when: transfer learning with frozen layers (chapter, section 6.4).

What is frozen stays as it is bit for bit: its parameters get no gradient, and its modules stay in evaluation whatever
calls `train()`, so that normalisation keeps its statistics and dropout is off.
"""

from __future__ import annotations

import difflib
import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from src.errors import UserError
from src.networks.head import head_names

ALL, HEAD, NONE = "all", "head", "none"

_EXPANDED = frozenset({"features", "classifier", "blocks", "stages"})
"""Containers that hold a whole network in most families: their children are the stages."""


@dataclass(frozen=True)
class Stage:
    """A part of a network between input and head, for people and for learning rates."""

    name: str
    parameters: int
    learns_from: int | None
    """The epoch from which it learns, counted from 0; None where it never does."""


class Freezing:
    """What of a network learns: `all`, `head`, `none`, or a layer's name, which learns with everything behind it.

    A plan says it by epochs, from 0 on, each step more than the one before: `{0: head, 3: layer4, 6: all}`. "Behind"
    is the order of definition, which is that of the data in every family here. Raises UserError for a layer that the
    network lacks, and for a plan that does not begin at 0 or freezes again.
    """

    def __init__(self, network: nn.Module, trainable: str | Mapping[int, str]) -> None:
        self.network = network
        self.plan = {0: trainable} if isinstance(trainable, str) else dict(trainable)
        self._names = [name for name, _ in network.named_parameters()]
        strange = [str(epoch) for epoch in self.plan if not isinstance(epoch, int)]
        if strange:
            raise UserError(f"model.trainable={_written(self.plan)}: {', '.join(strange)} is no epoch; count from 0")
        if 0 not in self.plan:
            raise UserError(f"model.trainable={_written(self.plan)}: the plan says nothing of epoch 0; add 0: head")
        self._learning = {epoch: self._selected(name) for epoch, name in sorted(self.plan.items())}
        steps = list(self._learning.items())
        for (before, less), (after, more) in itertools.pairwise(steps):
            if not less <= more:
                raise UserError(
                    f"model.trainable={_written(self.plan)}: epoch {after} would freeze again what learns from epoch "
                    f"{before} on; a plan only unfreezes, from the end towards the input"
                )
        self._held: set[str] = set()
        self.begin(0)

    def begin(self, epoch: int) -> bool:
        """Let learn what learns in `epoch`, and hold the rest as it is; returns whether that is another part now."""
        learning = self._learning[self._step(epoch)]
        changed = False
        for name, parameter in self.network.named_parameters():
            changed |= parameter.requires_grad != (name in learning)
            parameter.requires_grad_(name in learning)
        held = self._modules_to_hold(learning)
        for name, module in self.network.named_modules():
            if name in held:
                module.eval()
                module.__dict__["train"] = functools.partial(_stay_in_evaluation, module)
            elif name in self._held:
                module.__dict__.pop("train", None)
                module.training = True
        self._held = held
        return changed

    @property
    def everything_learns(self) -> bool:
        """Whether nothing is ever frozen."""
        return self._learning[0] == set(self._names)

    def learning_in(self, epoch: int) -> str:
        """Return what learns in `epoch`, as the plan calls it."""
        return self.plan[self._step(epoch)]

    def learns(self, name: str) -> bool:
        """Return whether a parameter of the network learns in any epoch."""
        return any(name in learning for learning in self._learning.values())

    def only_head(self, epoch: int) -> bool:
        """Return whether nothing below the output layers learns in `epoch`."""
        return self._learning[self._step(epoch)] <= self._head()

    def stages(self) -> list[Stage]:
        """Return the stages of the network, the input's first; those without parameters are left out."""
        parameters = dict(self.network.named_parameters())
        members: dict[str, list[str]] = {}
        for name in parameters:
            members.setdefault(stage_of(name), []).append(name)
        return [
            Stage(stage, sum(parameters[name].numel() for name in names), self._first_epoch(names[0]))
            for stage, names in members.items()
        ]

    def depth(self, name: str) -> int:
        """Return how many stages lie behind a parameter's own: 0 for the last; output layers count as the last."""
        if name in self._head():
            return 0
        order = list(dict.fromkeys(stage_of(other) for other in self._names))
        return len(order) - 1 - order.index(stage_of(name))

    def _step(self, epoch: int) -> int:
        """Return the epoch at which the step of the plan began that `epoch` is in."""
        return max(start for start in self.plan if start <= epoch)

    def _first_epoch(self, name: str) -> int | None:
        return next((epoch for epoch, learning in self._learning.items() if name in learning), None)

    def _head(self) -> set[str]:
        heads = tuple(f"{head}." for head in head_names(self.network))
        return {name for name in self._names if name.startswith(heads)}

    def _selected(self, which: str) -> set[str]:
        """Return the names of the parameters that learn."""
        if which == ALL:
            return set(self._names)
        if which == NONE:
            return set()
        if which == HEAD:
            return self._head()
        start = next((i for i, name in enumerate(self._names) if f"{name}.".startswith(f"{which}.")), None)
        if start is None:
            raise UserError(f"model.trainable={which}: {self._unknown_layer(which)}")
        return set(self._names[start:]) | self._head()

    def _unknown_layer(self, which: str) -> str:
        layers = [
            name
            for name, module in self.network.named_modules()
            if name and next(module.parameters(), None) is not None
        ]
        stages = list(dict.fromkeys(stage_of(name) for name in self._names))
        near = difflib.get_close_matches(which, layers, n=3, cutoff=0.6)
        meant = f"; did you mean {' or '.join(near)}?" if near else "."
        network = type(self.network).__name__
        return (
            f"{network} has no layer of that name with parameters{meant} Its stages, from the input: "
            f"{', '.join(stages)}; or type {ALL}, {HEAD} or {NONE}"
        )

    def _modules_to_hold(self, learning: set[str]) -> set[str]:
        """Return the modules that hold nothing that learns, and lie before the first that does."""
        owners = {name.rpartition(".")[0] for name in learning}
        holders = {owner[:end] for owner in owners for end in _ends(owner)}
        names = [name for name, _ in self.network.named_modules()]
        # Intermediate classifiers are defined before much of what the data pass before the head.
        partly = 0 < len(learning) < len(self._names)
        behind = owners - set(head_names(self.network)[1:]) if partly and learning <= self._head() else owners
        first = next((i for i, name in enumerate(names) if name in behind), len(names))
        frozen = {name.rpartition(".")[0] for name in set(self._names) - learning}
        held = {name for i, name in enumerate(names) if name not in holders and (i < first or name in frozen)}
        return held | ({""} if not learning else set())


def stage_of(name: str) -> str:
    """Return the stage of a parameter or module: the network's child, or the child's own child in a container."""
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] in _EXPANDED and len(parts) > 2 else 1])


def _ends(name: str) -> list[int]:
    """Return where the dotted prefixes of a name end, the empty one's included."""
    return [0, *(i for i, letter in enumerate(name) if letter == "."), len(name)]


def _stay_in_evaluation(module: nn.Module, mode: bool = True) -> nn.Module:
    """Stand in for `module.train`: what is held stays as it is."""
    return module


def _written(plan: Mapping[int, str]) -> str:
    return "{" + ", ".join(f"{epoch}: {name}" for epoch, name in plan.items()) + "}"
