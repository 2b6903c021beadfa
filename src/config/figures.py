"""The figures that a configuration goes by: whether its model gives them, and which way each of them is better.

Both are declared by the class of the model (`figures`, `train_figures`, `lower_is_better`, `only_describe`), and read
from its source text. Nothing else says of a figure whether it is better high or low.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import OmegaConf

from src.config.composed import Composed
from src.config.problems import Problem, listing, nearest
from src.config.signatures import NoSuchTarget, class_literal, literal_beside, signature

Mode = Literal["min", "max"]
Values = Mapping[str, Any]

CONFIRMED = "model.monitor_mode_confirmed"
"""The key that is typed too where a figure is to be driven to where it is worst."""
OWN = ("src.", "pytorch_lightning.")
"""Where callbacks lie that measure nothing of their own."""
LATE = ("check_on_train_epoch_end", "save_on_train_epoch_end")
"""What a callback of Lightning is told so that it looks at figures of train, which an epoch's end brings."""


@dataclass(frozen=True)
class Rule:
    """A key that names a figure to go by, and the key that says whether high or low is better; None: there is none."""

    key: str
    figure: str
    mode_key: str | None = None
    mode: Any = None


@dataclass(frozen=True)
class Figures:
    """What a model measures, without the split: None where its class does not say."""

    val: tuple[str, ...] | None
    train: tuple[str, ...] | None
    low: tuple[str, ...]
    neither: tuple[str, ...]
    more: bool = False
    """Whether a callback of somebody's own may measure anything besides."""

    @classmethod
    def of(cls, values: Values) -> Figures:
        """Read what the class of the `model` section declares.

        A class that measures something else (`configure_metrics`) and names no `figures` does not say.
        """
        target = str((values.get("model") or {}).get("_target_"))
        try:
            val = _names(target, "figures", "configure_metrics", "metric_names")
            train = _names(target, "train_figures", "configure_train_metrics") or val
            low, neither = (class_literal(target, name) or () for name in ("lower_is_better", "only_describe"))
        except NoSuchTarget:
            return cls(None, None, (), ())
        callbacks = [section.get("_target_") for section in _sections(values.get("callbacks"))]
        more = any(isinstance(callback, str) and not callback.startswith(OWN) for callback in callbacks)
        return cls(val, train, low, neither, more)

    def names(self) -> list[str] | None:
        """Return the figures with their split, those of validation first; None where there may be others."""
        if self.more or self.val is None or self.train is None:
            return None
        return [*(f"val/{name}" for name in self.val), *(f"train/{name}" for name in self.train)]

    def better(self, figure: str) -> Mode | None:
        """Return whether a figure is better low or high; None where neither is, or nobody says."""
        name = figure.partition("/")[2]
        if name in self.low:
            return "min"
        known = {*(self.val or ()), *(self.train or ())}
        return "max" if name in known and name not in self.neither else None


def rules(values: Values) -> Iterator[Rule]:
    """Yield what a configuration goes by: model, callbacks, schedule and search."""
    model, scheduler, search = (values.get(name) or {} for name in ("model", "scheduler", "search"))
    monitor = str(model.get("monitor"))
    yield Rule("model.monitor", monitor, "model.monitor_mode", model.get("monitor_mode"))
    if "mode" in scheduler:
        yield Rule("model.monitor", monitor, "scheduler.mode", scheduler["mode"])
    for name, section in (values.get("callbacks") or {}).items():
        figure = section.get("monitor") if isinstance(section, Mapping) else None
        if isinstance(figure, str):
            mode_key = f"callbacks.{name}.mode" if _takes(section, "mode") else None
            yield Rule(f"callbacks.{name}.monitor", figure, mode_key, section.get("mode", "auto"))
    metrics, direction = search.get("metric", []), search.get("direction")
    for place, metric in enumerate(metrics if isinstance(metrics, list) else [metrics]):
        mode = (direction[place : place + 1] or ["auto"])[0] if isinstance(direction, list) else direction
        yield Rule("search.metric", monitor if metric == "auto" else str(metric), "search.direction", mode)


def meant(rule: Rule, values: Values, figures: Figures) -> Mode | None:
    """Return which way a rule goes: as it says, or `auto` as the model where it has the same figure, or the better."""
    modes = [rule.mode]
    if rule.figure == values["model"].get("monitor"):
        modes.append(values["model"].get("monitor_mode"))
    stated: Mode | None = next((mode for mode in modes if mode in ("min", "max")), None)
    return stated or figures.better(rule.figure)


