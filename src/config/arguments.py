"""Types and ranges of plain keys, and of arguments whose libraries say them only when it is late.

The configuration check reads these dataclasses as text (`signatures`); nothing makes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval


@dataclass
class Train:
    """The plain keys of conf/train.yaml."""

    seed: Annotated[int, Ge(0)]
    threads: Annotated[int, Ge(1)] | Literal["auto"]
    name: str | None
    tags: list[str]
    test: bool
    runs_dir: str
    run_dir: str | None
    sweep_dir: str | None
    resume: str | None
    replay: str | None
    only_batch: bool
    allowed_packages: list[str]


@dataclass
class Sweep:
    """The section `sweep` of conf/train.yaml."""

    jobs: Annotated[int, Ge(1)]
    retry: Literal["failed", "stale"] | None
    preload: bool


@dataclass
class Search:
    """The section `search`: conf/search/ and conf/pruner/."""

    sampler: dict[str, Any] | None
    pruner: dict[str, Any] | None
    n_trials: Annotated[int, Ge(1)] | None
    metric: str | list[str]
    direction: Literal["auto", "min", "max"] | list[Literal["min", "max"]]
    space: dict[str, str]
    storage: str | None
    study: str | None
    dead_after: Annotated[int, Ge(60)]


@dataclass
class Prepare:
    """The plain keys of conf/prepare.yaml."""

    chunk: Annotated[float, Gt(0)]
    overwrite: bool
    allowed_packages: list[str]


@dataclass
class LrFind:
    """The plain keys of conf/lr_find.yaml."""

    lowest: Annotated[float, Gt(0)]
    highest: Annotated[float, Gt(0)]
    steps: Annotated[int, Ge(10)]
    output: str
    seed: Annotated[int, Ge(0)]
    threads: Annotated[int, Ge(1)] | Literal["auto"]
    allowed_packages: list[str]
    name: str | None
    tags: list[str]
    test: bool


@dataclass
class Evaluate:
    """The keys of conf/evaluate.yaml."""

    run: str
    split: Literal["auto", "train", "val", "test", "all"]
    checkpoint: Literal["best", "last"]
    output: str | None
    predictions: str | None
    embeddings: str | None


@dataclass
class Predict:
    """The keys of conf/predict.yaml."""

    run: str
    input: str
    output: str
    pictures: str | None
    map: bool
    size: Literal["auto"] | Annotated[int, Ge(1)]
    anchor: str | None
    gallery: str | None
    checkpoint: Literal["best", "last"]
    batch_size: Annotated[int, Ge(1)]
    num_workers: Annotated[int, Ge(0)]
    device: str


@dataclass
class Summary:
    """The keys of conf/summary.yaml."""

    run: str | None
    format: Literal["table", "markdown", "csv", "json"]
    image_size: Annotated[int, Ge(1)]
    in_channels: Annotated[int, Ge(1)]
    num_classes: Annotated[int, Ge(1)]


@dataclass
class Explain:
    """The plain keys of conf/explain.yaml."""

    run: str | None
    input: str | None
    split: Literal["train", "val", "test"] | None
    anchor: str | None
    output: str | None
    checkpoint: Literal["best", "last"]
    image_size: Annotated[int, Ge(1)] | Literal["auto"]
    in_channels: Annotated[int, Ge(1)]
    num_classes: Annotated[int, Ge(1)] | Literal["auto"]
    batch_size: Annotated[int, Ge(1)]
    num_workers: Annotated[int, Ge(0)]
    device: str


Batches = Annotated[int, Ge(0)] | Annotated[float, Interval(ge=0, le=1)] | None
"""A number of batches, or a share of them."""
SomeBatches = Annotated[int, Ge(1)] | Annotated[float, Interval(gt=0, le=1)] | None
"""The same where there must be some: `test=false` leaves the test out."""


@dataclass
class AugmentArguments:
    """albumentations: what every transform takes."""

    p: Annotated[float, Interval(ge=0, le=1)]


@dataclass
class OptimizerArguments:
    """torch.optim checks these bounds itself, when everything else has been loaded."""

    lr: Annotated[float, Ge(0)]
    momentum: Annotated[float, Interval(ge=0, le=1)]
    dampening: Annotated[float, Interval(ge=0, le=1)]
    weight_decay: Annotated[float, Ge(0)]
    betas: tuple[Annotated[float, Interval(ge=0, lt=1)], Annotated[float, Interval(ge=0, lt=1)]]
    alpha: Annotated[float, Interval(ge=0, le=1)]
    rho: Annotated[float, Interval(ge=0, le=1)]
    eps: Annotated[float, Ge(0)] | tuple[Annotated[float, Ge(0)] | None, Annotated[float, Ge(0)]]
    lr_decay: Annotated[float, Ge(0)]
    momentum_decay: Annotated[float, Ge(0)]
    initial_accumulator_value: Annotated[float, Ge(0)]
    beta2_decay: Annotated[float, Interval(le=0)]
    d: Annotated[float, Ge(1)]
    etas: tuple[Annotated[float, Interval(gt=0, lt=1)], Annotated[float, Gt(1)]]


@dataclass
class ScheduleArguments:
    """torch.optim.lr_scheduler checks few of its values, and divides by others in the middle of a training."""

    step_size: Annotated[int, Ge(1)]
    step_size_up: Annotated[int, Ge(1)]
    step_size_down: Annotated[int, Ge(1)] | None
    T_max: Annotated[int, Ge(1)]
    T_0: Annotated[int, Ge(1)]
    T_mult: Annotated[int, Ge(1)]
    total_iters: Annotated[int, Ge(1)]
    gamma: Annotated[float, Interval(gt=0, le=1)]
    start_factor: Annotated[float, Interval(gt=0, le=1)]
    end_factor: Annotated[float, Interval(ge=0, le=1)]
    factor: Annotated[float, Interval(ge=0, le=1)]
    eta_min: Annotated[float, Ge(0)]
    base_lr: Annotated[float, Ge(0)] | list[Annotated[float, Ge(0)]]
    max_lr: Annotated[float, Gt(0)] | list[Annotated[float, Gt(0)]]
    pct_start: Annotated[float, Interval(gt=0, lt=1)]
    div_factor: Annotated[float, Gt(0)]
    final_div_factor: Annotated[float, Gt(0)]
    patience: Annotated[int, Ge(0)]
    cooldown: Annotated[int, Ge(0)]
    last_epoch: Literal[-1]


@dataclass
class CallbackArguments:
    """Lightning's own callbacks."""

    patience: Annotated[int, Ge(0)]
    mode: Literal["auto", "min", "max"]
    every_n_epochs: Annotated[int, Ge(0)] | None


