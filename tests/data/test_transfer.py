"""The way of a batch to its device. Without a GPU, what is asked of CUDA is written down in its place."""

from __future__ import annotations

import contextlib

import pytest
import torch

from src.data.media.on_device import Parts
from src.data.transfer import Transfer, moved, tensors


@pytest.fixture
def batch() -> dict:
    return {
        "image": torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        "masks": [torch.ones(1), torch.ones(2)],
        "parts": Parts(torch.zeros(2, 6, dtype=torch.int64), [[4, 4]]),
        "epoch": 3,
    }


def test_a_batch_that_lies_on_the_cpu_is_handed_on_as_it_is(batch):
    assert Transfer()(batch, torch.device("cpu")) is batch


def test_everything_in_a_batch_arrives_with_its_type(batch):
    there = Transfer()(batch, torch.device("meta"))
    assert there["image"].device.type == "meta"
    assert there["image"].dtype == torch.uint8
    assert [mask.device.type for mask in there["masks"]] == ["meta", "meta"]
    assert there["parts"].numbers.device.type == "meta"
    assert there["parts"].extents == [[4, 4]]
    assert there["epoch"] == 3


def test_every_tensor_of_a_batch_is_found_to_be_kept_for_the_step(batch):
    shapes = [tuple(tensor.shape) for tensor in tensors(batch)]
    assert shapes == [(2, 3, 4, 4), (1,), (2,), (2, 6)]


def test_copies_stand_on_a_stream_of_their_own_and_the_step_waits_for_them(batch, monkeypatch):
    done = []

    class Stream:
        def __init__(self, device=None, name="side"):
            self.name = name
            done.append(f"make {name}")

        def wait_stream(self, other):
            done.append(f"{self.name} waits for {other.name}")

    main = Stream(name="main")

    @contextlib.contextmanager
    def within(stream):
        done.append(f"in {stream.name}")
        yield
        done.append(f"out of {stream.name}")

    def copied(value, device):
        if isinstance(value, torch.Tensor):
            done.append("copy")
        return moved(value, torch.device("cpu"))

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: done.append(f"kept for {stream.name}"))
    monkeypatch.setattr("src.data.transfer.moved", copied)
    transfer = Transfer()
    for _ in range(2):
        transfer({"image": batch["image"]}, torch.device("cuda"))
    once = ["in side", "copy", "out of side", "main waits for side", "kept for main"]
    assert done == ["make main", "make side", *once, *once]
