"""The learning-rate range test (Smith 2017, section 3.3): a short training in which the rate grows with every step."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer

from src.callbacks.checkpoint import Interrupted
from src.errors import UserError
from src.files import write_text
from src.models.base import ImageModule
from src.progress import Advance
from src.report.charts import Series, line_chart
from src.report.layout import Section, lay_out, render
from src.report.numbers import number
from src.runs.directory import RunDirectory
from src.runs.training import build_model, build_trainer, open_data, stoppable

DIVERGED = 4.0
"""Times the lowest loss so far at which the test ends."""
BELOW = 3.0
"""What the rate from which on a loss rose that had not fallen before is divided by."""
SMOOTHING = 0.9
"""Of the running mean of losses: what one step says alone is mostly its batch."""
LATE = round(SMOOTHING / (1 - SMOOTHING))
"""Steps by which the running mean comes behind the losses."""
NOTICEABLE = 1.5
"""How far the running mean must move, in standard deviations of a single loss; its own is a quarter of one."""
SHOWN = 1.5
"""Times the loss at the smallest rates up to which losses are drawn."""


class _Enough(BaseException):
    """The loss has diverged: larger rates have nothing more to say."""


class GrowingRate(Callback):
    """Sets the rate of every step, the same factor from each to the next, and keeps the loss at each.

    Groups of parameters keep their share of it, so any optimizer will do.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        self.rates = list(rates)
        self.advance: Advance | None = None
        """What shows a person how far it is."""
        self.losses: list[float] = []
        self._sums: list[float] = []
        self._shares: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note each group's share of the learning rate."""
        rates = [float(group.get("initial_lr", group["lr"])) for group in trainer.optimizers[0].param_groups]
        self._shares = [rate / max(rates) for rate in rates]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the rate of the step that this batch belongs to."""
        rate = self.rates[min(trainer.global_step, len(self.rates) - 1)]
        for group, share in zip(trainer.optimizers[0].param_groups, self._shares, strict=True):
            group["lr"] = rate * share

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss of the step; end where it has diverged."""
        assert isinstance(pl_module, ImageModule)
        self._sums.append(float(pl_module.last_loss))
        if trainer.fit_loop.epoch_loop._should_accumulate():
            return
        self.losses.append(float(np.mean(self._sums)))
        self._sums = []
        smooth = smoothed(self.losses)
        if self.advance is not None:
            self.advance.update(figures=f"rate {self.rates[len(self.losses) - 1]:.2g}, loss {smooth[-1]:.3f}")
        if not math.isfinite(self.losses[-1]) or smooth[-1] > DIVERGED * min(smooth):
            raise _Enough


@dataclass(frozen=True)
class Found:
    """What a test found: the learning rates, the loss at each, and the rate to take, None where there is none."""

    rates: list[float]
    losses: list[float]
    suggestion: float | None
    reason: str
    """Why it is this rate, or none."""


