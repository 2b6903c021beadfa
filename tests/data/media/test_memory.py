"""A pass over a store adds no more to each process's own memory than the batches that are ahead."""

from __future__ import annotations

import sys

import pytest

from benchmarks.memory import Noise, one_pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_pass_over_a_store_keeps_none_of_it(workers, tmp_path):
    """80 MiB of images, in batches of 1.5 MiB; what Python allocates on the way may take a little more."""
    found = one_pass(Noise(820), tmp_path, image_size=128, batch_size=32, workers=workers)
    assert found.store > 75 * 2**20
    assert found.ahead == 32 * 128 * 128 * 3 * 2
    assert len(found.grown) == 1 + workers
    for name, grown in found.grown.items():
        assert grown < found.ahead + 2 * 2**20, name
