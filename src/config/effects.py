"""What each key has an effect on, and so which keys each command takes: whatever it would ignore, it refuses.

The first part says what keys are for; the second, by what is done (`Work`), which of them act there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from src.config.groups import Groups, leaves
from src.config.overrides import Typed
from src.config.problems import COMMAND_LINE, Problem, nearest
from src.config.suggestions import is_misspelling

PEOPLE = ("name", "tags", "logger")
"""Who watches a run, and what they call it."""
PLACES = ("data.root", "data.source.root", "data.cache_dir")
"""Where the data lie; their content has a digest of its own."""
READING = ("data.num_workers", "data.store", "data.store_budget", "data.stream", "data.stream_cache")
"""How samples get into memory: the same ones, whatever is chosen."""
SAVING = ("callbacks.last.every_n_train_steps", "trainer.strategy.timeout")
TRUST = ("allowed_packages",)
OWN_PLACE = ("run_dir", "runs_dir")
WORDS = ("sweep_dir", "resume", "replay", "only_batch")
"""Said to a command, not of a run."""
LENGTH = ("trainer.max_epochs", "trainer.max_steps", "test")
"""What a training that goes on may have more of: its steps so far did not depend on it, more epochs stretch the rest
of a schedule."""

WITHOUT_EFFECT = (*OWN_PLACE, *WORDS, *PEOPLE, *PLACES, *READING, *SAVING, *TRUST)
"""Keys that no weight and no figure depends on."""

MACHINE = ("threads", "model.channels_last", "model.compile")
ANSWER = ("model.test_time_flip",)
MEASURED_LOSS = ("model.class_weights", "model.gamma", "model.box_loss", "model.margin", "model.distance")
"""What a measured loss depends on, and no answer."""
PROCESSES = (
    *("trainer=", "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy"),
    *("trainer.deterministic", "trainer.benchmark", "trainer.precision"),
)

_TRAINED = "is of the training, which is over"
_SHOWN = "images are put before the network as the run was trained"
_NETWORK = "the run has its own network"
_PREPARED = "is of the training; what is prepared does not depend on it"

REASONS: dict[str, str] = {
    **dict.fromkeys(
        ("optimizer", "scheduler", "callbacks", "seed", "experiment", "debug", "model", "trainer"), _TRAINED
    ),
    **dict.fromkeys(("augment",), "nothing is augmented but in training"),
    **dict.fromkeys(("network", "model=", "model.embedding_dim", "model.normalize", "model.hidden"), _NETWORK),
    **dict.fromkeys(("model.box_grid", "model.box_hidden", "model.box_dropout"), _NETWORK),
    **dict.fromkeys(("data.image_size", "data.eval_crop", "data.normalize"), _SHOWN),
    **dict.fromkeys(("data.working_size", "data.working_shape"), _SHOWN),
    **dict.fromkeys(("data.shuffle_window",), _TRAINED),
    **dict.fromkeys(("name", "tags", "logger"), "nothing is logged here"),
    **dict.fromkeys((*OWN_PLACE, "run_dir"), "the run has its place"),
    **dict.fromkeys(("trainer.limit_test_batches", "trainer.fast_dev_run"), "all of a split is measured"),
    **dict.fromkeys((*WORDS, "test", "sweep", "search", "pruner"), "is a word to src.train"),
}
"""Why a key without effect on a run that is looked at has none, by the longest key that it begins with."""


_WITHOUT_DATA = {key: why for key, why in REASONS.items() if not key.startswith("data.")} | {
    "data": "no data of the run are used here"
}
_OWN_BATCHES = {
    "data.batch_size": "images are explained in batches of batch_size=",
    "data.num_workers": "images are read by num_workers= processes",
}


@dataclass(frozen=True)
class Work:
    """Something that is done to a configuration: the keys that act on it, and why others do not.

    A key is what the longest entry says that it is, or lies in. `data=` stands for the choice from a group.
    """

    acts: tuple[str, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    why: str = "has no effect here"
    full_precision: bool = False
    """Whether mixed precision is left off, as in all that measures or answers."""

    def refusal(self, key: str, value: object = None) -> str | None:
        """Return why a key has no effect; None where it acts."""
        reach = max((len(entry) for entry in self.acts if _is_in(key, entry)), default=-1)
        other = max((entry for entry in self.ignored if _is_in(key, entry)), key=len, default=None)
        if other is not None and len(other) > reach:
            return self.ignored[other]
        if reach < 0:
            return self.why
        if self.full_precision and key == "trainer.precision" and str(value).endswith("-mixed"):
            return "what is measured here is measured in full precision"
        return None


RESUME = Work((*PEOPLE, *PLACES, *READING, *SAVING, *TRUST, *LENGTH))
"""A run that is continued: nothing that the steps already taken depended on."""
REPLAY = Work((*OWN_PLACE, *PEOPLE, *PLACES, *READING, *SAVING, *TRUST))
"""A run that is made again elsewhere: nothing that a figure or a weight depends on."""
EVALUATE = Work(("data", *READING, *TRUST, *MACHINE, *ANSWER, *MEASURED_LOSS, *PROCESSES), REASONS, full_precision=True)
PREDICT = Work((*TRUST, *MACHINE, *ANSWER), _WITHOUT_DATA)
EXPLAIN = Work((*TRUST, *MACHINE, *ANSWER, *PEOPLE), _WITHOUT_DATA)
EXPLAIN_SPLIT = Work(("data", *EXPLAIN.acts), REASONS | _OWN_BATCHES)
SUMMARY = Work(TRUST, _WITHOUT_DATA)

_OWN_RATE = "the rates that are tried go from lowest= to highest="
_OWN_LENGTH = "the test takes steps= steps, and validates nothing"
LR_FIND = Work(
    ("",),
    dict.fromkeys(("scheduler", "optimizer.lr"), _OWN_RATE)
    | dict.fromkeys((f"trainer.{key}" for key in ("max_epochs", "min_epochs", "max_steps", "min_steps")), _OWN_LENGTH)
    | dict.fromkeys((f"trainer.limit_{key}_batches" for key in ("val", "test", "predict")), _OWN_LENGTH)
    | dict.fromkeys(
        (f"trainer.{key}" for key in ("check_val_every_n_epoch", "val_check_interval", "num_sanity_val_steps")),
        _OWN_LENGTH,
    )
    | dict.fromkeys(("model.monitor", "model.monitor_mode", "model.test_time_flip", "test"), _OWN_LENGTH)
    | dict.fromkeys(("callbacks", "trainer.log_every_n_steps", *PEOPLE), "nothing but the page is kept"),
)
"""A learning-rate range test: a training of its own length, at rates of its own."""
PREPARE = Work(
    ("",),
    dict.fromkeys(
        (
            *("data.image_size", "data.eval_crop", "data.normalize", "data.batch_size", "data.num_workers"),
            *("data.shuffle_window", "data.store_budget"),
        ),
        _PREPARED,
    ),
)
NETWORK_ALONE = Work(
    ("",),
    {"model": "only the model's network is looked at", "model=": "", "network.weights": "no weights are needed"},
)
"""A summary without a run: the network that a model's choice brings."""
WEIGHTS_ALONE = Work(("",), {"model": "only the model's network is looked at", "model=": ""})
"""An explanation without a run."""

