"""What a loader process is: one core of the machine, and as long-lived as the training that it works for."""

from __future__ import annotations

import signal

import torch

AFTERWARDS = 20
"""Seconds that a loader process goes on when told to end: a training that was told so too saves within ten."""


def prepare_worker(worker: int) -> None:
    """Keep a loader process to one core, and have it outlive requests to stop.

    The other cores have other workers. A terminal and a cluster send their signals to all processes of a training:
    where a worker died of one, the training would fail instead of saving.
    """
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    for signum in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(signum, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda signum, frame: signal.alarm(AFTERWARDS))
