"""The recipe of a training run, from a checked configuration to a finished run directory."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import FSDPStrategy

from src import seeds
from src.callbacks.checkpoint import BestCheckpoint, Interrupted
from src.callbacks.history import History
from src.callbacks.measuring import Measuring
from src.callbacks.progress import Progress
from src.callbacks.pruning import Pruning
from src.config.build import build, partial
from src.config.figures import rules
from src.data.eval_view import lost_figures, warn_of_lost_objects
from src.data.module import ImageData
from src.data.spec import DataSpec
from src.errors import UserError
from src.files import write_json
from src.models.base import ImageModule
from src.networks.head import replace_head
from src.networks.weights import load_state
from src.runs import ranks
from src.runs.checkpoint_io import AtomicCheckpointIO, load_checkpoint
from src.runs.directory import RunDirectory, link_latest
from src.runs.lean import Unprofiled, skip_idle_hooks
from src.runs.loggers import build_loggers
from src.runs.measured_weights import state_digest
from src.runs.profile import StepProfiler
from src.runs.recipe_line import recipe_line
from src.runs.record import Record
from src.runs.requirements import require_all, require_shares
from src.runs.results import read_weights, write_weights
from src.runs.samples import write_samples
from src.runs.source import require_strangers, starts_with_new_head, weights_digest
from src.sweeps.job import read_job

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """A finished training: its final figures, and what the report is made from."""

    figures: dict[str, float]
    model: ImageModule
    data: ImageData
    split: str | None
    """The split that `model.outputs` show; None where there was none to measure."""


def train(config: Config, run: RunDirectory, record: Record, *, resume: bool, latest: bool = True) -> Outcome:
    """Train, test the best weights, and write figures and weights into the run directory.

    Continues from `last.ckpt` where `resume` and there is one. `runs/latest` points at it from now on where `latest`.
    Raises Interrupted where asked to stop, after saving.
    """
    known = None
    if resume and run.checkpoint("last").exists() and run.data.exists():  # the checkpoint replaces pretrained weights
        config, known = without_pretrained(config), DataSpec.load(run.data)
    with record.phase("data"):
        data = open_data(config)
        spec = data.open(known)
        if known is not None and spec.digest != known.digest:
            raise UserError(
                f"data.root={data.root}: these are not the data that {run.path} was trained on (digest {spec.digest} "
                f"instead of {known.digest}); start a new run for them"
            )
        if known is None:
            require_strangers(config, spec.contents)
            record.update(started_from=weights_digest(config))
        record.update(data_digest=spec.digest, left_out=data.left_out_lines(), remarks=list(data.remarks))
    with record.phase("build"):
        model = build_model(config, spec)
        data.wanted_targets = model.requires
        warn_of_lost_objects(data)
        history, progress = History(), Progress(model.monitor)
        callbacks = [history, progress, *build_callbacks(config), *build_pruning(run)]
        trainer = build_trainer(config, run, callbacks, build_loggers(config, run, record.values["wandb_id"]))
        require_all(model, data, callbacks, trainer, config)
    if trainer.is_global_zero:
        write_json(run.data, spec.as_json())
        write_samples(run, data.samples)
        if latest:
            link_latest(run, Path(config["runs_dir"]))
        sizes = ", ".join(f"{len(indices)} {name}" for name, indices in data.splits.items())
        log.info("%s: %s images of %d px, %d classes", run.path, sizes, spec.image_size, spec.num_classes)
        log.info("%s", recipe_line(config))
        if (text := batch_text(trainer, data)) is not None:
            log.info("%s", text)
        if data.batch_size > len(data.splits["train"]):
            log.warning("data.batch_size=%d is more than there are to train on: one step an epoch", data.batch_size)
        if 0 in (trainer.max_epochs, trainer.max_steps):
            log.warning("nothing is trained (trainer.max_epochs or max_steps is 0): the first weights are measured")
        log.info("%s", "; ".join(goals(config)))
        if not model.learns_alike:
            log.info("%s", learning_table(model))
    with record.phase("fit"):
        fit(trainer, model, data, run.checkpoint("last") if resume else None)
    record.update(images_per_second=round(progress.images_per_second, 1))
    if isinstance(trainer.profiler, StepProfiler) and trainer.is_global_zero:  # type: ignore[attr-defined]
        trainer.profiler.write(run.path)  # type: ignore[attr-defined]
    if run.chosen_checkpoint().exists():
        model = unsharded(trainer, model, config, spec)
        load_weights(model, run)
    if trainer.is_global_zero:
        write_weights(run, model)
        record.update(weights=state_digest(model))
    figures = best_figures(callbacks, history)
    split = "test" if config["test"] and len(data.splits["test"]) else "val" if len(data.splits["val"]) else None
    if not len(data.splits["test"]):
        instead = "nothing is measured but train" if split is None else "the final figures are those of val"
        log.info("There is no test split: %s", instead)
    if split is not None and config["trainer"].get("limit_test_batches") == 0:
        split = None
    if split is not None:
        with record.phase("test"):
            figures |= measure(trainer, model, data, split)
    if trainer.is_global_zero:
        write_json(run.metrics, dict(sorted(figures.items())))
    return Outcome(figures, model, data, split)


def unsharded(trainer: Trainer, model: ImageModule, config: Config, spec: DataSpec) -> ImageModule:
    """Return a model with whole parameters to load weights into: a sharded one is left with this process's pieces."""
    if not isinstance(trainer.strategy, FSDPStrategy):
        return model
    return build_model(without_pretrained(config), spec)


