"""Occlusion beside captum's, on the same windows at the same batch size (python -m benchmarks.occlusion)."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchvision.models import resnet18

from benchmarks.measure import machine, paired, ratios, table
from src.explanations.occlusion import occluded, spread, windows

SIDE, PATCH, STRIDE, BATCH = 64, 16, 8, 16
ROUNDS = 9
BOUND = 1.05


def main() -> str:
    """Return the table: seconds of an image, and the ratio within each round."""
    import captum.attr

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, image = resnet18(num_classes=10).eval().requires_grad_(False), torch.randn(1, 3, SIDE, SIDE)
    places, fill = windows(SIDE, PATCH, STRIDE), torch.zeros(3, 1, 1)

    def value(images: Tensor) -> Tensor:
        return network(images).softmax(-1)[:, 3]

    def ours() -> np.ndarray:
        before, after = occluded(value, image, places, fill, BATCH)
        return spread((before - after).numpy(), places, SIDE)

    def theirs() -> np.ndarray:
        window = {"sliding_window_shapes": (3, PATCH, PATCH), "strides": (3, STRIDE, STRIDE)}
        with torch.inference_mode():
            found = captum.attr.Occlusion(value).attribute(image, perturbations_per_eval=BATCH, **window)
        return found[0, 0].numpy()

    apart = float(np.abs(ours() - theirs()).max())
    assert apart < 1e-6, f"the two differ by {apart}"
    found = paired({"ours": _timed(ours), "captum": _timed(theirs)}, ROUNDS)
    ratio = ratios(found, "ours", to="captum")
    rows = [[name, f"{np.median(seconds):.3f}"] for name, seconds in found.items()]
    what = f"{len(places)} windows of {PATCH} px, ResNet-18 at {SIDE} px, batches of {BATCH}"
    verdict = "kept" if ratio.median <= BOUND else "BROKEN"
    return "\n\n".join(
        [
            f"Occlusion of an image: {what}",
            table(["", "median seconds"], rows),
            f"ours over captum's: {ratio.shown('.3f')}, bound {BOUND}: {verdict}",
            machine(),
        ]
    )


def _timed(measured: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        start = time.perf_counter()
        measured()
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    print(main())
