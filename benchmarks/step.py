"""What a training step costs beyond its arithmetic (python -m benchmarks.step).

Batches lie in memory already normalised, so the loader has no part in it. Every candidate trains the same network with
the same optimizer and schedule, in blocks of steps that take turns within one process; a block is timed from batch to
batch, with its logged steps, but without what Lightning does before the first and after the last one.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from benchmarks.measure import Quartiles, paired, ratios, table
from src.callbacks.history import History
from src.callbacks.progress import Progress
from src.config import saved
from src.config.command import compose
from src.data.module import ImageData
from src.data.spec import DataSpec
from src.metrics.classification import label_metrics
from src.models.base import ImageModule
from src.models.schedules import cosine
from src.runs import training
from src.runs.directory import new_run
from src.runs.session import settle_threads

Batch = dict[str, Any]
LOG_EVERY = 50
PLAIN = "plain Lightning, same metrics, bar"


@dataclass(frozen=True)
class Setting:
    """A network and its batches, and how many steps a block has: the first few warm up."""

    title: str
    overrides: tuple[str, ...]
    shape: tuple[int, int, int]
    batch_size: int
    warm_up: int
    steps: int
    rounds: int
    log_every: int = LOG_EVERY
    beside_lightning: bool = True
    """Whether plain Lightning is measured too."""


LENET = Setting(
    "LeNet-5, 28 px, batches of 64",
    ("model=lenet", "data.source.size=28", "data.image_size=28"),
    (3, 28, 28), batch_size=64, warm_up=10, steps=50, rounds=20,
)  # fmt: skip
RESNET = Setting(
    "ResNet-18, 128 px, batches of 16",
    ("model=resnet", "data.source.size=32", "data.image_size=128"),
    (3, 128, 128), batch_size=16, warm_up=3, steps=6, rounds=7, log_every=3, beside_lightning=False,
)  # fmt: skip


class Timed:
    """Batches in memory, handed out in turn; knows when each was asked for. Lightning takes it for a loader."""

    def __init__(self, batches: Sequence[Batch], warm_up: int, steps: int) -> None:
        self.batches, self.warm_up, self.steps = batches, warm_up, steps
        self.asked: list[float] = []

    def __len__(self) -> int:
        return self.warm_up + self.steps + 1

    def __iter__(self) -> Iterator[Batch]:
        self.asked = []
        for number in range(len(self)):
            self.asked.append(time.perf_counter())
            yield self.batches[number % len(self.batches)]

    def milliseconds(self) -> float:
        """Return the mean over the steps of the block, from asking for one batch to asking for the next."""
        return (self.asked[self.warm_up + self.steps] - self.asked[self.warm_up]) / self.steps * 1e3


class InMemory(ImageData):
    """Our datamodule over batches that are normalised already."""

    timed: Timed

    def train_dataloader(self) -> Any:
        """Return the batches in memory."""
        return self.timed

    def normalized(self, batch: Batch) -> Batch:
        """Return the batch as it is."""
        return batch


class Plain(LightningModule):
    """What a user of Lightning would write, with the same metrics or without any."""

    def __init__(self, network: nn.Module, optimize: Callable[[Any], Any], classes: int | None) -> None:
        super().__init__()
        self.network, self.optimize = network, optimize
        self.metrics = label_metrics(classes, multilabel=False).clone(prefix="train/") if classes else None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss; metrics and loss are logged at every step, as Lightning's own examples do."""
        logits = self.network(batch["image"])
        loss = F.cross_entropy(logits, batch["label"])
        if self.metrics is not None:
            size = len(batch["label"])
            self.metrics.update(preds=logits.detach(), target=batch["label"], loss=loss.detach(), size=size)
            self.log_dict(self.metrics, on_step=False, on_epoch=True, batch_size=size)
            self.log("train/loss_step", loss, prog_bar=True, batch_size=size)
        return loss

    def configure_optimizers(self) -> Any:
        """Return optimizer and schedule."""
        optimizer, scheduler = self.optimize(self.network.parameters())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Terminal(io.StringIO):
    """Where the bars are drawn to."""

    def isatty(self) -> bool:
        """Say that a person is watching."""
        return True


def candidates(setting: Setting, folder: Path) -> dict[str, Callable[[], float]]:
    """Return the trainings to compare; each call takes a block of steps and returns milliseconds per step."""
    overrides = (*setting.overrides, f"data.batch_size={setting.batch_size}", f"threads={torch.get_num_threads()}")
    composed = compose(
        "train",
        [
            *overrides, "logger=csv", "data=shapes", "trainer=cpu", "trainer.max_epochs=100000", "data.num_workers=0",
            f"trainer.log_every_n_steps={setting.log_every}", "trainer.limit_val_batches=0", "data.source.train=64",
            "data.source.val=16", "optimizer.lr=1e-8", "data.source.test=16", f"run_dir={folder / 'ours'}",
        ],
    )  # fmt: skip
    settle_threads(composed)
    config = saved.plain(composed.config)
    data, spec = in_memory(config, setting)
    optimizer = partial(training.partial(config["optimizer"]), fused=True)  # as ours is by default

    def optimize(parameters: Any) -> tuple[Optimizer, Any]:
        made = optimizer(parameters)
        return made, cosine(optimizer=made, total_steps=10**7, steps_per_epoch=1000, warmup_epochs=1.0, final_ratio=0.0)

    def network() -> nn.Module:
        return training.build_model(config, spec).network

    ours = {
        "a bare loop": bare_block(setting, data.timed.batches, network(), optimize),
        "ours": our_block(config, data, spec, folder),
    }
    if not setting.beside_lightning:
        return ours
    lightning = partial(lightning_block, setting, data.timed.batches, folder)
    return ours | {
        PLAIN: lightning(Plain(network(), optimize, spec.num_classes), bar=True),
        "plain Lightning without metric, logger or bar": lightning(Plain(network(), optimize, None), bar=False),
    }