def batch_text(trainer: Trainer, data: ImageData) -> str | None:
    """Return how many images an optimizer step sees in all, where that is not data.batch_size."""
    factors = {"processes": trainer.world_size, "accumulated": trainer.accumulate_grad_batches}
    if all(factor == 1 for factor in factors.values()):
        return None
    named = " x ".join(f"{factor} {name}" for name, factor in factors.items() if factor != 1)
    total = data.batch_size * trainer.world_size * trainer.accumulate_grad_batches
    if total > (images := len(data.splits["train"])):
        return f"{named} x data.batch_size={data.batch_size}: each step sees all {images} training images"
    return (
        f"{named} x data.batch_size={data.batch_size}: {total} images in each step. optimizer.lr is taken as it is, "
        f"for that batch: the usual rule is {total // data.batch_size} times the rate of one of {data.batch_size}"
    )


def goals(config: Config) -> list[str]:
    """Return what a training goes by, and which way."""
    words = {"min": "lowest", "max": "highest"}
    model = config["model"]
    found = [f"the best weights are those of the {words[model['monitor_mode']]} {model['monitor']}"]
    for rule in rules(config):
        if rule.key.startswith("callbacks.") and rule.mode in words and rule.key != "callbacks.best.monitor":
            found.append(f"{rule.key.removesuffix('.monitor')} goes by the {words[rule.mode]} {rule.figure}")
    return found


def fit(trainer: Trainer, model: ImageModule, data: ImageData, checkpoint: Path | None) -> None:
    """Run Lightning's loop from the start or from a checkpoint."""
    if checkpoint is not None and not checkpoint.exists():
        log.warning("%s stopped before its first checkpoint: starting again at step 0.", checkpoint.parent.parent)
        checkpoint = None
    skip_idle_hooks(trainer.callbacks, model)  # type: ignore[attr-defined] # Trainer's declaration lacks it
    end_no_epoch_twice(trainer)
    with stoppable():
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)


def end_no_epoch_twice(trainer: Trainer) -> None:
    """Let a run with `trainer.max_steps` go on from an epoch's end as one without does: with the next epoch.

    Lightning 2.6.6 takes every training with a limit of steps for one that stopped within an epoch: it would go back
    into the finished epoch, for no batch or one more, and end it a second time.
    """
    trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn Lightning's answers to Ctrl-C and to impossible settings into Interrupted and UserError."""
    try:
        yield
    except SystemExit as error:  # what Lightning makes of a Ctrl-C that no checkpoint callback has taken
        raise Interrupted(signal.SIGINT) from error
    except MisconfigurationException as error:
        raise UserError(f"Lightning cannot run this: {error}") from error
    except ValueError as error:
        if not _is_lightnings_own(error):
            raise
        raise UserError(f"Lightning cannot run this: {str(error).strip()}") from error


def _is_lightnings_own(error: BaseException) -> bool:
    """Return whether Lightning itself raised an error: of a value, that is one that it was configured with."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__", "").startswith("pytorch_lightning.")


def without_pretrained(config: Config) -> dict[str, Any]:
    """Return the configuration without the weights that training started from: the run's own replace them."""
    return {**config, "network": {**config["network"], "weights": None}}


def open_data(config: Config) -> ImageData:
    """Return the datamodule, not yet opened, with what the model and the network's weights expect."""
    from src.networks.preprocessing import preprocessing

    model = model_class(config)
    data: ImageData = build(
        config["data"],
        augment=build(config["augment"]),
        seed=config["seed"],
        preprocessing=preprocessing(config["network"]),
        by_identity="identity" in model.requires,
        batches=model.training_batches(config["model"]),
    )
    return data


