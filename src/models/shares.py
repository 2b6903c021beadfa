"""What the mean loss of one batch weighs in its optimizer step, beside those of other processes and of accumulation.

Several processes average their gradients, and accumulation divides by a fixed number of batches. Both are the mean over
all samples of the step only where every part weighs the same.
"""

from __future__ import annotations

import torch
from pytorch_lightning import Trainer
from torch import Tensor


def among_processes(trainer: Trainer, loss: Tensor, weight: Tensor | int) -> Tensor:
    """Return the mean loss of this process's part, so that the mean over processes is that of the whole batch.

    `weight` is what its own mean was divided by: samples, or the sum of their class weights. Exactly the loss itself
    where all parts weigh the same. A sum of one number over all processes, for which the device is not waited for.
    """
    if trainer.world_size == 1:
        return loss
    mine = torch.as_tensor(weight, dtype=torch.float32, device=loss.device)
    whole = trainer.strategy.reduce(mine.clone(), reduce_op="sum")
    assert isinstance(whole, Tensor)
    return loss * (mine * trainer.world_size / torch.where(whole > 0, whole, torch.inf))


def mean_of_processes(trainer: Trainer, loss: Tensor) -> Tensor:
    """Return the mean over all processes of what `among_processes` gave each."""
    if trainer.world_size == 1:
        return loss
    mean = trainer.strategy.reduce(loss.clone(), reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def among_accumulated(trainer: Trainer, loss: Tensor, batch_idx: int) -> Tensor:
    """Return the loss so that the last step of an epoch, which may accumulate fewer batches, is their mean too.

    Lightning divides by `trainer.accumulate_grad_batches` there as well, so that the step would be too short.
    """
    every, batches = trainer.accumulate_grad_batches, int(trainer.num_training_batches)
    rest = batches % every
    return loss * (every / rest) if rest and batch_idx >= batches - rest else loss