def in_memory(config: Mapping[str, Any], setting: Setting) -> tuple[InMemory, DataSpec]:
    """Return our datamodule with random batches in place of its own."""
    data = training.open_data(config)
    spec = data.open()
    data.__class__ = InMemory
    assert isinstance(data, InMemory)
    random = torch.Generator().manual_seed(0)
    size = setting.batch_size
    batches = [
        {
            "image": torch.randn(size, *setting.shape, generator=random),
            "label": torch.randint(spec.num_classes, (size,), generator=random),
            "index": torch.arange(size), "epoch": 0, "number": number,
        }
        for number in range(4)
    ]  # fmt: skip
    data.timed = Timed(batches, setting.warm_up, setting.steps)
    return data, spec


def bare_block(
    setting: Setting, batches: Sequence[Batch], network: nn.Module, optimize: Callable[[Any], Any]
) -> Callable[[], float]:
    """Return a block of the loop that a user would write without a framework."""
    optimizer, scheduler = optimize(network.parameters())
    network.train()

    def block() -> float:
        timed = Timed(batches, setting.warm_up, setting.steps)
        for batch in timed:
            optimizer.zero_grad()
            F.cross_entropy(network(batch["image"]), batch["label"]).backward()
            optimizer.step()
            scheduler.step()
        return timed.milliseconds()

    return block


def our_block(config: Mapping[str, Any], data: InMemory, spec: DataSpec, folder: Path) -> Callable[[], float]:
    """Return a block of our training: all callbacks, history, bar, metrics and loggers of a run."""
    run = new_run(str(folder / "ours"), str(folder), "ours", [])
    run.path.mkdir(parents=True, exist_ok=True)
    model: ImageModule = training.build_model(config, spec)
    callbacks = [History(), Progress(model.monitor), *training.build_callbacks(config)]
    trainer = training.build_trainer(config, run, callbacks, loggers=[])

    def block() -> float:
        fit(trainer, model, data)
        return data.timed.milliseconds()

    return block


def lightning_block(
    setting: Setting, batches: Sequence[Batch], folder: Path, module: Plain, *, bar: bool
) -> Callable[[], float]:
    """Return a block of plain Lightning's training."""
    trainer = Trainer(
        accelerator="cpu", max_epochs=100000, default_root_dir=folder, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=bar, log_every_n_steps=setting.log_every,
        deterministic=True, callbacks=[TQDMProgressBar()] if bar else None, use_distributed_sampler=False,
    )  # fmt: skip
    timed = Timed(batches, setting.warm_up, setting.steps)

    def block() -> float:
        fit(trainer, module, timed)
        return timed.milliseconds()

    return block


def fit(trainer: Trainer, module: LightningModule, data: Any) -> None:
    """Train one more epoch, which is a block; bars go to a terminal that nobody sees."""
    trainer.fit_loop.max_epochs = trainer.current_epoch + 1
    with contextlib.redirect_stderr(Terminal()), contextlib.redirect_stdout(Terminal()):
        if isinstance(module, ImageModule):
            training.fit(trainer, module, data, None)
        else:
            trainer.fit(module, train_dataloaders=data)


def measure(setting: Setting) -> dict[str, list[float]]:
    """Return milliseconds per step of every candidate, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        return paired(candidates(setting, Path(folder)), setting.rounds)


def added(found: Mapping[str, Sequence[float]], name: str) -> Quartiles:
    """Return milliseconds per step beyond the bare loop, compared round by round."""
    return Quartiles.of([own - bare for own, bare in zip(found[name], found["a bare loop"], strict=True)])


def rows(found: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Return the table's rows."""
    lines = []
    for name, values in found.items():
        own = Quartiles.of(values).shown(".2f")
        beyond = "" if name == "a bare loop" else added(found, name).shown(".2f")
        lines.append([name, own, beyond, ratios(found, name, "a bare loop").shown(".3f")])
    return lines


def main() -> str:
    """Return the section: both settings, medians and quartiles over rounds."""
    quiet()
    parts = ["## The training step\n"]
    for setting in (LENET, RESNET):
        found = measure(setting)
        columns = (f"{setting.title}: training", "ms per step", "ms beyond the bare loop", "times the bare loop")
        parts.append(table(columns, rows(found)))
        more = 100 * (ratios(found, "ours", "a bare loop").median - 1)
        said = f"Median (quartiles) of {setting.rounds} rounds of {setting.steps} steps; ours adds {more:.1f} %"
        if setting.beside_lightning:
            share = added(found, "ours").median / added(found, PLAIN).median
            said += f", {share:.2f} of what plain Lightning adds with the same metrics and bar"
        parts.append(f"\n{said}.\n")
    return "\n".join(parts)


def quiet() -> None:
    """Keep what Lightning says of itself out of the tables."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "src"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    print(main())