BESIDE_A_RUN = Work(
    ("",),
    dict.fromkeys(
        ("model", "network", "image_size", "in_channels", "num_classes"), "the run has its own network and sizes"
    ),
)
"""The own keys of a command that also goes without a run, where one is named."""

ALONE = {"lr_find": LR_FIND, "prepare": PREPARE, "summary": NETWORK_ALONE, "explain": WEIGHTS_ALONE}
"""By command: what it does without a saved run."""
OF_A_RUN = {"evaluate": EVALUATE, "predict": PREDICT, "explain": EXPLAIN, "summary": SUMMARY}
"""By command: what it does with one; `explain` of the run's own data is `EXPLAIN_SPLIT`."""


def refused(work: Work, overrides: Iterable[Typed], groups: Groups) -> list[Problem]:
    """Return a problem for each override that a command would take and ignore."""
    found = []
    for override in overrides:
        keys = _keys(override, groups)
        whys = [why for key in keys if (why := work.refusal(key, override.values[0] if override.values else None))]
        if whys and not override.key.startswith(("hydra.", "hydra/")):
            near = nearest(override.key, [entry for entry in work.acts if "." in entry and entry not in keys])
            meant = near is not None and is_misspelling(override.key, [near], 0.9)
            hint = f"did you mean {near}?" if meant else "leave it out"
            found.append(Problem(COMMAND_LINE, override.canonical, whys[0], hint))
    return found


def within(key: str, sections: Iterable[str]) -> bool:
    """Return whether a dotted key is one of some keys or sections, or lies in one."""
    return any(_is_in(key, section) for section in sections)


def _keys(override: Typed, groups: Groups) -> list[str]:
    """Return the keys that an override gives values to; of a choice, the group's name with an equals sign."""
    if override.is_choice(groups):
        return [f"{override.key}="]
    value = override.values[0] if override.values else None
    inner = [f"{override.key}.{name}" for name in leaves(value)] if isinstance(value, Mapping) else []
    return inner or [override.key]


def _is_in(key: str, entry: str) -> bool:
    return entry in ("", key, key.removesuffix("=")) or key.startswith(f"{entry}.")