def problems(composed: Composed, values: Values) -> Iterator[Problem]:
    """Yield what a configuration goes by that is no figure of its model, or is driven to where it is worst."""
    if composed.unsure & {"model", "callbacks", "scheduler", "search"}:
        return
    if not isinstance((values.get("model") or {}).get("monitor"), str):  # missing, or no text: the types' check says so
        return
    found = Figures.of(values)
    confirmed = values["model"].get("monitor_mode_confirmed")
    against = set()
    for rule in rules(values):
        own = rule.key == "model.monitor" or rule.figure != values["model"]["monitor"]
        what, suggestion = _unknown(rule, found, composed) if own else ("", "")
        if what:
            yield Problem(composed.origins.of(rule.key)[0], rule.key, what, suggestion)
        elif rule.mode_key is not None:
            if _contradicts(rule, found):
                against.add(rule.mode)
            wrong = _contradicts(rule, found) and rule.mode != confirmed
            if wrong or (own and meant(rule, values, found) is None):
                yield _which_way(rule, found, composed)
    if confirmed is not None and confirmed not in against:
        what = "confirms nothing: no figure is driven to where it is worst"
        yield Problem(composed.origins.of(CONFIRMED)[0], CONFIRMED, what, "leave it away")


def _unknown(rule: Rule, figures: Figures, composed: Composed) -> tuple[str, str]:
    """Return what is wrong with the figure that is named, and what was likely meant; nothing where it is right."""
    names = figures.names()
    known = [name for name in names or () if name.startswith("val/") or not _needs_validation(rule, composed)]
    if rule.figure in known:
        return "", ""
    if rule.figure.startswith("test/"):
        return f"{rule.figure}: choosing by the test split leaves nothing to test with", "type val/..."
    split, _, name = rule.figure.rpartition("/")
    late = split == "train" and _needs_validation(rule, composed)
    if names is None and not late:
        return "", ""
    what = f"{rule.figure} is no figure of model={composed.choices.get('model') or '?'}"
    if late:
        what = f"{rule.figure} is measured while the weights change: the best are chosen where they stand still"
    near = nearest(rule.figure, known) or nearest(name, [one.partition("/")[2] for one in known])
    if near is None:
        return what, f"there are: {listing(known)}" if known else "type val/..."
    return what, f"did you mean {near if '/' in near else next(one for one in known if one.endswith(f'/{near}'))}?"


def _needs_validation(rule: Rule, composed: Composed) -> bool:
    """Tell whether the weights are chosen by the figure, in a validation."""
    if rule.key == "model.monitor":
        return True
    section = OmegaConf.select(composed.config, rule.key.removesuffix(".monitor")) if "callbacks" in rule.key else None
    return section is not None and section.get("_target_") == "src.callbacks.checkpoint.BestCheckpoint"


def _contradicts(rule: Rule, figures: Figures) -> bool:
    better = figures.better(rule.figure)
    return better is not None and rule.mode in ("min", "max") and rule.mode != better


def _which_way(rule: Rule, figures: Figures, composed: Composed) -> Problem:
    """Return the problem of a direction that is the wrong one, or cannot be told."""
    assert rule.mode_key is not None
    better = figures.better(rule.figure)
    where = composed.origins.of(rule.mode_key)[0]
    if better is None:
        what = f"{rule.mode}: nothing says whether {rule.figure} is better high or low"
        return Problem(where, rule.mode_key, what, f"type {rule.mode_key}=max or min")
    what = f"{rule.mode} goes for the worst: {rule.figure} is better {'low' if better == 'min' else 'high'}"
    suggestion = f"leave it away, or type it twice if you mean it: {rule.mode_key}={rule.mode} {CONFIRMED}={rule.mode}"
    return Problem(where, rule.mode_key, what, suggestion)


def settle_modes(composed: Composed) -> None:
    """Put min or max in place of each `auto`, also where a callback was given a figure and no mode.

    A callback that goes by a figure of train is told to look when there is one: at the end of an epoch.
    """
    values: Any = OmegaConf.to_container(composed.config, resolve=True)
    figures = Figures.of(values)
    for rule in rules(values):
        if rule.mode_key not in (None, "search.direction") and (mode := meant(rule, values, figures)) is not None:
            OmegaConf.update(composed.config, str(rule.mode_key), mode, force_add=True)
        if rule.key.startswith("callbacks.") and rule.figure.startswith("train/"):
            name = rule.key.removesuffix(".monitor")
            section = OmegaConf.select(composed.config, name)
            for key in LATE:
                if _takes(section, key) and key not in section:
                    OmegaConf.update(composed.config, f"{name}.{key}", True, force_add=True)


def objectives(values: Values) -> tuple[list[str], list[str]]:
    """Return what a search goes by, and min or max for each: as many directions as were typed, or as figures."""
    figures = Figures.of(values)
    found = [(rule.figure, meant(rule, values, figures)) for rule in rules(values) if rule.key == "search.metric"]
    metrics, direction = [metric for metric, _ in found], values["search"]["direction"]
    return metrics, list(direction) if isinstance(direction, list) else [str(mode) for _, mode in found]


def _names(target: str, name: str, *beside: str) -> tuple[str, ...] | None:
    found = literal_beside(target, name, beside)
    return tuple(str(one) for one in found) if isinstance(found, tuple) else None


def _sections(section: Any) -> list[Mapping[str, Any]]:
    return [one for one in (section or {}).values() if isinstance(one, Mapping)]


def _takes(section: Mapping[str, Any], argument: str) -> bool:
    """Tell whether the target of a section takes an argument."""
    target = section.get("_target_")
    try:
        return isinstance(target, str) and argument in signature(target).parameters
    except NoSuchTarget:
        return False