@dataclass
class LoggerArguments:
    """What TensorBoard's writer takes by Lightning's logger, without a word on its type."""

    flush_secs: Annotated[int, Ge(1)]
    max_queue: Annotated[int, Ge(1)]
    purge_step: Annotated[int, Ge(0)] | None
    filename_suffix: str


@dataclass
class TrainerArguments:
    """Lightning's Trainer, whose annotations say neither bounds nor names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: Literal[-1, "auto"] | Annotated[int, Ge(1)] | str | list[Annotated[int, Ge(0)]]
    num_nodes: Annotated[int, Ge(1)]
    strategy: Literal[
        "auto", "ddp", "ddp_spawn", "ddp_fork", "ddp_notebook", "ddp_find_unused_parameters_false",
        "ddp_find_unused_parameters_true", "ddp_spawn_find_unused_parameters_false",
        "ddp_spawn_find_unused_parameters_true", "ddp_fork_find_unused_parameters_false",
        "ddp_fork_find_unused_parameters_true", "ddp_notebook_find_unused_parameters_false",
        "ddp_notebook_find_unused_parameters_true", "deepspeed", "deepspeed_stage_1", "deepspeed_stage_2",
        "deepspeed_stage_2_offload", "deepspeed_stage_3", "deepspeed_stage_3_offload",
        "deepspeed_stage_3_offload_nvme", "fsdp", "fsdp_cpu_offload", "single_device", "single_xla", "xla_debug", "xla",
        "single_tpu",
    ]  # fmt: skip
    profiler: Literal["simple", "advanced", "pytorch"] | None
    max_epochs: Annotated[int, Ge(-1)] | None
    min_epochs: Annotated[int, Ge(0)] | None
    max_steps: Annotated[int, Ge(-1)]
    min_steps: Annotated[int, Ge(0)] | None
    limit_train_batches: SomeBatches
    limit_val_batches: Batches
    limit_test_batches: SomeBatches
    limit_predict_batches: Batches
    overfit_batches: Batches
    val_check_interval: Annotated[int, Ge(1)] | Annotated[float, Interval(gt=0, le=1)] | str | dict[str, Any] | None
    check_val_every_n_epoch: Annotated[int, Ge(1)] | None
    num_sanity_val_steps: Annotated[int, Ge(-1)] | None
    log_every_n_steps: Annotated[int, Ge(0)] | None
    accumulate_grad_batches: Annotated[int, Ge(1)]
    gradient_clip_val: Annotated[float, Ge(0)] | None
    gradient_clip_algorithm: Literal["norm", "value"] | None
    reload_dataloaders_every_n_epochs: Annotated[int, Ge(0)]
