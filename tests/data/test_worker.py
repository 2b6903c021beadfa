"""Loader processes under the signals that a cluster sends to all processes of a training."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from src.data.worker import prepare_worker


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_loader_process_goes_on_when_all_are_asked_to_stop(signum):
    data = TensorDataset(torch.arange(64))
    batches = iter(DataLoader(data, batch_size=1, num_workers=1, prefetch_factor=1, worker_init_fn=prepare_worker))
    found = [int(next(batches)[0])]  # so it has begun
    os.kill(batches._workers[0].pid, signum)
    found += [int(batch) for (batch,) in batches]
    assert found == list(range(64))
