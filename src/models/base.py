"""What the LightningModules of all learning problems share: optimizer, schedule, seeds, the bookkeeping of metrics."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Interval
from numpy.typing import NDArray
from pytorch_lightning import LightningModule
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils._pytree import tree_map_only
from torchmetrics import MetricCollection

from src import seeds
from src.answers import Answers
from src.data.sampler import Identities, Triplets
from src.data.spec import DataSpec
from src.data.view import View
from src.errors import UserError
from src.metrics.gathered import Gathered
from src.metrics.states import restore_states, saved_states
from src.models.compiling import GRAPHS, compile_in_place
from src.models.fused import fused_where_possible
from src.models.shares import among_accumulated, among_processes, mean_of_processes
from src.models.stepping import made_optimizer, made_schedule, moves_every_step
from src.networks.freezing import Freezing, Stage, stage_of

if TYPE_CHECKING:
    from src.data.module import ImageData
    from src.report.page import Section

log = logging.getLogger(__name__)

Batch = dict[str, Any]
METRICS = "metrics"
"""What a profile calls the part of a training step that measures and logs."""
OF_EVERY_STEP = frozenset({"_current_fx_name", "last_loss"})
Row = dict[str, str | float]
"""What `predict` writes of one image: values by column."""


@dataclass(frozen=True)
class Reference:
    """Images that others are compared with: one anchor, or the files of a gallery."""

    files: Sequence[str]
    predicted: Mapping[str, Tensor]
    """What `ImageModule.predicted` says of them, in the order of `files`."""
    gallery: bool


class Diverged(RuntimeError):
    """The loss of an epoch was NaN or infinite: nothing after it can be worth its time."""


class ImageModule(LightningModule):
    """A network, its loss and its metrics. A learning problem adds what the first part of this class only declares.

    `network` is the bare network of its family; what else learns is a module beside it. `requires` names the targets
    that a batch must have, and `compares` says whether predicting takes images to compare with (`anchor=`, `gallery=`):
    both are read from the source text.
    """

    requires: ClassVar[tuple[str, ...]] = ()
    compares: ClassVar[bool] = False
    explained: ClassVar[tuple[Literal["class", "box", "same"], ...]] = ("class",)
    """What it says of an image, its own answer first: what `explain` can explain of it, read from the source text."""
    maps_classes: ClassVar[bool] = False
    """Whether its network can say the class at each place of an image (`predict map=true`)."""
    mixes: ClassVar[bool] = True
    """Whether it can learn from batches after mixup or cutmix, with soft labels."""
    head: ClassVar[Literal["classes", "embedding"]] = "classes"
    """What the network's outputs are: those learned for other classes, or for none, are not kept from a source."""
    needs_validation: ClassVar[bool] = False
    """Whether what a validation finds becomes part of the model, such as a threshold."""
    measured: ClassVar[tuple[str, ...]] = ()
    """The buffers that hold it: an average of weights has its own."""
    source_models: ClassVar[tuple[str, ...]] = ()
    """The models that a source run must be of, where not any will do."""
    gathers: ClassVar[bool] = False
    """Whether its training metrics add up counts, so that batches can be measured together (`Gathered`)."""
    auxiliary: ClassVar[bool] = True
    """Whether intermediate outputs of a network (GoogLeNet) have a loss here."""
    needs_source: ClassVar[bool] = False
    """Whether `model.source` must be given."""
    figures: ClassVar[tuple[str, ...]] = ()
    """The names of all figures that its validations can give, whatever the data: read from the source text, as what
    follows; a class that has a `configure_metrics` of its own declares them beside it."""
    train_figures: ClassVar[tuple[str, ...]] = ()
    """Those of its training epochs, where they are others."""
    lower_is_better: ClassVar[tuple[str, ...]] = ("loss",)
    """Those of them that are better when low; the others are when high."""
    only_describe: ClassVar[tuple[str, ...]] = ()
    """Those that are better neither high nor low."""
    one_loss: ClassVar[bool] = False
    """Whether each process computes the training loss of the batch of all of them, not that of its own part."""

    def __init__(
        self,
        *,
        network: nn.Module,
        spec: DataSpec,
        optimizer: partial[Optimizer],
        scheduler: Callable[..., LRScheduler],
        seed: int,
        source: str | None,
        trainable: str | dict[Annotated[int, Ge(0)], str],
        layer_lr_decay: Annotated[float, Interval(gt=0, le=1)],
        decay_norm_and_bias: bool,
        channels_last: bool | Literal["auto"],
        compile: bool | Literal["default", "reduce-overhead", "max-autotune"],
        monitor: str,
        monitor_mode: Literal["auto", "min", "max"],
        monitor_mode_confirmed: Literal["min", "max"] | None = None,
    ) -> None:
        super().__init__()
        del monitor_mode_confirmed  # a word to the check: the direction is meant, although the figure is worst there
        self.spec, self.seed = spec, seed
        self.source = source
        if channels_last == "auto":
            channels_last = torch.cuda.is_available()
            log.info("model.channels_last=auto: %s", str(channels_last).lower())
        self.network = network.to(memory_format=torch.channels_last) if channels_last else network
        self.freezing, self.layer_lr_decay = Freezing(network, trainable), layer_lr_decay
        compile_in_place(self.network, compile)
        self.overwrites = compile in GRAPHS
        """Whether the network's next outputs take the place of its last."""
        self.channels_last = channels_last
        self.decay_norm_and_bias = decay_norm_and_bias
        self.monitor, self.monitor_mode = monitor, monitor_mode
        self._optimizer, self._scheduler = optimizer, scheduler
        metrics = self.configure_metrics()
        self.metrics = nn.ModuleDict(
            {f"{split}_metrics": metrics.clone(prefix=f"{split}/") for split in ("train", "val", "test")}
        )
        self._gathered = Gathered()
        self._vectors: set[str] = set()
        self._restored_metrics: dict[str, Any] = {}
        self.validated: dict[str, float] = {}
        """The figures of the last validation of this epoch; empty where there was none yet."""
        self.last_loss = torch.zeros(())
        """Of the last training batch, on the device; where it is logged, that of all processes together."""
        self.outputs: list[dict[str, Tensor]] = []
        """What `evaluation_outputs` kept of the last evaluated split, batch by batch, on the CPU."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; those of every step without torch's search among parameters and modules.

        Lightning sets the name of the hook that runs some eighty times in a step: a tenth of a millisecond.
        """
        if name in OF_EVERY_STEP:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    # What a learning problem defines

    def configure_metrics(self) -> MetricCollection:
        """Return the metrics of one split; `metric_inputs` feeds them."""
        raise NotImplementedError

    def metric_names(self) -> list[str]:
        """Return the names of the figures that the metrics of a split give."""
        return [str(name) for name in self.configure_metrics()]

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Any]:
        """Return the mean loss of a batch and the network's outputs."""
        raise NotImplementedError

    def loss_weight(self, batch: Batch) -> Tensor | int:
        """Return what the mean loss of a batch was divided by, and so weighs beside that of others: its samples."""
        return len(batch["index"])

    def metric_inputs(self, outputs: Any, batch: Batch, loss: Tensor) -> dict[str, Any]:
        """Return what the `update` of a split's metrics is given of a batch, without gradients."""
        raise NotImplementedError

    def evaluation_outputs(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Return what a report and `evaluate` need of a batch: tensors with the samples first."""
        raise NotImplementedError

    @staticmethod
    def network_outputs(spec: DataSpec, section: Mapping[str, Any]) -> int:
        """Return how many outputs the network has, given the data and the configuration's `model` section."""
        return spec.num_classes

    @staticmethod
    def training_batches(section: Mapping[str, Any]) -> Identities | Triplets | None:
        """Return what training batches are made of where any samples will not do, given the `model` section."""
        return None

    def predicted(self, images: Tensor) -> dict[str, Tensor]:
        """Return what the model says of normalised images (B, C, H, W): tensors with the samples first."""
        raise NotImplementedError

    def prediction_rows(
        self, predicted: Mapping[str, Tensor], views: Sequence[View], reference: Reference | None
    ) -> list[Row]:
        """Return what `predict` writes of N images.

        `predicted` has what `predicted()` said of all of them, on the CPU; `views` what part of each the network saw.
        """
        raise NotImplementedError

    def evaluation_rows(self, kept: Mapping[str, NDArray[Any]]) -> list[Row]:
        """Return the truth and the answer for N evaluated samples, given `evaluation_outputs` of all of them."""
        raise NotImplementedError

    def evaluation_table(self, data: ImageData, kept: Mapping[str, NDArray[Any]]) -> list[Row]:
        """Return what `evaluate predictions=` writes: a row for each sample, with where it came from, unless it is
        something else that is answered.
        """
        names = [data.name_of(int(index)) for index in kept["index"]]
        return [{"path": name, **row} for name, row in zip(names, self.evaluation_rows(kept), strict=True)]

    def drawing(self, image: NDArray[np.uint8], row: Row) -> NDArray[np.uint8] | None:
        """Return an image (H, W, C) with its row drawn into it; None, as here, where there is nothing to draw."""
        return None

    def answers(self, data: ImageData, split: str) -> Answers | None:
        """Return what a report shows of `outputs`, gathered on `split`; None where there is nothing to show."""
        raise NotImplementedError

    def report_sections(self) -> list[Section]:
        """Return what else the report of this very run says, such as how long something took; nothing, as here."""
        return []

    # Training and evaluation

    def forward(self, images: Tensor) -> Any:
        """Apply the network to normalised images (B, C, H, W)."""
        outputs = self.network(self.as_network_takes_them(images))
        return tree_map_only(Tensor, torch.clone, outputs) if self.overwrites else outputs

    def as_network_takes_them(self, images: Tensor) -> Tensor:
        """Return images in the network's type, not float32 with trainer.precision=bf16-true, and memory format."""
        weights = next(self.network.parameters())
        return images.to(weights.dtype).contiguous(memory_format=self._memory_format)

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def split_metrics(self, split: str) -> MetricCollection:
        """Return the metrics of a split, up to its last batch."""
        metrics = self.metrics[f"{split}_metrics"]
        assert isinstance(metrics, MetricCollection)
        if split == "train" and (inputs := self._gathered.taken()) is not None:
            metrics.update(**inputs)
        return metrics

    def setup(self, stage: str) -> None:
        """Note which parameters are vectors while they are whole: all pieces of sharded ones are."""
        self._vectors = self._vectors or {name for name, parameter in self.named_parameters() if parameter.ndim <= 1}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Reseed every generator that a layer or loss may use, so that a step depends on its place alone."""
        seed = seeds.stream(self.seed, "step", self.trainer.global_step, batch_idx, self.global_rank)
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # manual_seed() notes a stack trace for each device: 0.1 ms
        else:
            torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss; metrics accumulate on the device, and nothing waits for it between logging intervals."""
        loss, outputs = self.compute_loss(batch)
        mine = self.last_loss = loss.detach()
        if not self.one_loss:
            loss = among_processes(self.trainer, loss, self.loss_weight(batch))
            if is_logged(self.trainer, self.trainer.global_step + 1):
                self.last_loss = mean_of_processes(self.trainer, loss.detach())
        with self.trainer.profiler.profile(METRICS):  # type: ignore[attr-defined]
            self._count(outputs, batch, mine)
        return among_accumulated(self.trainer, loss, batch_idx)

    def _count(self, outputs: Any, batch: Batch, loss: Tensor) -> None:
        """Measure a training batch with the loss of this process's part, and log that of all where it is due."""
        inputs = self.metric_inputs(outputs, batch, loss)
        if not self.gathers:
            self.split_metrics("train").update(**inputs)
        elif self._gathered.add(inputs):
            self.split_metrics("train")
        if is_logged(self.trainer, self.trainer.global_step + 1):
            size = len(batch["index"])
            self.log("train/loss_step", self.last_loss, on_step=True, on_epoch=False, batch_size=size)
            self.log("lr", self.learning_rate(), on_step=True, on_epoch=False, batch_size=size)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch of the validation split."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch of the split under test in full precision, whatever the training's was.

        In bfloat16 the batch size alone would move probabilities by a percent, and `predict` would answer otherwise.
        """
        with torch.autocast(self.device.type, enabled=False):
            self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: Batch) -> None:
        loss, outputs = self.compute_loss(batch)
        self.split_metrics(split).update(**self.metric_inputs(outputs, batch, loss))
        kept = self.evaluation_outputs(outputs, batch)
        self.outputs.append(
            {key: value.detach().cpu() for key, value in kept.items()} | {"index": batch["index"].cpu()}
        )

    def on_validation_epoch_start(self) -> None:
        """Forget the outputs of the split evaluated before."""
        self.outputs = []

    on_test_epoch_start = on_validation_epoch_start

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training metrics, and let a plateau schedule see the monitored one.

        Lightning would move it after the epoch's checkpoint is written, so that a resumed run would miss a move.
        """
        self._log_split("train")
        if not math.isfinite(float(self.trainer.callback_metrics["train/loss"])):
            raise Diverged("the training loss is not finite: lower optimizer.lr, or find where it began with debug=nan")
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, ReduceLROnPlateau) and self.monitor in self.validated:
            scheduler.step(self.validated[self.monitor])

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation split."""
        figures = self._log_split("val")
        if not self.trainer.sanity_checking:
            self.validated = {name: float(value) for name, value in figures.items()}

    def on_train_epoch_start(self) -> None:
        """Forget the validation of the epoch before; Lightning does not call this where an epoch is continued."""
        self.validated = {}
        self._let_learn(self.current_epoch)

    def _let_learn(self, epoch: int) -> None:
        """Go on to what learns in an epoch; processes that train together must all know of it."""
        if not self.freezing.begin(epoch):
            return
        learning = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        what = self.freezing.learning_in(epoch)
        behind = "" if what in ("all", "head") else " and all behind it"
        log.info("From here on learns %s%s: %s parameters", what, behind, f"{learning:,}")
        strategy = self.trainer.strategy
        if isinstance(strategy, DDPStrategy):  # its wrapper only knows the parameters that learned when it was made
            strategy.model = strategy._setup_model(self)

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test split, and bring together what all processes kept of it, in the split's order."""
        self._log_split("test")
        if self.trainer.world_size > 1:
            parts: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, self.outputs)
            batches = [batch for part in parts for batch in part]
            joined = {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}
            order = joined["index"].argsort()
            self.outputs = [{key: values[order] for key, values in joined.items()}]

    def _log_split(self, split: str) -> dict[str, Tensor]:
        metrics = self.split_metrics(split)
        figures: dict[str, Tensor] = metrics.compute()
        self.log_dict(figures)
        metrics.reset()
        return figures

    def learning_rate(self) -> float:
        """Return the learning rate of the first parameter group."""
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    # Optimizer

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimizer over all parameters that will ever learn, and its schedule."""
        if isinstance(self.trainer.strategy, FSDPStrategy) and len(self.freezing.plan) > 1:
            raise UserError("model.trainable: a plan by epochs cannot be followed with sharded parameters; type ddp")
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise UserError(
                f"model.trainable={self.freezing.learning_in(0)}: nothing learns in epoch 0, since all of the model is "
                "frozen; type head, a layer's name or all"
            )
        at_once = len(self.freezing.plan) == 1
        fused = fused_where_possible(self._optimizer, self.trainer, all_at_once=at_once)
        optimizer = made_optimizer(fused, self.parameter_groups())
        self.trainer.fit_loop.setup_data()  # else Lightning knows only `max_steps`, where that alone is given
        total = self.trainer.estimated_stepping_batches
        epoch = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        self._require_validation(total)
        scheduler = made_schedule(self._scheduler, optimizer=optimizer, total_steps=total, steps_per_epoch=epoch)
        plateau = isinstance(scheduler, ReduceLROnPlateau)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": scheduler,
                "interval": "step" if moves_every_step(scheduler) else "epoch",
                "frequency": 10**9 if plateau else 1,  # a plateau schedule is moved by on_train_epoch_end
                "reduce_on_plateau": plateau,
                "monitor": self.monitor,
            },
        }

    def _require_validation(self, total_steps: float) -> None:
        """Say where the training ends before its first validation. Raises UserError where that is part of the model."""
        batches = float(self.trainer.val_check_batch or 0)
        if total_steps * self.trainer.accumulate_grad_batches >= batches or self.trainer.limit_val_batches == 0:
            return
        told = f"trainer.max_steps={total_steps:g} is before the first validation, after {batches:g} batches"
        if self.needs_validation:
            raise UserError(f"{told}, which finds the threshold; type trainer.val_check_interval, or a longer training")
        log.warning("%s: the last weights are kept", told)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return all parameters that will ever learn, those behind first, in groups of one learning rate and decay.

        The learning rate falls by `layer_lr_decay` with each stage from the head towards the input (Howard and Ruder
        2018, section 3.2). Biases and normalisation, which are vectors, have no weight decay: it only costs accuracy
        (Goyal et al. 2017, section 5.3; He et al. 2019, section 3.1).
        """
        base = self._optimizer.keywords.get("lr")
        groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            own = name.removeprefix("network.")
            if name != own and not self.freezing.learns(own):
                continue
            depth = self.freezing.depth(own) if name != own and self.layer_lr_decay < 1 else 0
            decays = self.decay_norm_and_bias or not (name in self._vectors if self._vectors else parameter.ndim <= 1)
            groups.setdefault((depth, not decays), []).append(parameter)
        return [
            {"params": members}
            | ({"weight_decay": 0.0} if vectors else {})
            | ({"lr": base * self.layer_lr_decay**depth} if depth and base is not None else {})
            for (depth, vectors), members in sorted(groups.items())
        ]

    @property
    def learns_alike(self) -> bool:
        """Whether all of the network learns, from the first epoch and at one rate."""
        return self.freezing.everything_learns and self.layer_lr_decay == 1

    def stages(self) -> list[tuple[Stage, float]]:
        """Return the network's stages and each one's share of `optimizer.lr`, the input's first; then other parts."""
        names = {stage_of(name): name for name, _ in self.network.named_parameters()}
        stages = [
            (stage, self.layer_lr_decay ** self.freezing.depth(names[stage.name])) for stage in self.freezing.stages()
        ]
        for name, part in self.named_children():
            count = sum(parameter.numel() for parameter in part.parameters())
            if part is not self.network and count:
                stages.append((Stage(name, count, 0), 1.0))
        return stages

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the figures of the epoch so far: inside an epoch they are half counted."""
        checkpoint["validated"] = self.validated
        mine = saved_states(self.split_metrics("train"))
        parts: list[Any] = [mine]
        if self.trainer.world_size > 1:  # each process has counted its own samples
            parts = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, mine)
        checkpoint["train_metrics"] = parts

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the half-counted training metrics until they are on their device."""
        parts = checkpoint.get("train_metrics") or [{}]
        self._restored_metrics = parts[self.global_rank % len(parts)]
        self.validated = checkpoint.get("validated", {})

    def on_train_start(self) -> None:
        """Continue to count where the checkpoint stopped, with what learned there."""
        self._let_learn(self.current_epoch)
        restore_states(self.split_metrics("train"), self._restored_metrics)
        self._restored_metrics = {}


def is_logged(trainer: Any, step: int) -> bool:
    """Return whether the figures of optimizer step `step`, counted from 1, are logged (`trainer.log_every_n_steps`)."""
    every: int = trainer.log_every_n_steps
    return every > 0 and step % every == 0
