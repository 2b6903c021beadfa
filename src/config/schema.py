"""What a configuration may hold: its sections, what the program supplies to them, which targets are allowed."""

from __future__ import annotations

from dataclasses import dataclass

ARGUMENTS = "src.config.arguments"
"""The module of the dataclasses named below; they are read as text, as any constructor is, and never imported."""

ALLOWED = (
    *("src.", "torch.nn.", "torch.optim.", "torchvision.models.", "torchvision.ops.", "timm.", "pytorch_lightning."),
    *("torchmetrics.", "albumentations.", "optuna."),
)
"""Where a `_target_` may lie. Never all of `torch.`: it holds `torch.hub.load`, which runs what it downloads."""


@dataclass(frozen=True)
class Section:
    """A section of the configuration that becomes an object, or, where it is `named`, one object per name."""

    supplied: tuple[str, ...] = ()
    """Arguments that the program gives; a configuration must not."""
    needed: tuple[str, ...] = ()
    """Those of them without which a target cannot be what the section stands for."""
    filled: tuple[str, ...] = ()
    """Arguments that the program gives to those targets that cannot do without."""
    named: bool = False
    entries: tuple[str, ...] = ()
    """Arguments that hold objects by name."""
    narrower: str = ""
    """The dataclass with closer types than the libraries' annotations."""
    plain: str = ""
    """The dataclass with the closed set of keys of a section that is no object."""


SECTIONS = {
    "data": Section(
        supplied=("augment", "seed", "preprocessing", "by_identity", "batches"), needed=("augment", "seed")
    ),
    "augment": Section(entries=("transforms",), narrower="AugmentArguments"),
    "model": Section(supplied=(_MODEL := ("network", "spec", "optimizer", "scheduler", "seed")), needed=_MODEL),
    "network": Section(supplied=(_NETWORK := ("num_classes", "in_channels", "image_size")), needed=_NETWORK),
    "optimizer": Section(supplied=("params",), needed=("params",), narrower="OptimizerArguments"),
    "scheduler": Section(
        supplied=("optimizer", "total_steps", "steps_per_epoch"), needed=("optimizer",), narrower="ScheduleArguments"
    ),
    "trainer": Section(
        supplied=(
            *("callbacks", "logger", "default_root_dir", "plugins", "enable_checkpointing", "enable_progress_bar"),
            *("enable_model_summary", "use_distributed_sampler", "inference_mode", "overfit_batches"),
        ),
        needed=("callbacks",),
        narrower="TrainerArguments",
    ),
    "callbacks": Section(named=True, narrower="CallbackArguments"),
    "logger": Section(
        supplied=("save_dir",),
        needed=("save_dir",),
        filled=("id", "name", "tags", "group"),
        named=True,
        narrower="LoggerArguments",
    ),
    "sweep": Section(plain="Sweep"),
    "search": Section(plain="Search"),
    "method": Section(),
}

TRAINING = tuple(name for name in SECTIONS if name != "method")
"""The sections of a training; `method` is how something finished is explained."""

COMMANDS = {
    "train": ("Train", TRAINING),
    "evaluate": ("Evaluate", ()),
    "predict": ("Predict", ()),
    "summary": ("Summary", ("model", "network")),
    "prepare": ("Prepare", ("data",)),
    "explain": ("Explain", ("method", "model", "network")),
    "lr_find": ("LrFind", tuple(name for name in TRAINING if name not in ("sweep", "search"))),
}
"""Per configuration of a command: the dataclass of its plain keys, and its sections."""

BROUGHT = ("optimizer",)
"""Sections that a network's file brings with it; a command that does not train leaves them out."""

WITH_EXPERIMENTS = ("train", "lr_find")
"""The configurations that an experiment's file may be put on top of."""

SAVED_RUN = {
    "train": ("resume", "replay"),
    "evaluate": ("run",),
    "predict": ("run",),
    "summary": ("run",),
    "explain": ("run",),
}
"""Per command that may work on a saved run: the keys that name it; other overrides then apply to its configuration."""