def range_test(config: dict[str, Any]) -> tuple[Found, Path]:
    """Run the test of a checked configuration; returns what it found, and the page with the curve.

    Raises UserError where the rates make no range, the page has another name than a page's, or more than one process
    was asked for.
    """
    low, high, steps = float(config["lowest"]), float(config["highest"]), int(config["steps"])
    if not low < high:
        raise UserError(f"lowest={low} highest={high}: the rates grow from the lowest to the highest")
    if config["trainer"].get("devices", 1) != 1 or config["trainer"].get("num_nodes", 1) != 1:
        raise UserError("a range test is run by one process: type trainer.devices=1")
    path = Path(config["output"])
    if path.suffix != ".html":
        raise UserError(f"output={path}: what is written is a page; type output={path.with_suffix('.html')}")
    data = open_data(config)
    spec = data.open()
    model = build_model(config, spec)
    data.wanted_targets = model.requires
    growing = GrowingRate(np.geomspace(low, high, steps).tolist())
    quiet = {"max_epochs": steps, "max_steps": steps, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    trainer = build_trainer(config | {"trainer": config["trainer"] | quiet}, RunDirectory(path.parent), [growing], [])
    try:
        with contextlib.suppress(_Enough), Advance("Range test", steps, unit="steps") as growing.advance, stoppable():
            trainer.fit(model, datamodule=data)
    except Interrupted as error:  # nothing to save here: the command ends as any other does
        raise KeyboardInterrupt from error
    found = suggested(growing.rates[: len(growing.losses)], growing.losses)
    write_text(path, page(found))
    return found, path.resolve()


def suggested(rates: list[float], losses: list[float]) -> Found:
    """Return the rate where the loss falls fastest or, where it does not, one well below those that make it rise."""
    if (fastest := steepest(rates, losses)) is not None:
        return Found(rates, losses, fastest, "where the loss falls fastest")
    if (below := before_rise(rates, losses)) is not None:
        return Found(
            rates,
            losses,
            below,
            f"the loss fell nowhere, and rises from {BELOW:g} times the suggested rate on",
        )
    return Found(rates, losses, None, "the loss neither fell nor rose: other rates, or more steps, may tell more")


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the running mean of the losses, without the bias towards 0 of its beginning."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**count))
    return found


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate at which the smoothed loss falls fastest over the logarithm of the rate; None where it does not.

    Only from where a tenth of the fall is done up to where it is lowest: what is before and behind that is noise.
    """
    smooth, level, noise = _levels(losses)
    lowest = int(np.argmin(smooth)) if len(smooth) else 0
    fall = level - smooth[lowest] if lowest > LATE else 0.0
    if fall <= NOTICEABLE * noise:
        return None
    began = int(np.flatnonzero(smooth[: lowest + 1] >= level - 0.1 * fall)[-1])
    slopes = np.gradient(smooth[: lowest + 1], np.log10(rates[: lowest + 1]))[began:]
    return float(rates[max(0, began + int(np.argmin(slopes)) - LATE)])


def before_rise(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return a rate well below that from which on a loss rose that fell nowhere; None where it did not rise either."""
    smooth, level, noise = _levels(losses)
    low = np.flatnonzero(smooth <= level + NOTICEABLE * noise)
    if not len(low) or low[-1] == len(losses) - 1:
        return None
    return float(rates[max(0, int(low[-1]) - LATE)] / BELOW)


def _levels(losses: Sequence[float]) -> tuple[NDArray[np.float64], float, float]:
    """Return the running mean up to the first loss that is not finite, the loss at the smallest rates, and its noise.

    The noise is the standard deviation of single losses there, from their differences: these do not see a slow fall.
    """
    finite = np.isfinite(losses)
    known = list(losses[: int(np.argmin(finite)) if not finite.all() else None])
    first = known[: max(LATE, len(known) // 5)]
    if len(first) < 2:
        return np.array(smoothed(known)), math.nan, math.nan
    return np.array(smoothed(known)), float(np.mean(first)), float(np.std(np.diff(first)) / math.sqrt(2))


def page(found: Found) -> str:
    """Return the page with the losses over the rates, and the override to paste.

    Losses far above those at the smallest rates are left out: they would press all others to the bottom.
    """
    rates, smooth = found.rates, smoothed(found.losses)
    powers = range(math.floor(math.log10(rates[0])), math.ceil(math.log10(rates[-1])) + 1)
    x = [math.log10(rate) for rate in rates]
    top = SHOWN * smooth[min(LATE, len(smooth) - 1)]
    series = [
        Series("each step", x, [loss if loss <= top else math.nan for loss in found.losses], tone=5, faint=True),
        Series("smoothed", x, [loss if loss <= top else math.nan for loss in smooth]),
    ]
    override = None
    if found.suggestion is not None:
        override = f"optimizer.lr={found.suggestion:.2g}"
        drawn = [loss for loss in series[0].y if math.isfinite(loss)]
        at = [math.log10(found.suggestion)] * 2
        series.append(Series("suggested", at, [min(drawn), max(drawn)], tone=1, figure=f"{found.suggestion:.2g}"))
    chart = line_chart(
        "training loss",
        series,
        "learning rate, logarithmic",
        x_ticks=[(power, f"1e{power}") for power in powers],
        x_text=lambda value: f"learning rate {number(float(f'{10**value:.3g}'))}",
    )
    headline = render("lr_find.html", override=override, reason=found.reason)
    charts = Markup('<div class="charts">{}</div>').format(chart)
    return lay_out("Learning-rate range test", headline, [Section("Loss", charts)])