def build_model(config: Config, spec: DataSpec) -> ImageModule:
    """Return the LightningModule with a network of freshly drawn or pretrained weights, from the stream `init`."""
    torch.manual_seed(seeds.stream(config["seed"], "init"))
    kind = model_class(config)
    outputs = kind.network_outputs(spec, config["model"])
    section = config["network"]
    if section.get("auxiliary") and not kind.auxiliary:
        log.info("network.auxiliary: false, since a %s has no intermediate losses", kind.__name__)
        section = section | {"auxiliary": False}
    network = build(section, num_classes=outputs, in_channels=spec.channels, image_size=spec.image_size)
    if config["network"].get("weights") and starts_with_new_head(config, spec.classes):
        replace_head(network, outputs)
    model: ImageModule = build(
        config["model"],
        network=network,
        spec=spec,
        optimizer=partial(config["optimizer"]),
        scheduler=partial(config["scheduler"]),
        seed=config["seed"],
    )
    return model


def model_class(config: Config) -> type[ImageModule]:
    """Return the class of the LightningModule that a configuration names."""
    found = partial(config["model"]).func
    assert isinstance(found, type)
    return found


def learning_table(model: ImageModule) -> str:
    """Return what learns of the network, a line for each stage."""
    rows = [("stage", "parameters", "learns", "learning rate")]
    for stage, share in model.stages():
        when = {None: "frozen", 0: "yes"}.get(stage.learns_from, f"after {stage.learns_from} epochs")
        rows.append((stage.name, f"{stage.parameters:,}", when, "" if stage.learns_from is None else f"x {share:.3g}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"  {name:{widths[0]}}  {count:>{widths[1]}}  {when:{widths[2]}}  {rate}".rstrip()
        for name, count, when, rate in rows
    )


def build_callbacks(config: Config) -> list[Callback]:
    """Return the configured callbacks."""
    return [build(section) for section in config["callbacks"].values() if section]


def build_pruning(run: RunDirectory) -> list[Callback]:
    """Return what may stop a trial of a search early; nothing for other runs."""
    job = read_job(run.path)
    if not job.get("study"):
        return []
    return [Pruning(folder=run.path.parent, study=job["study"], trial=job["trial"])]


def build_trainer(config: Config, run: RunDirectory, callbacks: list[Callback], loggers: list[Logger]) -> Trainer:
    """Return Lightning's Trainer, with our checkpoints, sampler and progress in place of its own."""
    section = dict(config["trainer"])
    if section.get("profiler") is None:
        section["profiler"] = Unprofiled()
    ranks.be_parent()
    # With deterministic algorithms torch fills all memory that it takes, which only an operation that reads what nobody
    # wrote could notice: two percent of a ResNet-18's step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    trainer: Trainer
    with stoppable():
        trainer = build(
            section,
            callbacks=[*callbacks, Measuring()],
            logger=loggers or False,
            default_root_dir=str(run.path),
            plugins=[AtomicCheckpointIO(), *ranks.environments()],
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),  # none of its own
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    ranks.require_started(section, trainer.num_devices)
    return trainer


def best_figures(callbacks: Sequence[Callback], history: History) -> dict[str, float]:
    """Return the figures of the weights that are kept: the best validation, or the last epoch."""
    for callback in callbacks:
        if isinstance(callback, BestCheckpoint) and callback.metrics:
            rows = [row for row in history.rows if row["step"] == callback.step and "train/loss" in row]
            training = {key: value for row in rows for key, value in row.items() if key.startswith("train/")}
            return without_unmeasured(training | callback.metrics)
    epochs = [row for row in history.rows if "train/loss" in row]
    return without_unmeasured({key: value for key, value in epochs[-1].items() if "/" in key}) if epochs else {}


def measure(trainer: Trainer, model: ImageModule, data: ImageData, split: str) -> dict[str, float]:
    """Measure the model on a split; it keeps the outputs that the report shows."""
    require_shares({split: len(data.splits[split])}, trainer.world_size)
    data.measured_split = split
    with stoppable():
        trainer.test(model, datamodule=data, verbose=False)
    measured = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("test/")}
    figures = {f"{split}/{key.removeprefix('test/')}": measured[key] for key in sorted(measured)}
    return without_unmeasured(figures) | lost_figures(data, split)


def without_unmeasured(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures that are numbers; the others, which the split has nothing for, are named in the log."""
    unmeasured = [name for name, value in figures.items() if math.isnan(value)]
    if unmeasured:
        log.warning(
            "Left out, since there is nothing to measure them on (or the answers are not numbers): %s",
            ", ".join(unmeasured),
        )
    return {name: value for name, value in figures.items() if name not in unmeasured}


def load_weights(model: ImageModule, run: RunDirectory, name: str | None = None) -> None:
    """Load the weights of checkpoint `name` into the model, by default those that count.

    A run without checkpoints (`callbacks=none`) has `weights.safetensors` alone. Raises UserError where there are no
    weights, or they belong to another network.
    """
    path = run.checkpoint(name) if name else run.chosen_checkpoint()
    if name is None and not path.exists() and run.weights.exists():
        path, state = run.weights, read_weights(run)
    else:
        state = load_checkpoint(path)["state_dict"]
    load_state(model, state, str(path), new_head=False)
